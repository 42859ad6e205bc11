import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Pencil } from "lucide-react";
import { api, ok } from "../../api/client";
import { usePages } from "../../api/pages";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { Code } from "../../kit/Code";
import { cx } from "../../kit/cx";
import { More } from "../../kit/More";
import { Facts, Section } from "../../kit/Page";
import { ErrorState, Loading } from "../../kit/States";
import { Tabs } from "../../kit/Tabs";
import { diffLines, foldDiff } from "../../kit/textdiff";
import { Duration, Num, Time } from "../../kit/Values";
import { t } from "../../text/directives";
import type { Directive } from "./Editor";

type Tab = "now" | "versions" | "uses";

/** A directive: what it says, its versions, and who uses it. */
export function Details({ directive: d, tab, version, onTab, onVersion, onEdit }: { directive: Directive; tab: Tab; version: number; onTab: (t: Tab) => void; onVersion: (n: number) => void; onEdit: () => void }) {
  const { can, why } = useCan("directives:write");
  return (
    <Tabs
      value={tab} onChange={(v) => onTab(v as Tab)}
      tabs={[
        { id: "now", label: t("now"), content: <><div className="flex justify-end pb-2"><Button icon={Pencil} {...(can ? {} : { why })} onClick={onEdit}>{t("edit")}</Button></div><Says directive={d} /></> },
        { id: "versions", label: t("versions"), count: d.version, content: <Versions directive={d} version={version} onVersion={onVersion} /> },
        { id: "uses", label: t("uses"), content: <Uses id={d.directive_id} /> },
      ]}
    />
  );
}

function Says({ directive: d }: { directive: Directive }) {
  const list = (items: readonly string[]) => (items.length === 0 ? <span className="text-faint">{t("nothing")}</span> : <span className="flex flex-col font-mono text-xs">{items.map((x) => <span key={x} className="[overflow-wrap:anywhere]">{x}</span>)}</span>);
  return (
    <>
      <Facts items={[
        [t("model"), <span key="m">{d.model ?? <span className="text-faint">{t("any")}</span>}{d.server ? ` · ${d.server}` : ""}</span>], [t("temperature"), <Num key="t" n={d.temperature} />], [t("context"), <Num key="c" n={d.context_tokens} />],
        [t("files"), list(d.allow.files)], [t("hosts"), list(d.allow.hosts)], [t("containers"), list(d.allow.containers)],
        [t("perRun"), <Num key="r" n={d.limits.tokens} />], [t("perCall"), <Num key="p" n={d.limits.call_tokens} />], [t("time"), <Duration key="d" of={d.limits.time} />],
      ]}
      />
      {d.system_prompt ? <Section title={t("prompt")} className="first:mt-6"><Code label={t("prompt")} text={d.system_prompt} tall /></Section> : null}
    </>
  );
}

// What two versions are compared by.
function textOf(d: Directive): string {
  return [
    `model: ${d.model ?? ""}`, `server: ${d.server ?? ""}`, `temperature: ${d.temperature ?? ""}`, `context_tokens: ${d.context_tokens ?? ""}`, ...d.allow.files.map((x) => `allow.files: ${x}`), ...d.allow.hosts.map((x) => `allow.hosts: ${x}`),
    ...d.allow.containers.map((x) => `allow.containers: ${x}`), `limits.tokens: ${d.limits.tokens ?? ""}`, `limits.call_tokens: ${d.limits.call_tokens ?? ""}`, `limits.time: ${d.limits.time ?? ""}`, `archived: ${d.archived}`, "", ...d.system_prompt.split("\n"),
  ].join("\n");
}

function Versions({ directive: d, version, onVersion }: { directive: Directive; version: number; onVersion: (n: number) => void }) {
  const pages = usePages<Directive>(["directive", d.directive_id, "versions", d.version], (cursor, signal) => ok(api.GET("/api/directives/{directive_id}/versions", { signal, params: { path: { directive_id: d.directive_id }, query: { limit: 50, ...(cursor ? { cursor } : {}) } } })));
  if (pages.error) return <ErrorState error={pages.error} onRetry={pages.retry} />;
  if (pages.isPending) return <Loading rows={3} />;
  const at = pages.items.findIndex((v) => v.version === version);
  const shown = pages.items[at] ?? pages.items[0];
  const before = shown ? pages.items.find((v) => v.version === shown.version - 1) : undefined;
  return (
    <div className="grid gap-4 sm:grid-cols-[11rem_minmax(0,1fr)]">
      <div>
        <ol className="flex flex-col gap-px">
          {pages.items.map((v) => (
            <li key={v.version}>
              <button type="button" aria-current={v.version === shown?.version || undefined} onClick={() => onVersion(v.version)} className="target flex w-full flex-wrap items-center gap-x-2 rounded-md px-2 py-1 text-left text-sm hover:bg-hover aria-[current]:bg-accent-soft">
                <span className="font-medium">{t("versionN", { n: v.version })}</span>
                {v.version === d.version ? <Badge tone="ok">{t("current")}</Badge> : null}
                <span className="basis-full text-xs text-dim"><Time at={v.updated_at} /></span>
              </button>
            </li>
          ))}
        </ol>
        <More pages={pages} />
      </div>
      {shown ? (
        <div className="min-w-0">
          {before ? <Section title={t("compare", { n: before.version })}><Diff before={textOf(before)} after={textOf(shown)} /></Section> : null}
          <Section title={t("versionN", { n: shown.version })}><Says directive={shown} /></Section>
        </div>
      ) : null}
    </div>
  );
}

function Diff({ before, after }: { before: string; after: string }) {
  const all = diffLines(before, after);
  const lines = foldDiff(all, 2);
  if (all.every((l) => l.kind === "same")) return <p className="text-sm text-faint">{t("same")}</p>;
  return (
    <pre className="overflow-x-auto rounded-md border border-line py-1 font-mono text-xs">
      {lines.map((l, i) => l.kind === "fold" ? <div key={i} className="px-3 text-faint">⋯ {l.count}</div> : (
        <div key={i} className={cx("px-3 whitespace-pre-wrap [overflow-wrap:anywhere]", l.kind === "removed" && "bg-bad-soft text-bad", l.kind === "added" && "bg-ok-soft text-ok", l.kind === "same" && "text-dim")}>{l.kind === "removed" ? "- " : l.kind === "added" ? "+ " : "  "}{l.text}</div>
      ))}
    </pre>
  );
}

function Uses({ id }: { id: string }) {
  const templates = useQuery({ queryKey: ["templates", "all"], queryFn: ({ signal }) => ok(api.GET("/api/job-templates", { signal, params: { query: { limit: 200 } } })) });
  if (!templates.data) return <Loading rows={2} />;
  const users = templates.data.items.filter((x) => x.directive_id === id);
  if (users.length === 0) return <p className="text-sm text-dim">{t("noUses")}</p>;
  return <ul className="flex flex-col">{users.map((x) => <li key={x.template_id} className="border-b border-line/70 py-1.5 text-sm"><Link to={"/templates" as never} search={{ open: x.template_id } as never} className="font-medium hover:underline">{x.name}</Link> <span className="text-dim">{x.job_type}</span></li>)}</ul>;
}
