import { useQuery } from "@tanstack/react-query";
import { LoaderCircle } from "lucide-react";
import { useSettled } from "../../kit/settled";
import { FormError } from "../../kit/States";
import { t } from "../../text/schedules";
import { previewQuery } from "./api";
import { FireTable } from "./Fires";
import { previewOf, type Draft } from "./form";

/** The next 20 fires of what is being written, from the server, with what is skipped and why. */
export function Preview({ draft }: { draft: Draft }) {
  const settled = useSettled(draft, 300);
  const body = previewOf(settled, 20);
  const query = useQuery(previewQuery(body));
  const items = body ? (query.data?.items ?? []) : [];
  const skipped = items.filter((i) => i.skip).length;
  return (
    <section aria-label={t("preview")} data-preview={body && !query.isFetching && settled === draft ? "ready" : "busy"} className="rounded-lg border border-line">
      <header className="flex min-h-10 items-center gap-2 border-b border-line px-3">
        <h2 className="text-sm font-semibold">{t("preview")}</h2>
        {query.isFetching ? <LoaderCircle aria-hidden className="size-3.5 animate-spin text-faint" /> : null}
        {items.length > 0 ? <span className="ml-auto text-xs text-faint">{t("previewCount", { n: items.length - skipped })}{skipped ? ` · ${t("previewSkipped", { n: skipped })}` : ""}</span> : null}
      </header>
      {/* A region that scrolls must be reachable by keys. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div role="group" aria-label={t("preview")} tabIndex={0} className="max-h-[70vh] overflow-y-auto px-3">
        {!body ? <p className="py-6 text-center text-sm text-faint">{draft.kind === "ON" ? t("waitsForEvent") : draft.kind === "INTERVAL" && draft.afterEnd ? t("afterEndText") : t("previewLater")}</p>
          : query.isError ? <div className="py-3"><FormError error={query.error} /></div>
          : items.length === 0 && !query.isFetching ? <p className="py-6 text-center text-sm text-warn">{t("never")}</p>
          : <FireTable label={t("preview")} fires={items} zone={settled.timezone} />}
      </div>
    </section>
  );
}
