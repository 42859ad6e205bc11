import { t } from "../text/kit";
import { Button } from "./Button";
import type { Pages } from "../api/pages";

/** Reads the next page of a list, when there is one. */
export function More({ pages }: { pages: Pick<Pages<unknown>, "more" | "loadingMore"> }) {
  if (!pages.more) return null;
  return <div className="flex justify-center py-3"><Button busy={pages.loadingMore} onClick={pages.more}>{t("more")}</Button></div>;
}
