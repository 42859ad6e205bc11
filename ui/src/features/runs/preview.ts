/** How a file can be shown without running anything of it. */
export type PreviewKind = "markdown" | "json" | "text" | "image";

const images = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml"]);
const texts = new Set(["application/xml", "application/yaml", "application/x-yaml", "application/toml", "application/javascript", "application/x-sh", "application/sql", "application/x-ndjson", "application/jsonl"]);

/** The preview for a media type, and the name where the type says nothing; null: none. HTML is shown as its source. */
export function previewKind(mediaType: string, name: string): PreviewKind | null {
  const type = (mediaType.split(";")[0] ?? "").trim().toLowerCase();
  const end = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  if (images.has(type)) return "image";
  if (type === "text/markdown" || (type.startsWith("text/") && ["md", "markdown"].includes(end))) return "markdown";
  if (type === "application/json" || type.endsWith("+json")) return "json";
  if (type.startsWith("text/") || texts.has(type)) return "text";
  if (type === "application/octet-stream" || type === "") {
    if (["md", "markdown"].includes(end)) return "markdown";
    if (end === "json") return "json";
    if (["txt", "log", "csv", "tsv", "yaml", "yml", "toml", "ini", "xml", "sql", "sh", "py", "go", "ts", "js", "html", "ndjson", "jsonl"].includes(end)) return "text";
  }
  return null;
}
