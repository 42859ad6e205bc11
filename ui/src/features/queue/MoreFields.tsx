import { CheckBox, Field, Input } from "../../kit/Field";
import { Fold } from "../../kit/Fold";
import { Select } from "../../kit/Select";
import { shownZone } from "../../kit/zonechoice";
import { t as kit } from "../../text/kit";
import { t } from "../../text/queue";
import { wrongAt, type Extras } from "./extras";
import { priorityText } from "./model";

/** The rarer fields of a job, folded unless one of them is wrong. Of a job that waits only some can be changed. */
export function MoreFields({ value: e, onChange, wrong, added }: { value: Extras; onChange: (e: Extras) => void; wrong: readonly { pointer: string; detail: string }[]; /** A new job, not a change. */ added: boolean }) {
  const set = (part: Partial<Extras>) => onChange({ ...e, ...part });
  const at = (pointer: string) => wrongAt(wrong, pointer);
  const usual = { value: "", label: t("usual") };
  const bad = ["/priority", "/run_at", "/start_deadline", "/timeout", "/locks", "/retry_policy", "/hold"].some((p) => at(p));
  return (
    <Fold two title={kit("more")} bad={bad}>
      <Field label={t("runAt")} optional hint={t("runAtHint", { zone: shownZone() })} error={at("/run_at")}>{(ids) => <Input {...ids} type="datetime-local" value={e.runAt} onChange={(x) => set({ runAt: x.target.value })} />}</Field>
      <Field label={t("deadline")} optional hint={t("deadlineHint")} error={at("/start_deadline")}>{(ids) => <Input {...ids} mono value={e.deadline} onChange={(x) => set({ deadline: x.target.value.trim() })} />}</Field>
      <Field label={t("priority")} hint={t("priorityFieldHint")} error={at("/priority")}>{(ids) => <Select {...ids} value={e.priority} onChange={(priority) => set({ priority })} options={[...(added ? [usual] : []), ...Array.from({ length: 10 }, (_, i) => ({ value: String(i), label: priorityText(i, `${i} · `) }))]} />}</Field>
      <Field label={t("timeout")} optional hint={t("timeoutHint")} error={at("/timeout")}>{(ids) => <Input {...ids} mono value={e.timeout} onChange={(x) => set({ timeout: x.target.value.trim() })} />}</Field>
      {added ? (
        <>
          <Field label={t("attemptsInAll")} error={at("/retry_policy/max_attempts")}>{(ids) => <Select {...ids} value={e.attempts} onChange={(attempts) => set({ attempts })} options={[usual, ...["1", "2", "3"].map((n) => ({ value: n, label: n }))]} />}</Field>
          {Number(e.attempts) > 1 ? <Field label={t("retryDelay")} optional hint={t("retryDelayHint")} error={at("/retry_policy/initial")}>{(ids) => <Input {...ids} mono value={e.delay} onChange={(x) => set({ delay: x.target.value.trim() })} />}</Field> : null}
          <Field label={t("locks")} optional hint={t("locksHint")} error={at("/locks")}>{(ids) => <Input {...ids} mono placeholder="gpu:0" value={e.locks} onChange={(x) => set({ locks: x.target.value })} />}</Field>
          <div className="self-center"><CheckBox label={t("holdIt")} checked={e.hold} onChange={(hold) => set({ hold })} /></div>
        </>
      ) : null}
    </Fold>
  );
}
