import { Dialog } from "@base-ui/react/dialog";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useRouter } from "@tanstack/react-router";
import { CirclePlay, CornerDownLeft, Gauge, Hash, Languages, type LucideIcon, Pause, Play, Plus, Radio, Search, SquareTerminal, SunMoon } from "lucide-react";
import { useId, useState, type KeyboardEvent } from "react";
import { api, ok } from "../api/client";
import { useChange } from "../api/change";
import { useCan } from "../api/session";
import { pageCommand } from "../kit/CopyAs";
import { cx } from "../kit/cx";
import { Kbd } from "../kit/Kbd";
import { useSettled } from "../kit/settled";
import { toast } from "../kit/toast";
import { copyText } from "../kit/Values";
import { useLive } from "../live/context";
import { language, setLanguage } from "../text/catalogue";
import { t as kit } from "../text/kit";
import { t } from "../text/shell";
import { overviewQuery } from "./overview";
import { navPages, pageOfId } from "./pages";
import { flipTheme } from "./theme";

interface Entry {
  label: string;
  /** What it is, when it is no page: shown behind the label. */
  kind?: string;
  /** Tells apart what has the same label. */
  id?: string;
  icon: LucideIcon;
  keys?: string;
  run: () => void;
}

interface Found {
  id: string;
  name: string;
  /** The page of the navigation that it is of. */
  of: string;
  /** Where it is shown. */
  at: string;
}

const few = 5;

// What has a name with this text in it. A list that the person may not read, or that does not answer, adds nothing.
async function search(q: string, signal: AbortSignal): Promise<Found[]> {
  const query = { q, limit: few };
  const found = await Promise.allSettled([
    ok(api.GET("/api/workflows", { signal, params: { query } })).then(({ items }) => items.map((x): Found => ({ id: x.workflow_id, name: x.name, of: "/workflows", at: `/workflows/${x.workflow_id}` }))),
    ok(api.GET("/api/job-templates", { signal, params: { query } })).then(({ items }) => items.map((x): Found => ({ id: x.template_id, name: x.name, of: "/templates", at: `/templates?open=${x.template_id}` }))),
    ok(api.GET("/api/schedules", { signal, params: { query } })).then(({ items }) => items.map((x): Found => ({ id: x.schedule_id, name: x.name, of: "/schedules", at: `/schedules/${x.schedule_id}` }))),
    ok(api.GET("/api/jobs", { signal, params: { query: { ...query, sort: "-created_at" } } })).then(({ items }) => items.map((x): Found => (x.run_id && x.status !== "QUEUED" ? { id: x.job_id, name: x.name, of: "/runs", at: `/runs/${x.run_id}` } : { id: x.job_id, name: x.name, of: "/queue", at: `/queue?job=${x.job_id}` }))),
  ]);
  return found.flatMap((f) => (f.status === "fulfilled" ? f.value : []));
}

/** Goes to pages, runs actions, finds what has a name, and opens ids by typing. */
export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-shade" />
        <Dialog.Popup aria-label={t("palette")} className="appear fixed top-[12vh] left-1/2 z-40 w-[calc(100vw-24px)] max-w-xl -translate-x-1/2 overflow-hidden rounded-lg border border-line bg-raised shadow-pop outline-none">
          <Search_ onClose={onClose} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

// What can be done from any page. What the person may not do is left out.
function useActions(text: string): Entry[] {
  const router = useRouter();
  const live = useLive();
  const { data } = useQuery(overviewQuery);
  const old = ["overview", "queue", "workers"];
  const steer = useChange((paused: boolean) => (paused ? ok(api.POST("/api/queue/pause", {})) : ok(api.POST("/api/queue/resume", {}))), { old, said: (_, paused) => t(paused ? "palPaused" : "palResumed") });
  const scale = useChange((count: number) => ok(api.PATCH("/api/workers", { body: { count } })), { old, said: (_, n) => t("palSlots", { n }) });
  const jobs = useCan("jobs:write").can;
  const schedules = useCan("schedules:write").can;
  const workflows = useCan("workflows:write").can;
  const workers = useCan("workers:write").can && data !== undefined;
  const go = (path: string) => () => router.history.push(`/ui${path}`);
  const typed = /(?:^|\s)(\d{1,3})(?:\s|$)/.exec(text)?.[1];
  const slots = data && workers ? (typed ? [Number(typed)] : [data.workers + 1, data.workers - 1]).filter((n) => n >= 0 && n !== data.workers) : [];
  const command = pageCommand();
  return [
    ...(jobs ? [{ label: t("scNew"), icon: Plus, run: go("/queue?add=1") }] : []),
    ...(schedules ? [{ label: t("palSchedule"), icon: Plus, run: go("/schedules?new=1") }] : []),
    ...(workflows ? [{ label: t("palWorkflow"), icon: Plus, run: go("/workflows?new=1") }] : []),
    ...(workers ? [data.paused ? { label: t("palResume"), icon: Play, run: () => steer.mutate(false) } : { label: t("scPauseQueue"), icon: Pause, run: () => steer.mutate(true) }] : []),
    ...slots.map((n) => ({ label: t("palSlots", { n }), icon: Gauge, run: () => scale.mutate(n) })),
    ...(command ? [{ label: t("palCopy"), kind: command.split("\n", 1)[0] ?? "", icon: SquareTerminal, run: () => void copyText(command).then(() => toast({ text: kit("copied") })) }] : []),
    { label: t("welcome"), icon: CirclePlay, run: go("/welcome") },
    { label: t("scTheme"), icon: SunMoon, keys: "t", run: flipTheme },
    { label: language === "ko" ? "English" : "한국어", kind: t("language"), icon: Languages, run: () => setLanguage(language === "ko" ? "en" : "ko") },
    { label: t("scPause"), icon: Radio, keys: "p", run: live.toggle },
  ];
}

function useEntries(text: string): { entries: Entry[]; busy: boolean } {
  const navigate = useNavigate();
  const router = useRouter();
  const actions = useActions(text);
  const id = pageOfId(text);
  const bare = text.trim().slice(0, 200);
  const q = useSettled(bare, 200);
  const wanted = bare !== "" && !id;
  const found = useQuery({ queryKey: ["palette", q], enabled: wanted && q === bare, staleTime: 5000, queryFn: ({ signal }) => search(q, signal) });
  if (id) return { busy: false, entries: [{ label: t("openId", { id: text.trim() }), icon: Hash, run: () => router.history.push(`/ui${id}`) }] };
  const all: Entry[] = [
    ...navPages.map((p): Entry => ({ label: p.label, icon: p.icon, ...(p.key ? { keys: `g ${p.key}` } : {}), run: () => void navigate({ to: p.to as never }) })),
    ...actions,
  ];
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const named = wanted && q === bare ? (found.data ?? []).map((f): Entry => {
    const page = navPages.find((p) => p.to === f.of);
    return { label: f.name, kind: page?.label ?? "", id: f.id, icon: page?.icon ?? Hash, run: () => router.history.push(`/ui${f.at}`) };
  }) : [];
  return { entries: [...all.filter((e) => words.every((w) => `${e.label} ${e.kind ?? ""}`.toLowerCase().includes(w))), ...named], busy: wanted && (q !== bare || found.isPending) };
}

function Search_({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const list = useId();
  const { entries, busy } = useEntries(text);
  const chosen = Math.min(at, entries.length - 1);
  const run = (e: Entry | undefined) => {
    if (!e) return;
    onClose();
    e.run();
  };
  const onKeyDown = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step && entries.length > 0) setAt((chosen + step + entries.length) % entries.length);
    else if (e.key === "Enter" && !e.nativeEvent.isComposing) run(entries[chosen]);
    else return;
    e.preventDefault();
  };
  return (
    <>
      <div className="flex items-center gap-2.5 border-b border-line px-4">
        <Search aria-hidden className="size-4 shrink-0 text-faint" strokeWidth={1.75} />
        <input
          autoFocus role="combobox" aria-expanded aria-controls={list} aria-activedescendant={entries[chosen] ? `${list}-${chosen}` : undefined} aria-label={t("palette")}
          placeholder={t("paletteHint")} value={text} onChange={(e) => { setText(e.target.value); setAt(0); }} onKeyDown={onKeyDown} className="h-12 grow bg-transparent text-base outline-none"
        />
      </div>
      <ul id={list} role="listbox" aria-label={t("palette")} className="max-h-[50vh] overflow-y-auto p-1.5">
        {entries.map((e, i) => (
          // The field above has the focus and the keys.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <li key={e.id ?? e.label} id={`${list}-${i}`} role="option" aria-selected={i === chosen} onClick={() => run(e)} onMouseMove={() => setAt(i)} className={cx("target flex h-9 cursor-pointer items-center gap-2.5 rounded-md px-2.5", i === chosen && "bg-hover")}>
            <e.icon aria-hidden className="size-4 text-faint" strokeWidth={1.75} />
            <span className="grow truncate">{e.label}</span>
            {e.kind ? <span className="max-w-1/2 truncate text-xs text-faint">{e.kind}</span> : null}
            {e.keys ? <Kbd keys={e.keys} /> : i === chosen ? <CornerDownLeft aria-hidden className="size-3.5 text-faint" /> : null}
          </li>
        ))}
      </ul>
      {entries.length === 0 ? <p className="px-4 pb-4 text-sm text-dim" role="status">{busy ? kit("loading") : kit("none")}</p> : null}
    </>
  );
}
