import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { RotateCcw } from "lucide-react";
import { useChange } from "../../api/change";
import { api, getExact, ok } from "../../api/client";
import { stringify } from "../../api/exact";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { Code } from "../../kit/Code";
import { CopyAs } from "../../kit/CopyAs";
import { duration, fromNow } from "../../kit/format";
import { Facts, Section } from "../../kit/Page";
import { ErrorState, Loading } from "../../kit/States";
import { CopyId, Time } from "../../kit/Values";
import { t } from "../../text/webhooks";
import { errorText } from "./errors";
import { DeliveryState, type Delivery } from "./looks";

// What was sent besides the body. The signature is made for each attempt, of the time and the body.
function headersOf(d: Delivery): string {
  const last = d.log?.at(-1);
  return ["Content-Type: application/json", `webhook-id: ${d.delivery_id}`, `webhook-timestamp: ${last ? Math.floor(Date.parse(last.at) / 1000) : `(${t("perAttempt")})`}`, `webhook-signature: v1,… (${t("perAttempt")})`].join("\n");
}

/** A delivery with its attempts, what was sent and what was answered. */
export function DeliveryDetails({ id }: { id: string }) {
  const { can, why } = useCan("webhooks:write");
  const read = useQuery({ queryKey: ["deliveries", "one", id], queryFn: async ({ signal }) => (await getExact(`/api/webhook-deliveries/${encodeURIComponent(id)}`, signal)) as Delivery, refetchInterval: (q) => (q.state.data?.status === "pending" || q.state.data?.status === "failed" ? 3000 : false) });
  const again = useChange(() => ok(api.POST("/api/webhook-deliveries/{delivery_id}/redeliver", { params: { path: { delivery_id: id } } })), { old: ["deliveries", "webhook", "webhooks"], said: t("redelivered") });
  const d = read.data;
  if (read.error && !d) return <ErrorState error={read.error} onRetry={() => void read.refetch()} />;
  if (!d) return <Loading />;
  const waits = d.status === "pending" || d.status === "failed";
  const reason = !can ? why : waits ? t("redeliverWhy", { when: d.next_attempt_at ? fromNow(Date.parse(d.next_attempt_at), Date.now()) : "" }) : "";
  return (
    <>
      <div className="flex flex-wrap items-center gap-2 pb-4">
        <DeliveryState status={d.status} />
        <code className="grow font-mono text-xs">{d.event}</code>
        <CopyAs action={{ cli: `runsheet webhook redeliver ${d.delivery_id}`, method: "POST", path: `/api/webhook-deliveries/${d.delivery_id}/redeliver` }} />
        <Button icon={RotateCcw} busy={again.isPending} {...(reason ? { why: reason } : {})} onClick={() => again.mutate()}>{t("redeliver")}</Button>
      </div>
      <Facts items={[
        ["webhook-id", <CopyId key="i" id={d.delivery_id} full />], [t("created"), <Time key="c" at={d.created_at} />], [t("log"), t("attemptsOf", { n: d.attempts, max: d.max_attempts })], [t("next"), <Time key="n" at={d.next_attempt_at} />], [t("finished"), <Time key="f" at={d.finished_at} />],
        ...(d.run_id ? [[t("run"), <Link key="r" to={`/runs/${d.run_id}` as never} className="font-mono text-xs text-accent hover:underline">{d.run_id}</Link>] as const] : []), ...(d.error ? [[t("error"), <span key="e" className="text-bad">{errorText(d.error, d.last_status)} <code className="font-mono text-xs">{d.error.code}</code></span>] as const] : []),
      ]}
      />
      <Section title={t("log")} className="first:mt-6">
        <ol className="flex flex-col">
          {[...(d.log ?? [])].reverse().map((a, i, all) => (
            <li key={a.at} className="flex flex-wrap items-center gap-x-3 border-b border-line/70 py-1.5 text-sm">
              <span className="text-dim">{t("attempt", { n: all.length - i })}</span>
              <Badge tone={a.error ? "bad" : "ok"}>{a.status ?? t("noAnswer")}</Badge>
              <span className="text-dim">{duration(a.duration_ms)}</span>
              {a.error ? <span className="min-w-0 grow text-bad [overflow-wrap:anywhere]">{errorText(a.error, a.status)}</span> : <span className="grow" />}
              <Time at={a.at} className="text-faint" />
            </li>
          ))}
        </ol>
        <p className="pt-2 text-xs text-faint">{t("responseText")}</p>
      </Section>
      <Section title={t("headers")} className="first:mt-6"><Code label={t("headers")} text={headersOf(d)} /></Section>
      <Section title={t("body")} className="first:mt-6"><Code label={t("body")} tall text={stringify(d.body, 2)} /></Section>
    </>
  );
}
