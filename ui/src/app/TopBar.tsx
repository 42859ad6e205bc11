import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { ChevronRight, CircleUser, Languages, LogOut, Monitor, Moon, Pause, Search, Sun } from "lucide-react";
import { api, ok } from "../api/client";
import { meQuery } from "../api/session";
import { Badge } from "../kit/Badge";
import { IconButton } from "../kit/Button";
import { useCrumb } from "../kit/crumb";
import { cx } from "../kit/cx";
import { Kbd } from "../kit/Kbd";
import { Menu } from "../kit/Menu";
import { Tooltip } from "../kit/Tooltip";
import { toastError } from "../kit/Toasts";
import { useLive } from "../live/context";
import type { LinkState } from "../live/live";
import { language, setLanguage } from "../text/catalogue";
import { t } from "../text/shell";
import { overviewQuery } from "./overview";
import { navPageOf } from "./pages";
import { setTheme, useTheme } from "./theme";

function Crumbs() {
  const path = useRouterState({ select: (s) => s.location.pathname });
  const own = useCrumb();
  const page = navPageOf(path);
  const deeper = !page || !path.endsWith(page.to);
  return (
    <nav aria-label={t("breadcrumb")} className="flex min-w-0 items-center gap-1 text-sm">
      {page?.system ? <span className="hidden text-faint sm:inline">{t("system")}</span> : null}
      {page?.system ? <ChevronRight aria-hidden className="hidden size-3.5 shrink-0 text-faint sm:block" /> : null}
      {page ? <Link to={page.to as never} className={cx("shrink-0 truncate", deeper ? "text-dim hover:text-fg" : "font-medium")}>{page.label}</Link> : null}
      {page && deeper && own.title ? <ChevronRight aria-hidden className="size-3.5 shrink-0 text-faint" /> : null}
      {deeper && own.above ? <Link to={own.above.to as never} className="hidden max-w-60 truncate text-dim hover:text-fg sm:inline">{own.above.label}</Link> : null}
      {deeper && own.above ? <ChevronRight aria-hidden className="hidden size-3.5 shrink-0 text-faint sm:block" /> : null}
      {deeper && own.title ? <span aria-current="page" className="truncate font-medium">{own.title}</span> : null}
    </nav>
  );
}

const links: Record<LinkState, { text: string; dot: string }> = {
  connecting: { text: t("connecting"), dot: "bg-idle" },
  live: { text: t("live"), dot: "bg-ok" },
  lost: { text: t("liveLost"), dot: "bg-warn" },
  polling: { text: t("livePolling"), dot: "bg-warn" },
  paused: { text: t("livePaused"), dot: "bg-warn" },
};

function LinkButton() {
  const { state, toggle } = useLive();
  return (
    <Tooltip text={t("liveTip")}>
      <button type="button" data-link={state} aria-pressed={state === "paused"} onClick={toggle} className="target inline-flex h-8 items-center gap-2 rounded-md px-2 text-sm text-dim hover:bg-hover">
        <span aria-hidden className={cx("size-2 rounded-full", links[state].dot)} />
        <span className="sr-only sm:not-sr-only">{links[state].text}</span>
      </button>
    </Tooltip>
  );
}

function AccountMenu() {
  const { data: me } = useQuery(meQuery);
  const theme = useTheme();
  const client = useQueryClient();
  const navigate = useNavigate();
  const leave = async () => {
    try {
      await ok(api.DELETE("/api/session"));
    } catch (e) {
      toastError(e);
      return;
    }
    client.clear();
    await navigate({ to: "/login" as never });
  };
  return (
    <Menu
      trigger={<IconButton icon={CircleUser} label={t("account", { name: me?.name ?? "" })} />}
      items={[
        { label: t("light"), icon: Sun, checked: theme === "light", onSelect: () => setTheme("light") },
        { label: t("dark"), icon: Moon, checked: theme === "dark", onSelect: () => setTheme("dark") },
        { label: t("auto"), icon: Monitor, checked: theme === "system", onSelect: () => setTheme("system") },
        "-",
        { label: "English", icon: Languages, checked: language === "en", onSelect: () => setLanguage("en") },
        { label: "한국어", icon: Languages, checked: language === "ko", onSelect: () => setLanguage("ko") },
        "-",
        { label: t("welcome"), onSelect: () => void navigate({ to: "/welcome" as never }) },
        { label: t("password"), onSelect: () => void navigate({ to: "/system/users" as never, search: { tab: "account" } as never }) },
        { label: t("apiDocs"), onSelect: () => location.assign("/ui/api/") },
        { label: t("logout"), icon: LogOut, onSelect: () => void leave() },
      ]}
    />
  );
}

/** The bar above each page. */
export function TopBar({ onPalette }: { onPalette: () => void }) {
  const { data: overview } = useQuery(overviewQuery);
  return (
    <header className="sticky top-0 z-20 flex h-12 shrink-0 items-center gap-2 border-b border-line bg-bg px-4 md:px-6">
      <Crumbs />
      <div className="grow" />
      {overview?.paused ? <Link to="/queue" className="hidden sm:block"><Badge tone="warn" icon={Pause}>{t("queuePaused")}</Badge></Link> : null}
      <LinkButton />
      <button type="button" onClick={onPalette} className="target inline-flex h-8 items-center gap-2 rounded-md border border-line px-2 text-sm text-faint hover:border-line-strong hover:text-dim md:w-56">
        <Search aria-hidden className="size-4 shrink-0" strokeWidth={1.75} />
        <span className="sr-only text-left md:not-sr-only md:grow">{t("palette")}</span>
        <span aria-hidden className="hidden md:inline"><Kbd keys="Ctrl K" /></span>
      </button>
      <AccountMenu />
    </header>
  );
}
