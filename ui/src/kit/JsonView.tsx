import { ChevronRight, Copy } from "lucide-react";
import { useMemo, useState } from "react";
import { stringify } from "../api/exact";
import { t } from "../text/kit";
import { Button, IconButton } from "./Button";
import { cx } from "./cx";
import { formatJson, JsonDoc, parseJson, type JsonKind, type JsonRow } from "./json";
import { copyText } from "./Values";

const inks: Record<JsonKind, string> = { object: "text-faint", array: "text-faint", string: "text-ok", number: "text-info", true: "text-accent", false: "text-accent", null: "text-faint" };
// So many lines are in the page at first; more on demand.
const page = 1_000;

/** JSON as a tree, with all digits as they were written. Give text where there is one. `className` bounds its height. */
export function JsonView({ value, text, className, label }: { value?: unknown; text?: string; className?: string; label: string }) {
  const source = useMemo(() => text ?? stringify(value), [value, text]);
  const doc = useMemo(() => parseJson(source), [source]);
  const [opened, setOpened] = useState<{ doc: unknown; open: Set<number> }>({ doc: null, open: new Set() });
  const [most, setMost] = useState(page);
  const open = useMemo(() => (opened.doc === doc ? opened.open : doc instanceof JsonDoc ? doc.opened(3, 200) : new Set<number>()), [opened, doc]);
  const rows = useMemo(() => (doc instanceof JsonDoc ? doc.rows(open, most + 1) : []), [doc, open, most]);
  const toggle = (n: number) => {
    const next = new Set(open);
    if (!next.delete(n)) next.add(n);
    setOpened({ doc, open: next });
  };
  return (
    <div className="relative rounded-md border border-line bg-panel">
      {/* A region that scrolls must be reachable by keys. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div role="region" aria-label={label} tabIndex={0} className={cx("overflow-auto py-2 pr-10 pl-1 font-mono text-xs leading-5", className)}>
        {doc instanceof JsonDoc ? rows.slice(0, most).map((r) => <Line key={`${r.node}${r.end ? "e" : ""}`} row={r} onToggle={toggle} />) : <pre className="px-2 whitespace-pre-wrap [overflow-wrap:anywhere]">{source}</pre>}
        {rows.length > most ? <Button small className="m-2" onClick={() => setMost(most * 5)}>{t("more")}</Button> : null}
      </div>
      <IconButton small icon={Copy} label={t("copy")} onClick={() => void copyText(formatJson(source) ?? source)} className="absolute top-1.5 right-1.5 bg-panel" />
    </div>
  );
}

function Line({ row, onToggle }: { row: JsonRow; onToggle: (n: number) => void }) {
  const folds = row.open !== null && !row.end;
  return (
    <div className="flex" style={{ paddingLeft: `${row.depth * 2}ch` }}>
      {folds ? (
        <button type="button" aria-expanded={row.open ?? false} aria-label={row.key ?? row.text} onClick={() => onToggle(row.node)} className="flex size-5 shrink-0 items-center justify-center text-faint hover:text-fg"><ChevronRight aria-hidden className={cx("size-3", row.open && "rotate-90")} /></button>
      ) : <span className="w-5 shrink-0" />}
      <span className="min-w-0 whitespace-pre-wrap [overflow-wrap:anywhere]">
        {row.key === null ? null : <><span className="text-fg">{row.key}</span><span className="text-faint">: </span></>}
        <span className={inks[row.kind]}>{row.text}</span>
        {row.comma ? <span className="text-faint">,</span> : null}
      </span>
    </div>
  );
}
