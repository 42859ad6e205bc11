import { useQuery } from "@tanstack/react-query";
import { setTheme, useTheme, type Theme } from "../../app/theme";
import { api, ok } from "../../api/client";
import { useCan } from "../../api/session";
import { Badge } from "../../kit/Badge";
import { Command, CopyAs } from "../../kit/CopyAs";
import { Combobox } from "../../kit/Combobox";
import { CheckBox, Field, Switch } from "../../kit/Field";
import { Select } from "../../kit/Select";
import { FilterBar, Page, PageHeader, Section } from "../../kit/Page";
import { useShortcutsOn } from "../../kit/shortcuts";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { Tabs } from "../../kit/Tabs";
import { flag, oneOf, text, useUrl } from "../../kit/url";
import { Num, Time } from "../../kit/Values";
import { chosenZone, setZone } from "../../kit/zonechoice";
import { language, setLanguage, type Language } from "../../text/catalogue";
import type { Schema } from "../../api/client";
import { t } from "../../text/settings";
import { Calendars } from "./Calendars";
import { Models } from "./Models";
import { Rules } from "./Rules";
import { Storage } from "./Storage";

const shape = { tab: oneOf("general", "rules", "config", "llm", "storage", "calendars"), q: text, set: flag };
const calls = {
  general: { cli: "runsheet whoami", path: "/api/session" }, rules: { cli: "runsheet settings get", path: "/api/settings" }, config: { cli: "runsheet config print", path: "/api/config" },
  llm: { cli: "runsheet llm ls", path: "/api/llm/servers" }, storage: { cli: "runsheet backup --out backup.tar", path: "/api/storage" }, calendars: { cli: "runsheet calendar ls", path: "/api/calendars" },
};

/** The page of settings. */
export function Settings() {
  const [url, change] = useUrl(shape);
  return (
    <Page>
      <PageHeader title={t("title")} actions={<CopyAs action={{ ...calls[url.tab], method: "GET" }} />} />
      <Tabs
        value={url.tab} onChange={(v) => change({ tab: v as typeof url.tab, q: "", set: false })}
        tabs={[
          { id: "general", label: t("general"), content: <General /> }, { id: "rules", label: t("rules"), content: <Rules /> },
          { id: "config", label: t("config"), content: <Config q={url.q} set={url.set} change={change} /> }, { id: "llm", label: t("llm"), content: <Models /> },
          { id: "storage", label: t("storage"), content: <Storage /> }, { id: "calendars", label: t("calendars"), content: <Calendars q={url.q} onQuery={(q) => change({ q }, true)} /> },
        ]}
      />
    </Page>
  );
}

function General() {
  const theme = useTheme();
  const [on, setOn] = useShortcutsOn();
  const zones = Intl.supportedValuesOf("timeZone");
  let stored = "";
  try {
    stored = localStorage.getItem("runsheet.language") ?? "";
  } catch {
    stored = "";
  }
  return (
    <Section title={t("mine")}>
      <p className="pb-3 text-xs text-faint">{t("mineHint")}</p>
      <div className="flex max-w-sm flex-col gap-4">
        <Field label={t("theme")}>{(ids) => <Select {...ids} value={theme} onChange={(v) => setTheme(v as Theme)} options={(["system", "light", "dark"] as const).map((v) => ({ value: v, label: t(v) }))} />}</Field>
        <Field label={t("language")}>{(ids) => <Select {...ids} value={stored ? language : ""} onChange={(v) => setLanguage((v || null) as Language | null)} options={[{ value: "", label: t("browser") }, { value: "en", label: "English" }, { value: "ko", label: "한국어" }]} />}</Field>
        <Field label={t("zone")} hint={t("zoneHint")}>{(ids) => <Combobox {...ids} value={chosenZone ?? ""} onChange={(v) => (v === (chosenZone ?? "") ? undefined : setZone(v))} placeholder={`${t("browser")}: ${Intl.DateTimeFormat().resolvedOptions().timeZone}`} options={["UTC", ...zones.filter((z) => z !== "UTC")].map((z) => ({ value: z, label: z }))} />}</Field>
        <div className="flex items-center gap-3">
          <Switch aria-label={t("shortcuts")} checked={on} onChange={setOn} />
          <div><p className="text-sm font-medium">{t("shortcuts")}</p><p className="text-xs text-faint">{t("shortcutsHint")}</p></div>
        </div>
      </div>
    </Section>
  );
}

function Config({ q, set, change }: { q: string; set: boolean; change: (next: { q?: string; set?: boolean }, replace?: boolean) => void }) {
  const { can, why } = useCan("settings:write");
  const config = useQuery({ queryKey: ["config"], queryFn: ({ signal }) => ok(api.GET("/api/config", { signal })), enabled: can });
  if (!can) return <Empty title={t("config")}>{why}</Empty>;
  if (config.error && !config.data) return <ErrorState error={config.error} onRetry={() => void config.refetch()} />;
  if (!config.data) return <Loading rows={10} />;
  const legacy = config.data.items.find((s) => s.key === "legacy.enabled");
  const rows = config.data.items.filter((s) => s.key.includes(q.toLowerCase()) && (!set || s.origin !== "default"));
  const columns: Column<Schema<"ConfigSetting">>[] = [
    { id: "key", head: t("key"), cell: (s) => <code className="font-mono text-xs font-medium [overflow-wrap:anywhere]">{s.key}</code> },
    { id: "value", head: t("value"), cell: (s) => (s.value === "" ? <span className="text-faint">{t("empty")}</span> : <code className="font-mono text-xs [overflow-wrap:anywhere]">{s.value}</code>) },
    { id: "origin", head: t("origin"), from: "sm", cell: (s) => (s.origin === "default" ? <span className="text-faint">{t("default")}</span> : <Badge tone="info">{s.origin}</Badge>) },
    { id: "change", head: t("change"), from: "md", cell: (s) => (s.hot ? <span className="inline-flex items-center gap-2"><Badge tone="ok">{t("hot")}</Badge><code className="font-mono text-xs text-faint">{s.change}</code></span> : <span className="text-faint">{t("restart")}</span>) },
  ];
  return (
    <>
      <p className="pb-3 text-sm text-dim">{t("configHint")}</p>
      <FilterBar query={q} onQuery={(v) => change({ q: v }, true)} placeholder={t("search")} active={q !== "" || set} onClear={() => change({ q: "", set: false })}><CheckBox label={t("changedOnly")} checked={set} onChange={(v) => change({ set: v })} /></FilterBar>
      {rows.length === 0 ? <Empty title={t("none")} /> : <Table label={t("config")} columns={columns} rows={rows} id={(s) => s.key} />}
      {legacy ? (
        <Section title={t("legacy")} count={<Badge tone={legacy.value === "false" ? "idle" : "info"}>{t(legacy.value === "false" ? "legacyOff" : "legacyOn")}</Badge>} className="mt-8 max-w-3xl">
          <p className="text-sm text-dim">{t(legacy.value === "false" ? "legacyOffText" : "legacyText")}</p>
          {legacy.value === "false" ? null : <div className="mt-2 flex flex-col gap-1"><p className="text-xs text-faint">{t("legacyTurn")}</p><Command text="runsheet serve --legacy-enabled=false" /></div>}
        </Section>
      ) : null}
      {legacy ? <LegacyUsage /> : null}
    </>
  );
}

/** Who still calls the legacy endpoints. */
function LegacyUsage() {
  const usage = useQuery({ queryKey: ["legacy-usage"], queryFn: ({ signal }) => ok(api.GET("/api/legacy/usage", { signal })) });
  const rows = usage.data?.items ?? [];
  const apart = rows.some((u) => u.tenant !== rows[0]?.tenant);
  const columns: Column<Schema<"LegacyUse">>[] = [
    { id: "client", head: t("client"), cell: (u) => <span className="[overflow-wrap:anywhere]">{u.client}{apart ? <span className="text-faint"> {u.tenant}</span> : null}</span> },
    { id: "call", head: t("call"), cell: (u) => <><code className="font-mono text-xs [overflow-wrap:anywhere]">{u.operation}</code>{u.successor ? <p className="text-xs text-faint [overflow-wrap:anywhere]">{t("instead", { path: u.successor })}</p> : null}</> },
    { id: "count", head: t("count"), align: "right", cell: (u) => <Num n={u.count} /> },
    { id: "last", head: t("lastCall"), from: "sm", cell: (u) => <Time at={u.last_used_at} className="text-dim" /> },
  ];
  return (
    <Section title={t("legacyUsage")} actions={<CopyAs action={{ cli: "runsheet legacy usage", method: "GET", path: "/api/legacy/usage" }} />} className="max-w-3xl">
      {usage.error && !usage.data ? <ErrorState error={usage.error} onRetry={() => void usage.refetch()} /> : !usage.data ? <Loading rows={2} /> : rows.length === 0 ? <Empty title={t("legacyNobody")} /> : <Table label={t("legacyUsage")} columns={columns} rows={rows} id={(u) => `${u.tenant} ${u.client} ${u.operation}`} />}
    </Section>
  );
}
