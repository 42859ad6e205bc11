import { Search, X } from "lucide-react";
import { useEffect, useRef, type ReactNode } from "react";
import { t } from "../text/kit";
import { Button } from "./Button";
import { setCrumb } from "./crumb";
import { cx } from "./cx";
import { Input } from "./Field";
import { useShortcut } from "./shortcuts";

/** The head of a page: the one h1, facts below it, and actions. It names the browser's tab and the last breadcrumb. */
export function PageHeader({ title, crumb = title, above, facts, actions, children }: { title: string; /** The last breadcrumb, where the title does not tell the object from others. */ crumb?: string; /** The page between the navigation's and this one, as a breadcrumb. */ above?: { to: string; label: string }; facts?: ReactNode; actions?: ReactNode; children?: ReactNode }) {
  const to = above?.to;
  const label = above?.label ?? "";
  useEffect(() => {
    document.title = `${crumb} · Runsheet`;
    setCrumb(crumb, to === undefined ? null : { to, label });
    return () => setCrumb("");
  }, [crumb, to, label]);
  return (
    <header className="flex flex-wrap items-start gap-x-4 gap-y-2 pb-4">
      <div className="min-w-0 grow basis-60">
        <h1 tabIndex={-1} className="text-xl font-semibold tracking-tight [overflow-wrap:anywhere]">{title}</h1>
        {facts ? <div className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-dim">{facts}</div> : null}
      </div>
      {actions ? <div className="flex flex-wrap items-center gap-2">{actions}</div> : null}
      {children}
    </header>
  );
}

/** The room of a page: full width up to a bound, equal margins. `fill`: as high as the window, for lists that scroll themselves. */
export function Page({ children, fill, narrow }: { children: ReactNode; fill?: boolean; narrow?: boolean }) {
  return <div className={cx("mx-auto w-full px-4 py-5 md:px-6", narrow ? "max-w-4xl" : "max-w-[1600px]", fill && "flex min-h-0 grow flex-col")}>{children}</div>;
}

/** A part of a page with a small heading. */
export function Section({ title, count, actions, children, className }: { title: string; count?: ReactNode; actions?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={cx("mt-6 first:mt-0", className)} aria-label={title}>
      <div className="flex min-h-8 items-center gap-2 pb-1.5">
        <h2 className="text-sm font-semibold">{title}</h2>
        {count === undefined ? null : <span className="text-sm text-faint">{count}</span>}
        <div className="ml-auto flex items-center gap-2">{actions}</div>
      </div>
      {children}
    </section>
  );
}

/** Names and values, for the facts of one object. */
export function Facts({ items }: { items: readonly (readonly [label: string, value: ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[minmax(6rem,auto)_1fr] gap-x-4 gap-y-1.5 text-sm">
      {items.map(([label, value]) => (
        <div key={label} className="contents">
          <dt className="text-faint">{label}</dt>
          <dd className="min-w-0 [overflow-wrap:anywhere]">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The row above a list: a search field ("/" goes there), further filters, and a way to clear them. Bind all values with useUrl. */
export function FilterBar({ query, onQuery, placeholder, children, active, onClear }: { query?: string; onQuery?: (q: string) => void; placeholder?: string; children?: ReactNode; active?: boolean; onClear?: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  useShortcut("/", () => field.current?.focus());
  return (
    <div role="search" className="flex flex-wrap items-center gap-2 pb-3">
      {onQuery ? (
        <div className="relative w-full sm:w-64">
          <Search aria-hidden className="pointer-events-none absolute top-1/2 left-2.5 size-4 -translate-y-1/2 text-faint" strokeWidth={1.75} />
          <Input ref={field} type="search" aria-label={placeholder ?? t("search")} placeholder={placeholder ?? t("search")} value={query ?? ""} onChange={(e) => onQuery(e.target.value)} onKeyDown={(e) => e.key === "Escape" && e.currentTarget.blur()} className="pl-8" />
        </div>
      ) : null}
      {children}
      {active && onClear ? <Button look="ghost" icon={X} onClick={onClear}>{t("clearFilters")}</Button> : null}
    </div>
  );
}
