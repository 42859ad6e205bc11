import { Hammer } from "lucide-react";
import { Page, PageHeader } from "../kit/Page";
import { Empty } from "../kit/States";
import { t } from "../text/shell";

/** Stands where a page is not built yet. */
export function Unbuilt({ title, command }: { title: string; command: string }) {
  return (
    <Page>
      <PageHeader title={title} />
      <Empty icon={Hammer} title={t("notBuilt")} command={command}>{t("notBuiltText")}</Empty>
    </Page>
  );
}
