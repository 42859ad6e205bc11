import { useQuery } from "@tanstack/react-query";
import { Download, FileText, FolderOpen } from "lucide-react";
import { useState } from "react";
import { getRaw } from "../../api/client";
import { JsonDoc, parseJson } from "../../kit/json";
import { cx } from "../../kit/cx";
import { bytes } from "../../kit/format";
import { JsonView } from "../../kit/JsonView";
import { Empty, ErrorState, Loading } from "../../kit/States";
import { Bytes, CopyId } from "../../kit/Values";
import { t } from "../../text/runs";
import { artifactPath, type Artifact, type Run } from "./data";
import { MarkdownView } from "./MarkdownView";
import { previewKind, type PreviewKind } from "./preview";

const textMost = 1_000_000;
const imageMost = 8_000_000;

/** The files of a run, with previews that run nothing. */
export function ArtifactsTab({ run, open, onOpen }: { run: Run; open: string; onOpen: (name: string) => void }) {
  const all = Object.entries(run.artifacts).sort(([a], [b]) => a.localeCompare(b));
  if (all.length === 0) return <Empty icon={FolderOpen} title={t("artifactsEmpty")}>{t("artifactsEmptyText")}</Empty>;
  const chosen = all.find(([name]) => name === open) ?? all[0];
  return (
    <div className="grid gap-4 lg:grid-cols-[minmax(14rem,20rem)_minmax(0,1fr)]">
      <ul className="self-start overflow-hidden rounded-md border border-line">
        {all.map(([name, a]) => (
          <li key={name} className={cx("flex items-center border-b border-line last:border-b-0", chosen?.[0] === name && "bg-accent-soft")}>
            <button type="button" aria-current={chosen?.[0] === name || undefined} onClick={() => onOpen(name)} className="target flex min-h-9 min-w-0 grow items-center gap-2 px-2.5 py-1 text-left hover:bg-hover">
              <FileText aria-hidden className="size-4 shrink-0 text-faint" strokeWidth={1.75} />
              <span className="min-w-0 grow truncate" title={name}>{name}</span>
              <span className="shrink-0 text-xs text-faint"><Bytes n={a.size_bytes} /></span>
            </button>
            <DownloadLink a={a} />
          </li>
        ))}
      </ul>
      {chosen ? <Preview key={chosen[0]} a={chosen[1]} name={chosen[0]} /> : null}
    </div>
  );
}

function DownloadLink({ a }: { a: Artifact }) {
  return <a href={artifactPath(a)} download aria-label={`${t("artDownload")} ${a.name}`} title={t("artDownload")} className="target inline-flex size-9 shrink-0 items-center justify-center text-dim hover:bg-hover hover:text-fg"><Download aria-hidden className="size-4" strokeWidth={1.75} /></a>;
}

async function head(a: Artifact, most: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const res = await getRaw(artifactPath(a), { signal, ...(a.size_bytes > most ? { headers: { Range: `bytes=0-${most - 1}` } } : {}) });
  return new Uint8Array(await res.arrayBuffer());
}

function Preview({ a, name }: { a: Artifact; name: string }) {
  const kind = previewKind(a.media_type, name);
  const most = kind === "image" ? imageMost : textMost;
  const can = kind !== null && (kind !== "image" || a.size_bytes <= imageMost);
  // The content of an artifact never changes: its id names it.
  const q = useQuery({ queryKey: ["artifact", a.artifact_id], enabled: can, staleTime: Infinity, gcTime: 60_000, queryFn: ({ signal }) => head(a, most, signal) });
  return (
    <section aria-label={t("artPreview", { name })} className="min-w-0">
      <header className="flex flex-wrap items-center gap-x-4 gap-y-1 pb-2 text-xs text-dim">
        <span className="text-sm font-medium text-fg [overflow-wrap:anywhere]">{name}</span><span>{a.media_type}</span><Bytes n={a.size_bytes} />
        <span className="inline-flex min-w-0 items-center gap-1.5">{t("artSha")} <CopyId id={a.sha256} /></span>
      </header>
      {!can ? <Empty title={kind === null ? t("artNoPreview") : t("artTooLarge")} action={<a href={artifactPath(a)} download className="text-accent underline">{t("artDownload")}</a>} /> : q.isPending ? <Loading /> : q.isError ? <ErrorState error={q.error} onRetry={() => void q.refetch()} /> : <Content kind={kind} data={q.data} a={a} name={name} />}
      {can && kind !== "image" && a.size_bytes > textMost ? <p className="pt-2 text-xs text-faint">{t("artCut", { size: bytes(textMost) })}</p> : null}
    </section>
  );
}

function Content({ kind, data, a, name }: { kind: PreviewKind; data: Uint8Array<ArrayBuffer>; a: Artifact; name: string }) {
  const [source, setSource] = useState(false);
  if (kind === "image") return <Picture data={data} type={a.media_type} name={name} />;
  const text = new TextDecoder().decode(data);
  if (kind === "json") {
    const nice = a.size_bytes <= textMost && parseJson(text) instanceof JsonDoc ? text : null;
    return nice === null ? <><p className="pb-2 text-xs text-warn">{t("artNotJson")}</p><Plain text={text} label={name} /></> : <JsonView text={nice} label={name} className="max-h-[65vh]" />;
  }
  if (kind === "text") return <Plain text={text} label={name} />;
  return (
    <>
      <div role="group" className="mb-2 inline-flex overflow-hidden rounded-md border border-line-strong">
        {[false, true].map((s) => <button key={String(s)} type="button" aria-pressed={source === s} onClick={() => setSource(s)} className={cx("target h-7 px-2.5 text-sm", source === s ? "bg-press font-medium" : "text-dim hover:bg-hover")}>{s ? t("artSource") : t("artRendered")}</button>)}
      </div>
      {source ? <Plain text={text} label={name} /> : <div className="max-h-[65vh] overflow-auto rounded-md border border-line px-5 py-4"><MarkdownView text={text} /></div>}
    </>
  );
}


function Plain({ text, label }: { text: string; label: string }) {
  // A region that scrolls must be reachable by keys.
  // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
  return <pre role="region" aria-label={label} tabIndex={0} className="max-h-[65vh] overflow-auto rounded-md border border-line bg-panel p-3 font-mono text-xs leading-5">{text}</pre>;
}

// Pictures are data addresses: the server sends artifacts as downloads, and nothing in a
// picture runs.
function Picture({ data, type, name }: { data: Uint8Array<ArrayBuffer>; type: string; name: string }) {
  const [broken, setBroken] = useState(false);
  const [url] = useState(() => {
    let binary = "";
    for (let i = 0; i < data.length; i += 32_768) binary += String.fromCharCode(...data.subarray(i, i + 32_768));
    return `data:${type.split(";")[0] ?? ""};base64,${btoa(binary)}`;
  });
  if (broken) return <Empty title={t("artNotImage")} />;
  return <img src={url} alt={name} onError={() => setBroken(true)} className="max-h-[65vh] max-w-full rounded-md border border-line bg-panel object-contain" />;
}
