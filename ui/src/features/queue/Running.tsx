import { Link } from "@tanstack/react-router";
import { Ban, Lock } from "lucide-react";
import { Badge, Chip, StateChip } from "../../kit/Badge";
import { IconButton } from "../../kit/Button";
import { cx } from "../../kit/cx";
import { duration, num } from "../../kit/format";
import { Section } from "../../kit/Page";
import { Elapsed, Time, useNow } from "../../kit/Values";
import { who } from "../../kit/who";
import { t } from "../../text/queue";
import type { QueueState } from "./model";

type Running = QueueState["running"][number];

// What is known of how far it is: counted by the work itself, or by how long such runs take.
function Bar({ r }: { r: Running }) {
  const now = useNow();
  const total = r.progress?.total ?? 0;
  const passed = now - Date.parse(r.started_at);
  const part = total > 0 ? (r.progress?.done ?? 0) / total : r.typical_ms ? passed / r.typical_ms : null;
  if (part === null) return <div className="h-1" />;
  // Longer than usual: nobody knows how far it is.
  if (total === 0 && part > 1) return <div role="progressbar" aria-label={r.name} data-overrun="" className="skeleton h-1 rounded-full" />;
  return (
    <div role="progressbar" aria-label={r.name} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(Math.min(1, part) * 100)} className="h-1 overflow-hidden rounded-full bg-press">
      <div className={cx("h-full origin-left rounded-full bg-info transition-transform duration-1000 ease-linear", total === 0 && "opacity-55")} style={{ transform: `scaleX(${Math.max(0, Math.min(1, part))})` }} />
    </div>
  );
}

function Typical({ r }: { r: Running }) {
  const now = useNow();
  if (!r.typical_ms) return null;
  const late = now - Date.parse(r.started_at) > r.typical_ms * 1.5 + 2000;
  return <span className={late ? "text-warn" : "text-faint"} title={late ? t("late") : undefined}>{t("typical", { time: duration(r.typical_ms) })}</span>;
}

function Card({ r, why, onStop }: { r: Running; why: string; onStop: (r: Running) => void }) {
  const p = r.progress;
  const total = p?.total ?? 0;
  const tokens = r.tokens;
  const used = (tokens.prompt ?? 0) + (tokens.completion ?? 0);
  return (
    <li data-running={r.run_id} className="flex min-w-0 flex-col gap-1 rounded-lg border border-line bg-raised px-3 pt-2 pb-2.5">
      <div className="flex min-w-0 items-center gap-2">
        <StateChip state={r.cancel_requested_at ? "STOPPING" : "RUNNING"} bare />
        <Link to="/runs/$id" params={{ id: r.run_id }} className="min-w-0 grow truncate font-medium hover:underline">{r.name}</Link>
        {r.job_id ? <IconButton small icon={Ban} label={`${t("stop")} ${r.name}`} disabled={!!r.cancel_requested_at} {...(why ? { why } : {})} onClick={() => onStop(r)} className="-mr-1.5" /> : <Badge tone="accent">{t("directKind")}</Badge>}
      </div>
      <div className="flex min-w-0 items-center gap-2 pb-1 text-xs text-faint">
        <span className="min-w-0 truncate">{r.job_type}{p?.stage ? ` · ${p.stage}` : ""}</span>
        {r.attempt > 1 ? <Badge tone="warn">{t("attempt", { n: r.attempt })}</Badge> : null}
        {r.locks.slice(0, 2).map((l) => <Chip key={l} icon={Lock} mono>{l}</Chip>)}
        {r.locks.length > 2 ? <span title={r.locks.join(", ")}>+{r.locks.length - 2}</span> : null}
        <span className="ml-auto flex shrink-0 items-center gap-2">
          {used > 0 ? <span title={t("tokens", { in: num(tokens.prompt ?? 0), out: num(tokens.completion ?? 0) })}>{num(used)} tok</span> : null}
          {total > 0 ? <span className="text-dim">{num(p?.done ?? 0)}/{num(total)}</span> : null}
          <Typical r={r} />
          <span className="font-medium text-fg"><Elapsed since={r.started_at} /></span>
        </span>
      </div>
      <Bar r={r} />
    </li>
  );
}

/** The first band: one card per slot in use, and how many are free. */
export function RunningBand({ state, why, onStop }: { state: QueueState; why: string; onStop: (r: Running) => void }) {
  const free = Math.max(0, state.workers - state.running.length);
  const shown = state.running.slice(0, 12);
  const n = state.running.length;
  const busy = state.workers > 0 ? t("slots", { n, m: state.workers }) : n > 0 ? t("draining", { n }) : t("noSlots");
  return (
    <Section title={t("running")} count={busy} className="mt-0!">
      <ul className="grid grid-cols-1 gap-2 sm:grid-cols-2 xl:grid-cols-3">
        {shown.map((r) => <Card key={r.run_id} r={r} why={why} onStop={onStop} />)}
        {free > 0 ? <li className="flex min-h-10 items-center justify-center rounded-lg border border-dashed border-line-strong text-sm text-faint">{t("free")}{free > 1 ? ` × ${free}` : ""}</li> : null}
      </ul>
      {state.running.length > shown.length ? <p className="pt-2 text-xs text-faint">{t("and", { n: state.running.length - shown.length })}</p> : null}
    </Section>
  );
}

function Deadline({ at }: { at: string }) {
  const now = useNow();
  const left = Date.parse(at) - now;
  return <span className={left < 10_000 ? "text-bad" : undefined}>{t("until", { time: duration(Math.max(0, left)) })}</span>;
}

/** The second band: direct requests that wait. It is there only when one does. */
export function DirectBand({ state }: { state: QueueState }) {
  if (state.direct.length === 0) return null;
  return (
    <Section title={t("direct")} count={t("directText")}>
      <ul className="flex flex-col divide-y divide-line rounded-lg border border-line">
        {state.direct.map((d) => (
          <li key={d.run_id} data-direct={d.run_id} className="flex min-h-9 flex-wrap items-center gap-x-3 gap-y-0.5 px-3 py-1 text-sm">
            <Badge tone="accent">{t("waitsSince", { n: d.position + 1 })}</Badge>
            <Link to="/runs/$id" params={{ id: d.run_id }} className="font-medium hover:underline">{d.kind}</Link>
            <span className="text-dim">{t("asks", { name: who(d.created_by) })}</span>
            {d.locks.map((l) => <Chip key={l} icon={Lock} mono>{l}</Chip>)}
            <span className="ml-auto flex gap-3 text-xs text-dim"><Time at={d.waiting_since} />{d.deadline ? <Deadline at={d.deadline} /> : null}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
