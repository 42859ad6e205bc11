import { Link } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { useChange } from "../../api/change";
import { api, ok, problemOf, type Schema } from "../../api/client";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { CheckBox, Field, Input, TextArea } from "../../kit/Field";
import { FormError } from "../../kit/States";
import { Time } from "../../kit/Values";
import { shownZone } from "../../kit/zonechoice";
import { t } from "../../text/welcome";
import { sentence } from "../schedules/sentence";
import { remarkText } from "./remark";

type Line = Schema<"CrontabLine">;

/** Reads a crontab that is pasted, shows what it becomes, and makes it. */
export function Crontab() {
  const { can, why } = useCan("schedules:write");
  const [text, setText] = useState("");
  const [system, setSystem] = useState(false);
  const [prefix, setPrefix] = useState("");
  const [zone, setZone] = useState(() => shownZone());
  const [left, setLeft] = useState<ReadonlySet<number>>(new Set());
  const [made, setMade] = useState<{ n: number; refused: string[] } | null>(null);
  const body = { text, ...(system ? { system } : {}), ...(prefix ? { prefix } : {}), ...(zone ? { timezone: zone } : {}) };
  const preview = useChange(() => ok(api.POST("/api/import/crontab", { body })), { form: true, done: () => { setLeft(new Set()); setMade(null); } });
  const lines = preview.data?.items ?? [];
  const settings = preview.data?.remarks ?? [];
  const taken = lines.filter((l) => l.status === "new" && l.schedule && !left.has(l.line));
  const create = useChange(async () => {
    const out = { n: 0, refused: [] as string[] };
    for (const l of taken) {
      try {
        await ok(api.POST("/api/schedules", { body: { ...(l.schedule as Schema<"ScheduleInput">), pause_reason: t("cronHeld") } }));
        out.n++;
      } catch (e) {
        const p = problemOf(e);
        out.refused.push(`${l.name ?? l.line}: ${p.detail || p.title}`);
      }
    }
    return out;
  }, { old: ["schedules"], form: true, done: (out) => { setMade(out); preview.reset(); } });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    preview.mutate();
  };
  return (
    <div className="flex flex-col gap-4">
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Field label={t("cronPaste")}>{(ids) => <TextArea {...ids} mono rows={5} spellCheck={false} maxLength={262144} placeholder={"30 2 * * * /opt/jobs/nightly.sh\n*/15 9-17 * * MON-FRI /opt/jobs/poll.sh"} value={text} onChange={(e) => setText(e.target.value)} />}</Field>
        <div className="flex flex-wrap items-end gap-4">
          <div className="w-48"><Field label={t("cronZone")}>{(ids) => <Input {...ids} value={zone} onChange={(e) => setZone(e.target.value)} />}</Field></div>
          <div className="w-48"><Field label={t("cronPrefix")} optional>{(ids) => <Input {...ids} mono value={prefix} onChange={(e) => setPrefix(e.target.value)} />}</Field></div>
          <div className="flex h-8 items-center"><CheckBox label={t("cronSystem")} checked={system} onChange={setSystem} /></div>
        </div>
        <FormError error={preview.error} />
        <div className="flex gap-2">
          <Button type="submit" busy={preview.isPending} disabled={!text.trim()}>{t("cronPreview")}</Button>
          <CopyAs action={{ cli: `crontab -l | runsheet import crontab - --timezone ${zone}`, method: "POST", path: "/api/import/crontab", body }} />
        </div>
      </form>
      {settings.length > 0 ? <ul>{settings.map((r, i) => <li key={i} className="text-xs text-warn">{t("cronLine")} {r.line}: {remarkText(r)}</li>)}</ul> : null}
      {preview.data ? (
        lines.length === 0 ? <p className="text-sm text-dim">{t("cronNothing")}</p> : (
          <>
            <ul className="flex flex-col border-t border-line">
              {lines.map((l) => <Item key={l.line} line={l} taken={taken.includes(l)} onTake={(on) => setLeft(new Set(on ? [...left].filter((x) => x !== l.line) : [...left, l.line]))} />)}
            </ul>
            <FormError error={create.error} />
            <div><Button look="primary" busy={create.isPending} disabled={can && taken.length === 0} {...(can ? {} : { why })} onClick={() => create.mutate()}>{t("cronMake", { n: taken.length })}</Button></div>
          </>
        )
      ) : null}
      {made ? (
        <div role="status" className="text-sm">
          <p className="flex flex-wrap gap-x-3"><span>{t("cronMade", { n: made.n })}</span><Link to={"/schedules" as never} className="text-accent hover:underline">{t("cronTo")}</Link></p>
          {made.refused.length > 0 ? <><p className="pt-2 text-bad">{t("cronSome")}</p><ul>{made.refused.map((r) => <li key={r} className="text-bad">{r}</li>)}</ul></> : null}
        </div>
      ) : null}
    </div>
  );
}

const words = { new: { tone: "ok", word: t("isNew") }, exists: { tone: "idle", word: t("exists") }, unreadable: { tone: "bad", word: t("unreadable") } } as const;

function Item({ line: l, taken, onTake }: { line: Line; taken: boolean; onTake: (on: boolean) => void }) {
  return (
    <li className="flex items-start gap-3 border-b border-line/70 py-2 text-sm">
      <span className="flex h-5 items-center"><CheckBox hidden label={t("cronPick", { n: l.line })} checked={taken} disabled={l.status !== "new"} onChange={onTake} /></span>
      <div className="min-w-0 grow">
        <p className="flex flex-wrap items-center gap-x-3"><span className="font-medium">{l.name ?? `${t("cronLine")} ${l.line}`}</span><Badge tone={words[l.status].tone}>{words[l.status].word}</Badge><span className="text-dim">{sentence(l.schedule?.trigger, l.summary ?? "")}</span>{l.next_run_at ? <span className="text-faint">{t("cronNext")} <Time at={l.next_run_at} /></span> : null}</p>
        {l.command ? <code className="block truncate font-mono text-xs text-faint">{l.command}</code> : null}
        {l.problem ? <p className="text-bad">{l.problem.column ? `${t("cronColumn", { n: l.problem.column })} ` : ""}{remarkText(l.problem)}</p> : null}
        {l.remarks.map((r, i) => <p key={i} className="text-xs text-warn">{remarkText(r)}</p>)}
      </div>
    </li>
  );
}
