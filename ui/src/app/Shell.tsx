import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { Menu as MenuIcon } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { IconButton } from "../kit/Button";
import { cx } from "../kit/cx";
import { useShortcut } from "../kit/shortcuts";
import { Toasts } from "../kit/Toasts";
import { LiveProvider, useLive } from "../live/context";
import { t } from "../text/shell";
import { Nav, useHere } from "./Nav";
import { overviewQuery } from "./overview";
import { navPages, type NavPage } from "./pages";
import { flipTheme } from "./theme";
import { TopBar } from "./TopBar";

const Palette = lazy(() => import("./Palette").then((m) => ({ default: m.Palette })));
const NavDrawer = lazy(() => import("./NavDrawer").then((m) => ({ default: m.NavDrawer })));
const ShortcutSheet = lazy(() => import("./ShortcutSheet").then((m) => ({ default: m.ShortcutSheet })));

function Banner() {
  const { state, toggle } = useLive();
  const text = state === "lost" ? t("lost") : state === "polling" ? t("polling") : state === "paused" ? t("pausedBanner") : "";
  if (!text) return null;
  return (
    <div role="status" data-banner={state} className="flex items-center justify-center gap-3 bg-warn-soft px-4 py-1.5 text-sm text-warn">
      {text}
      {state === "paused" ? <button type="button" className="font-medium underline" onClick={toggle}>{t("goOn")}</button> : null}
    </div>
  );
}

// After a change of the page the focus is at its heading, and screen readers say it.
function useFocusOnNavigation(): void {
  const path = useRouterState({ select: (s) => s.resolvedLocation?.pathname });
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      if (path) first.current = false;
      return;
    }
    const heading = document.querySelector<HTMLElement>("main h1");
    if (heading && !document.querySelector('[role="dialog"]')) heading.focus({ preventScroll: true });
  }, [path]);
}

function Keys({ onPalette, onSheet }: { onPalette: () => void; onSheet: () => void }) {
  const live = useLive();
  useShortcut("Mod+k", onPalette);
  useShortcut("?", onSheet);
  useShortcut("t", flipTheme, true);
  useShortcut("p", live.toggle, true);
  return navPages.map((p) => (p.key ? <GoKey key={p.to} letter={p.key} to={p.to} /> : null));
}

function GoKey({ letter, to }: { letter: string; to: string }) {
  const navigate = useNavigate();
  useShortcut(`g ${letter}`, () => void navigate({ to: to as never }));
  return null;
}

/** The frame of all pages: navigation, top bar, banner, palette, messages. */
export function Shell() {
  const overview = useQueryClient().getQueryData(overviewQuery.queryKey);
  return (
    <LiveProvider since={overview?.seq ?? null}>
      <Frame />
    </LiveProvider>
  );
}

function Frame() {
  const waiting = useQuery(overviewQuery).data?.pending_approvals ?? 0;
  const [drawer, setDrawer] = useState(false);
  const [palette, setPalette] = useState(false);
  const [sheet, setSheet] = useState(false);
  useFocusOnNavigation();
  return (
    <div className="flex min-h-dvh">
      <a href="#content" className="sr-only z-50 rounded-md bg-accent px-3 py-2 text-accent-fg focus:not-sr-only focus:fixed focus:top-2 focus:left-2">{t("skip")}</a>
      <aside className="sticky top-0 hidden h-dvh w-56 shrink-0 flex-col overflow-y-auto border-r border-line bg-panel px-2 pb-3 min-[800px]:flex">
        <Link to="/queue" aria-label={t("home")} className="flex h-12 shrink-0 items-center gap-2 px-2 text-base font-semibold tracking-tight">
          <Mark /> Runsheet
        </Link>
        <Nav waiting={waiting} />
      </aside>
      <div className="flex min-w-0 grow flex-col">
        <TopBar onPalette={() => setPalette(true)} />
        <Banner />
        <main id="content" className="flex min-w-0 grow flex-col pb-14 min-[800px]:pb-0"><Outlet /></main>
      </div>
      <div className="fixed inset-x-0 bottom-0 z-30 flex border-t border-line bg-panel min-[800px]:hidden">
        <nav aria-label={t("navigation")} className="flex min-w-0 grow">
          {navPages.filter((p) => !p.system).map((p) => <BottomLink key={p.to} page={p} count={p.to === "/approvals" ? waiting : 0} />)}
        </nav>
        <IconButton icon={MenuIcon} label={t("openMenu")} onClick={() => setDrawer(true)} className="h-14 w-12" />
      </div>
      <Suspense>
        {drawer ? <NavDrawer waiting={waiting} onClose={() => setDrawer(false)} /> : null}
        {palette ? <Palette open onClose={() => setPalette(false)} /> : null}
        {sheet ? <ShortcutSheet open onClose={() => setSheet(false)} /> : null}
      </Suspense>
      <Keys onPalette={() => setPalette(true)} onSheet={() => setSheet(true)} />
      <Toasts />
    </div>
  );
}

function BottomLink({ page, count }: { page: NavPage; count: number }) {
  const here = useHere(page);
  return (
    <Link to={page.to as never} {...here} className={cx("relative flex h-14 min-w-0 grow basis-auto flex-col items-center justify-center gap-0.5 text-xs text-dim aria-[current=page]:font-medium aria-[current=page]:text-accent")}>
      <page.icon aria-hidden className="size-5" strokeWidth={1.75} />
      <span className="max-w-full truncate px-0.5">{page.label}</span>
      {count ? <span className="absolute top-1.5 left-1/2 ml-1.5 rounded-full bg-warn-soft px-1 text-xs text-warn"><span aria-hidden>{count}</span><span className="sr-only">{t("waiting", { n: count })}</span></span> : null}
    </Link>
  );
}

/** The product's mark. */
export function Mark() {
  return (
    <svg aria-hidden viewBox="0 0 32 32" className="size-5 text-accent">
      <rect width="32" height="32" rx="8" fill="currentColor" />
      <path d="M8 10h10M8 16h16M8 22h7" stroke="var(--panel)" strokeWidth="2.6" strokeLinecap="round" />
      <path d="m20 19 5 3.2-5 3.2z" fill="var(--panel)" />
    </svg>
  );
}
