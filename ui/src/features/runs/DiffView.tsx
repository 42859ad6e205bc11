import { useMemo, useState } from "react";
import { cx } from "../../kit/cx";
import { diffLines, foldDiff, type DiffLine, type Fold } from "../../kit/textdiff";
import { t } from "../../text/runs";

const looks = { same: "", removed: "bg-bad-soft", added: "bg-ok-soft" } as const;
const marks = { same: " ", removed: "−", added: "+" } as const;

/** Two texts line by line; long equal parts are folded. */
export function DiffView({ before, after, label }: { before: string; after: string; label: string }) {
  const diff = useMemo(() => diffLines(before, after), [before, after]);
  const [whole, setWhole] = useState(false);
  const list: readonly (DiffLine | Fold)[] = useMemo(() => (whole ? diff : foldDiff(diff)), [diff, whole]);
  if (before === after) return <p className="text-sm text-faint">{t("compareNo")}</p>;
  return (
    // A region that scrolls must be reachable by keys.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div role="region" aria-label={label} tabIndex={0} className="max-h-[60vh] overflow-auto rounded-md border border-line bg-panel py-1 font-mono text-xs leading-5">
      {list.map((l, i) => l.kind === "fold" ? (
        <button key={i} type="button" onClick={() => setWhole(true)} className="block w-full bg-hover px-3 text-left text-faint hover:text-fg">⋯ {t("folded", { n: l.count })}</button>
      ) : (
        <div key={i} data-diff={l.kind} className={cx("flex", looks[l.kind])}>
          <span aria-hidden className="w-10 shrink-0 pr-1 text-right text-faint select-none">{l.before ?? ""}</span>
          <span aria-hidden className="w-10 shrink-0 pr-2 text-right text-faint select-none">{l.after ?? ""}</span>
          <span className={cx("w-4 shrink-0 select-none", l.kind === "added" ? "text-ok" : "text-bad")}>{marks[l.kind]}{l.kind === "same" ? null : <span className="sr-only">{t(l.kind)}</span>}</span>
          <span className="min-w-0 whitespace-pre-wrap [overflow-wrap:anywhere]"><Words line={l} /></span>
        </div>
      ))}
    </div>
  );
}

function Words({ line }: { line: DiffLine }) {
  const out: React.ReactNode[] = [];
  let at = 0;
  for (const [from, to] of line.words) {
    out.push(line.text.slice(at, from), <strong key={from} className={cx("rounded-[2px] font-semibold", line.kind === "added" ? "text-ok" : "text-bad")}>{line.text.slice(from, to)}</strong>);
    at = to;
  }
  out.push(line.text.slice(at));
  return <>{out}</>;
}
