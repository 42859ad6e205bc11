import { useQuery } from "@tanstack/react-query";
import { Bot, RotateCw } from "lucide-react";
import { api, ok, type Schema } from "../../api/client";
import { Badge } from "../../kit/Badge";
import { Button } from "../../kit/Button";
import { Command } from "../../kit/CopyAs";
import { duration } from "../../kit/format";
import { Section } from "../../kit/Page";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Table, type Column } from "../../kit/Table";
import { Bytes, Time } from "../../kit/Values";
import { t } from "../../text/settings";

type Server = Schema<"LLMServer">;
type Model = Server["models"][number];

/** The servers of language models with what they have; a test asks them anew. */
export function Models() {
  const servers = useQuery({ queryKey: ["llm-servers"], queryFn: ({ signal }) => ok(api.GET("/api/llm/servers", { signal })) });
  if (servers.error && !servers.data) return <ErrorState error={servers.error} onRetry={() => void servers.refetch()} />;
  if (!servers.data) return <Loading />;
  if (servers.data.items.length === 0) return <Empty icon={Bot} title={t("noServers")} command="RUNSHEET_LLM_URL=http://127.0.0.1:11434 runsheet serve">{t("noServersText")}</Empty>;
  return (
    <>
      <p className="pb-2 text-sm text-dim">{t("defaultModel")}: <span className="font-medium text-fg">{servers.data.default_model ?? t("noDefault")}</span></p>
      {servers.data.items.map((s) => <One key={s.name} server={s} busy={servers.isFetching} onTest={() => void servers.refetch()} />)}
    </>
  );
}

// Why a server cannot be used, by its code; the server's own words for another.
function awayText(code: string, detail: string): string {
  return code === "llm_unreachable" || code === "llm_timeout" ? t(`away_${code}`, { text: detail }) : detail;
}

function One({ server: s, busy, onTest }: { server: Server; busy: boolean; onTest: () => void }) {
  const columns: Column<Model>[] = [
    { id: "name", head: t("model"), cell: (m) => <span className="inline-flex items-center gap-2"><span className="font-medium">{m.name}</span>{s.loaded.some((l) => l.name === m.name) ? <Badge tone="info">{t("inMemory")}</Badge> : null}{m.remote ? <Badge tone="warn">{t("remote")}</Badge> : null}</span> },
    { id: "parameters", head: t("parameters"), from: "sm", cell: (m) => <span className="text-dim">{m.parameters ?? ""}</span> },
    { id: "quantization", head: t("quantization"), from: "md", cell: (m) => <span className="text-dim">{m.quantization ?? ""}</span> },
    { id: "size", head: t("size"), align: "right", cell: (m) => <Bytes n={m.size_bytes} /> },
  ];
  return (
    <Section title={s.name} count={<Badge tone={s.status === "ok" ? "ok" : "bad"}>{t(s.status === "ok" ? "ok" : "away")}</Badge>} actions={<Button small icon={RotateCw} busy={busy} onClick={onTest}>{t("test")}</Button>}>
      <p className="flex flex-wrap gap-x-4 pb-2 text-sm text-dim">
        <code className="font-mono text-xs leading-5">{s.url}</code><span>{s.kind}</span>{s.version ? <span>{t("version")} {s.version}</span> : null}{s.latency_ms === null ? null : <span>{t("latency")} {duration(s.latency_ms)}</span>}<span className="text-faint">{t("checked")} <Time at={s.checked_at} /></span>
      </p>
      {s.detail ? <p className="pb-2 text-sm text-bad">{awayText(s.code ?? "", s.detail)}</p> : null}
      {s.models.length > 0 ? <Table label={`${t("models")} ${s.name}`} columns={columns} rows={s.models} id={(m) => m.name} /> : s.status === "ok" ? <div className="max-w-xl"><p className="pb-1 text-sm text-dim">{t("noModels")}. {t("pull")}</p><Command text="ollama pull qwen3:8b" /></div> : null}
    </Section>
  );
}
