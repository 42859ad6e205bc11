import { ArrowDown, ArrowUp } from "lucide-react";
import { type KeyboardEvent, type ReactNode } from "react";
import { t } from "../text/kit";
import { cx } from "./cx";

/** A column of a table. */
export interface Column<T> {
  id: string;
  head: ReactNode;
  cell: (row: T) => ReactNode;
  /** Width as in CSS grid: "8rem", "minmax(10rem, 1fr)". */
  width?: string;
  align?: "right";
  /** From which width of the window on it is shown. */
  from?: "sm" | "md" | "lg" | "xl";
  /** Name in the sort value: "name" or "-name". */
  sort?: string;
}

export interface TableProps<T> {
  /** Says what the rows are. */
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  id: (row: T) => string;
  /** Opens a row: a click anywhere in it, or Enter. Put a link into the first cell too, for new tabs. */
  onOpen?: (row: T) => void;
  sort?: string;
  onSort?: (sort: string) => void;
  /** The row that is shown beside, such as in a drawer. */
  current?: string | undefined;
  className?: string;
}

const from = { sm: "hidden sm:table-cell", md: "hidden md:table-cell", lg: "hidden lg:table-cell", xl: "hidden xl:table-cell" };

function Head<T>({ c, sort, onSort }: { c: Column<T>; sort: string | undefined; onSort: ((s: string) => void) | undefined }) {
  const down = sort === `-${c.sort}`;
  const active = c.sort !== undefined && (sort === c.sort || down);
  return (
    <th scope="col" aria-sort={active ? (down ? "descending" : "ascending") : undefined} style={c.width ? { width: c.width } : undefined} className={cx("h-8 px-2 text-left text-xs font-medium whitespace-nowrap text-faint first:pl-3 last:pr-3", c.align === "right" && "text-right", c.from && from[c.from])}>
      {c.sort && onSort ? (
        <button type="button" aria-label={t("sort", { what: typeof c.head === "string" ? c.head : c.id })} onClick={() => onSort(active && !down ? `-${c.sort}` : (c.sort ?? ""))} className="inline-flex items-center gap-1 hover:text-fg">
          {c.head}
          {active ? down ? <ArrowDown aria-hidden className="size-3" /> : <ArrowUp aria-hidden className="size-3" /> : null}
        </button>
      ) : c.head}
    </th>
  );
}

function interactive(target: EventTarget): boolean {
  return target instanceof Element && target.closest("a,button,input,label,select,textarea,[role=menuitem]") !== null;
}

// Up, Down, j and k go from row to row, Enter opens.
function rowKeys<T>(e: KeyboardEvent<HTMLElement>, row: T, onOpen: ((row: T) => void) | undefined): void {
  if (e.target !== e.currentTarget || e.altKey || e.ctrlKey || e.metaKey) return;
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[e.key];
  if (step) {
    const next = step > 0 ? e.currentTarget.nextElementSibling : e.currentTarget.previousElementSibling;
    if (next instanceof HTMLElement) next.focus();
    e.preventDefault();
  } else if (e.key === "Enter" && onOpen) onOpen(row);
}

/** A plain table: up to some hundred rows. */
export function Table<T>({ label, columns, rows, id, onOpen, sort, onSort, current, className }: TableProps<T>) {
  return (
    <table aria-label={label} className={cx("w-full border-collapse text-sm", className)}>
      <thead className="border-b border-line">
        <tr>{columns.map((c) => <Head key={c.id} c={c} sort={sort} onSort={onSort} />)}</tr>
      </thead>
      <tbody>
        {rows.map((row, i) => (
          <tr
            key={id(row)}
            data-id={id(row)}
            tabIndex={onOpen ? (i === 0 ? 0 : -1) : undefined}
            aria-current={current === id(row) || undefined}
            onClick={onOpen ? (e) => !interactive(e.target) && onOpen(row) : undefined}
            onKeyDown={onOpen ? (e) => rowKeys(e, row, onOpen) : undefined}
            className={cx("border-b border-line/70 outline-offset-[-2px] aria-[current]:bg-accent-soft aria-[current]:[--faint:var(--dim)]", onOpen && "cursor-pointer hover:bg-hover")}
          >
            {columns.map((c) => <td key={c.id} className={cx("h-9 px-2 py-1 first:pl-3 last:pr-3", c.align === "right" && "text-right", c.from && from[c.from])}>{c.cell(row)}</td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
