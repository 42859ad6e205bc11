import { Bot, CalendarClock, FileCode2, KeyRound, ListOrdered, type LucideIcon, Play, ScrollText, Server, Settings, ShieldCheck, Users, Webhook, Workflow } from "lucide-react";
import { t } from "../text/shell";

/** A page of the navigation. */
export interface NavPage {
  to: string;
  label: string;
  icon: LucideIcon;
  /** The letter behind g. */
  key?: string;
  system?: boolean;
}

/** The navigation, in its order. The first five are the primary ones. */
export const navPages: readonly NavPage[] = [
  { to: "/queue", label: t("queue"), icon: ListOrdered, key: "q" },
  { to: "/runs", label: t("runs"), icon: Play, key: "r" },
  { to: "/workflows", label: t("workflows"), icon: Workflow, key: "w" },
  { to: "/schedules", label: t("schedules"), icon: CalendarClock, key: "s" },
  { to: "/approvals", label: t("approvals"), icon: ShieldCheck, key: "a" },
  { to: "/system/workers", label: t("workers"), icon: Server, key: "k", system: true },
  { to: "/templates", label: t("templates"), icon: FileCode2, system: true },
  { to: "/directives", label: t("directives"), icon: Bot, system: true },
  { to: "/webhooks", label: t("webhooks"), icon: Webhook, key: "h", system: true },
  { to: "/system/secrets", label: t("secrets"), icon: KeyRound, system: true },
  { to: "/system/users", label: t("users"), icon: Users, system: true },
  { to: "/system/audit", label: t("audit"), icon: ScrollText, system: true },
  { to: "/system/settings", label: t("settings"), icon: Settings, system: true },
];

/** Where a page that is not of the navigation belongs: the run of a workflow below Workflows. */
const belongs: readonly (readonly [begin: string, to: string])[] = [["/workflow-runs/", "/workflows"]];

/** The page of the navigation that a path is at or below. */
export function navPageOf(path: string): NavPage | undefined {
  const inside = path.replace(/^\/ui(?=\/|$)/, "");
  const at = belongs.find(([begin]) => inside.startsWith(begin))?.[1] ?? inside;
  return navPages.filter((p) => at === p.to || at.startsWith(`${p.to}/`)).sort((a, b) => b.to.length - a.to.length)[0];
}

/** Which page shows an object, by the prefix of its id. */
const byPrefix: Record<string, (id: string) => string> = {
  job: (id) => `/queue?job=${id}`,
  group: (id) => `/queue?group=${id}`,
  run: (id) => `/runs/${id}`,
  wfrun: (id) => `/workflow-runs/${id}`,
  wf: (id) => `/workflows/${id}`,
  appr: (id) => `/approvals/${id}`,
  sched: (id) => `/schedules/${id}`,
  tmpl: (id) => `/templates?open=${id}`,
  dir: (id) => `/directives?open=${id}`,
  hook: (id) => `/webhooks/${id}`,
  usr: (id) => `/system/users?open=${id}`,
  tok: (id) => `/system/users?tab=tokens&open=${id}`,
};

/** The page of an id, or null when it is none that a page shows. */
export function pageOfId(text: string): string | null {
  const id = text.trim();
  const m = /^([a-z]+)_[0-9a-z]{8,40}$/.exec(id);
  return m ? (byPrefix[m[1] ?? ""]?.(id) ?? null) : null;
}
