import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useState } from "react";
import { useChange } from "../../api/change";
import { answer, api, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { Button } from "../../kit/Button";
import { Command } from "../../kit/CopyAs";
import { CheckBox } from "../../kit/Field";
import { Facts, Section } from "../../kit/Page";
import { ErrorState, Loading } from "../../kit/States";
import { Bytes } from "../../kit/Values";
import { t } from "../../text/settings";

/** What the installation takes on disk, and a backup of it. */
export function Storage() {
  const storage = useQuery({ queryKey: ["storage"], queryFn: ({ signal }) => ok(api.GET("/api/storage", { signal })) });
  const s = storage.data;
  if (storage.error && !s) return <ErrorState error={storage.error} onRetry={() => void storage.refetch()} />;
  if (!s) return <Loading rows={4} />;
  const bound = (n: number | null) => (n === null ? <span className="text-faint">{t("unlimited")}</span> : <Bytes n={n} />);
  return (
    <>
      <Section title={t("storage")}>
        <Facts items={[
          [t("engine"), s.engine], [t("database"), <Bytes key="d" n={s.database_bytes} />], [t("logs"), <Bytes key="l" n={s.log_bytes} />],
          [t("artifacts"), <span key="a"><Bytes n={s.artifact_bytes} /> <span className="text-faint">{t("files", { n: s.artifact_count })}</span></span>], [t("quota"), bound(s.artifact_quota_bytes)], [t("perRun"), bound(s.artifact_run_max_bytes)],
        ]}
        />
      </Section>
      <Backup />
    </>
  );
}

function Backup() {
  const { can, why } = useCan("backup:write");
  const [artifacts, setArtifacts] = useState(true);
  const make = useChange(async () => {
    const { data, response } = await answer(api.POST("/api/backup", { params: { query: { artifacts } }, parseAs: "blob" }));
    const name = /filename="?([^";]+)/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "runsheet-backup.tar";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(data as unknown as Blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }, { said: t("backupDone") });
  return (
    <Section title={t("backup")} className="max-w-2xl">
      <p className="text-sm text-dim">{t("backupText")}</p>
      <div className="flex flex-wrap items-center gap-4 py-3">
        <Button icon={Download} busy={make.isPending} {...(can ? {} : { why })} onClick={() => make.mutate()}>{t("backupDo")}</Button>
        <CheckBox label={t("backupArtifacts")} checked={artifacts} onChange={setArtifacts} />
      </div>
      <p className="pb-1 text-xs text-faint">{t("backupBig")}</p>
      <Command text={`runsheet backup --out backup.tar${artifacts ? "" : " --no-artifacts"}`} />
    </Section>
  );
}
