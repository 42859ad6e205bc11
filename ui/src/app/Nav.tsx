import { Link, useRouterState } from "@tanstack/react-router";
import { t } from "../text/shell";
import { navPageOf, navPages, type NavPage } from "./pages";

/** Marks the link of the page of the navigation that is open; the router alone knows only paths below its own. */
export function useHere(page: NavPage): { "aria-current"?: "page" } {
  const here = useRouterState({ select: (s) => navPageOf(s.location.pathname)?.to === page.to });
  return here ? { "aria-current": "page" } : {};
}

function NavLink({ page, count, onDone }: { page: NavPage; count?: number; onDone?: () => void }) {
  const here = useHere(page);
  return (
    <Link
      to={page.to as never}
      {...here}
      {...(onDone ? { onClick: onDone } : {})}
      className="target group flex h-8 items-center gap-2.5 rounded-md px-2 text-sm text-dim hover:bg-hover hover:text-fg aria-[current=page]:bg-press aria-[current=page]:font-medium aria-[current=page]:text-fg"
    >
      <page.icon aria-hidden className="size-4 shrink-0 text-faint group-aria-[current=page]:text-accent" strokeWidth={1.75} />
      <span className="grow truncate">{page.label}</span>
      {count ? <span className="rounded-full bg-warn-soft px-1.5 text-xs font-medium text-warn"><span aria-hidden>{count > 99 ? "99+" : count}</span><span className="sr-only">{t("waiting", { n: count })}</span></span> : null}
    </Link>
  );
}

/** The list of pages. */
export function Nav({ waiting, onDone }: { waiting: number; onDone?: () => void }) {
  const done = onDone ? { onDone } : {};
  return (
    <nav aria-label={t("navigation")} className="flex flex-col gap-px">
      {navPages.filter((p) => !p.system).map((p) => <NavLink key={p.to} page={p} count={p.to === "/approvals" ? waiting : 0} {...done} />)}
      <p className="px-2 pt-5 pb-1 text-xs font-medium text-faint">{t("system")}</p>
      {navPages.filter((p) => p.system).map((p) => <NavLink key={p.to} page={p} {...done} />)}
    </nav>
  );
}
