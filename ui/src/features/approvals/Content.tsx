import { Link } from "@tanstack/react-router";
import { ArrowRight } from "lucide-react";
import { absolute, num, parseDuration } from "../../kit/format";
import { cx } from "../../kit/cx";
import { Badge } from "../../kit/Badge";
import { Duration } from "../../kit/Values";
import { t } from "../../text/approvals";
import type { Approval, Column } from "./api";
import { fieldChanges, labelOf, rowChanges, type RowChange } from "./model";

/** A value as its type wants it; numbers keep all their digits. */
function Value({ type, text }: { type: Column["type"]; text: string }) {
  if (text === "") return <span className="text-faint">–</span>;
  switch (type) {
    case "number":
      return <span>{Number.isSafeInteger(Number(text)) ? num(Number(text)) : text}</span>;
    case "money": {
      const [amount = "", currency = ""] = text.split(" ");
      return <span className="whitespace-nowrap">{amount} <span className="text-faint">{currency}</span></span>;
    }
    case "flag":
      return text === "true" ? <Badge tone="warn">{t("yes")}</Badge> : <span className="text-faint">{t("no")}</span>;
    case "time":
      return <time dateTime={text}>{Number.isNaN(Date.parse(text)) ? text : absolute(text)}</time>;
    case "duration":
      return parseDuration(text) === null ? <>{text}</> : <Duration of={text} />;
    case "text": {
      const [from, to, more] = text.split(" -> ");
      return to !== undefined && more === undefined ? <span className="inline-flex flex-wrap items-center gap-1.5"><del className="text-faint">{from}</del><ArrowRight aria-hidden className="size-3 text-faint" /><ins className="font-medium no-underline">{to}</ins></span> : <span className="[overflow-wrap:anywhere]">{text}</span>;
    }
  }
}

/** The facts to decide on; those that differ from the request before are marked. */
export function Summary({ a, before }: { a: Approval; before: Approval | null }) {
  const changed = fieldChanges(a, before);
  if (a.fields.length === 0) return null;
  return (
    <dl className="grid gap-x-8 gap-y-2 sm:grid-cols-2">
      {a.fields.map((f) => {
        const was = changed.get(f.name);
        return (
          <div key={f.name} data-field={f.name} data-changed={was !== undefined || undefined} className={cx("flex items-baseline justify-between gap-4 border-b border-line/70 py-1", was !== undefined && "bg-warn-soft px-2")}>
            <dt className="text-sm text-faint">{labelOf(f)}</dt>
            <dd className="min-w-0 text-right text-sm font-medium">{f.name === "template_id" ? <Link to="/templates" search={{ open: f.value }} title={f.value} className="text-accent hover:underline">{a.names[f.value] ?? f.value}</Link> : <Value type={f.type} text={f.value} />}{was ? <span className="block text-xs font-normal text-dim">{t("was", { value: was })}</span> : null}</dd>
          </div>
        );
      })}
    </dl>
  );
}

const rowLook: Record<RowChange["change"], string> = { same: "", new: "bg-ok-soft", changed: "bg-warn-soft", gone: "bg-bad-soft text-faint line-through" };
const right = (c: Column): boolean => c.type === "number" || c.type === "money" || c.type === "duration";

/** The table; on a phone each row is a card. */
export function Rows({ a, before }: { a: Approval; before: Approval | null }) {
  const columns = a.table.columns;
  const rows = rowChanges(a, before);
  if (columns.length === 0 || rows.length === 0) return null;
  const changed = rows.filter((r) => r.change !== "same").length;
  return (
    <>
      {before && changed > 0 ? <p className="pb-2 text-sm text-warn">{t("rowsChanged", { n: changed })}</p> : null}
      <div className="hidden overflow-x-auto sm:block">
        <table aria-label={t("table")} className="w-full border-collapse text-sm">
          <thead className="border-b border-line"><tr>{columns.map((c) => <th key={c.name} scope="col" className={cx("h-8 px-2 text-left text-xs font-medium whitespace-nowrap text-faint", right(c) && "text-right")}>{c.label || c.name}</th>)}</tr></thead>
          <tbody>
            {rows.map((r, i) => (
              <tr key={i} data-change={r.change} className={cx("border-b border-line/70", rowLook[r.change])}>
                {columns.map((c, j) => <td key={c.name} className={cx("h-9 px-2 py-1", right(c) && "text-right")}><Value type={c.type} text={r.cells[j] ?? ""} />{r.old[j] ? <span className="block text-xs text-dim">{t("was", { value: r.old[j] ?? "" })}</span> : null}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <ul aria-label={t("table")} className="flex flex-col gap-2 sm:hidden">
        {rows.map((r, i) => (
          <li key={i} data-change={r.change} className={cx("rounded-md border border-line px-3 py-2", rowLook[r.change])}>
            {columns.map((c, j) => (
              <div key={c.name} className={cx("flex items-baseline justify-between gap-3 text-sm", j === 0 && "font-medium")}>
                <span className="text-xs font-normal text-faint">{c.label || c.name}</span>
                <span className="min-w-0 text-right"><Value type={c.type} text={r.cells[j] ?? ""} />{r.old[j] ? <span className="block text-xs text-dim">{t("was", { value: r.old[j] ?? "" })}</span> : null}</span>
              </div>
            ))}
          </li>
        ))}
      </ul>
    </>
  );
}
