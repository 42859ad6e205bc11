import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from "@tanstack/react-router";
import { Problem, whenUnauthorized } from "../api/client";
import { meQuery } from "../api/session";
import { Loading } from "../kit/States";
import { CrashPage, MissingPage } from "./Failure";
import { overviewQuery } from "./overview";
import { queryClient } from "./queries";
import { Shell } from "./Shell";

// Pages read what they know of it with useUrl.
type Search = { [name: string]: string | undefined };

const root = createRootRoute({ validateSearch: (s): Search => s as Search, component: Outlet, notFoundComponent: MissingPage, errorComponent: CrashPage });

const login = createRoute({ getParentRoute: () => root, path: "/login", component: lazyRouteComponent(() => import("../routes/login"), "Page") });
const setup = createRoute({ getParentRoute: () => root, path: "/setup", component: lazyRouteComponent(() => import("../routes/setup"), "Page") });

// Everything else needs a session; who has none logs in, and comes back.
const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  component: Shell,
  beforeLoad: async ({ location }) => {
    try {
      // The overview first: its position in the log of events is where the live connection
      // begins, so that whatever a page reads afterwards is covered.
      await Promise.all([queryClient.ensureQueryData(meQuery), queryClient.ensureQueryData(overviewQuery).catch(() => undefined)]);
    } catch (e) {
      if (e instanceof Problem && e.status === 401) throw redirect({ to: "/login", search: { next: location.href } });
      throw e;
    }
  },
});

type Load = () => Promise<{ Page: () => React.ReactNode }>;
const page = <const P extends string>(path: P, load: Load) => createRoute({ getParentRoute: () => inside, path, component: lazyRouteComponent(load, "Page"), pendingComponent: () => <Loading />, errorComponent: CrashPage });

const pages = [
  createRoute({ getParentRoute: () => inside, path: "/", beforeLoad: () => { throw redirect({ to: "/queue", replace: true }); } }),
  page("/queue", () => import("../routes/queue")),
  page("/runs", () => import("../routes/runs")),
  page("/runs/$id", () => import("../routes/run")),
  page("/workflows", () => import("../routes/workflows")),
  page("/workflows/$id", () => import("../routes/workflow")),
  page("/workflows/$id/versions", () => import("../routes/versions")),
  page("/workflow-runs/$id", () => import("../routes/workflow-run")),
  page("/approvals", () => import("../routes/approvals")),
  page("/approvals/$id", () => import("../routes/approval")),
  page("/schedules", () => import("../routes/schedules")),
  page("/schedules/calendar", () => import("../routes/calendar")),
  page("/schedules/$id", () => import("../routes/schedule")),
  page("/templates", () => import("../routes/templates")),
  page("/directives", () => import("../routes/directives")),
  page("/webhooks", () => import("../routes/webhooks")),
  page("/webhooks/$id", () => import("../routes/webhook")),
  page("/system/workers", () => import("../routes/workers")),
  page("/system/secrets", () => import("../routes/secrets")),
  page("/system/users", () => import("../routes/users")),
  page("/system/audit", () => import("../routes/audit")),
  page("/system/settings", () => import("../routes/settings")),
  page("/welcome", () => import("../routes/welcome")),
  createRoute({ getParentRoute: () => inside, path: "$", component: MissingPage }),
] as const;

/** Search parameters are plain texts, as people write them by hand. Pages read them with kit's useUrl. */
export const router = createRouter({
  routeTree: root.addChildren([login, setup, inside.addChildren(pages)]),
  basepath: "/ui",
  defaultPreload: "intent",
  defaultPendingMs: 150,
  scrollRestoration: true,
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const out = new URLSearchParams(Object.entries(search).filter((e): e is [string, string] => typeof e[1] === "string")).toString();
    return out ? `?${out}` : "";
  },
});

whenUnauthorized(() => {
  const here = router.state.location;
  if (here.pathname.endsWith("/login")) return;
  queryClient.clear();
  void router.navigate({ to: "/login", search: { next: here.href } });
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
