import { useMemo } from "react";
import { cx } from "../../kit/cx";
import { parseMarkdown, safeHref, type Block, type Inline } from "../../kit/markdown";

const headings = ["text-xl font-semibold", "text-lg font-semibold", "text-base font-semibold"] as const;

/** Markdown as a page shows it; nothing of it runs or loads. Pictures are links. */
export function MarkdownView({ text }: { text: string }) {
  const { blocks } = useMemo(() => parseMarkdown(text), [text]);
  return <div className="flex max-w-3xl flex-col gap-3 text-base leading-6 [overflow-wrap:anywhere]"><Blocks list={blocks} /></div>;
}

function Blocks({ list }: { list: readonly Block[] }) {
  return list.map((b, i) => <One key={i} b={b} />);
}

function One({ b }: { b: Block }) {
  switch (b.kind) {
    case "heading":
      // The page has its own headings down to the third level.
      return <p role="heading" aria-level={Math.min(6, b.level + 3)} className={cx("mt-2 first:mt-0", headings[b.level - 1] ?? "font-semibold")}><Inlines list={b.children} /></p>;
    case "paragraph":
      return <p><Inlines list={b.children} /></p>;
    case "code":
      return <pre className="overflow-x-auto rounded-md border border-line bg-panel p-3 font-mono text-xs leading-5">{b.text}</pre>;
    case "quote":
      return <blockquote className="flex flex-col gap-2 border-l-2 border-line-strong pl-3 text-dim"><Blocks list={b.children} /></blockquote>;
    case "rule":
      return <hr className="border-line" />;
    case "list": {
      const items = b.items.map((x, i) => (
        <li key={i} className={cx("pl-1", x.done !== null && "list-none")}>
          {x.done === null ? null : <input type="checkbox" checked={x.done} readOnly disabled aria-label={x.done ? "✓" : "–"} className="mr-2 -ml-5 size-3.5 align-[-2px]" />}
          <Blocks list={x.children} />
        </li>
      ));
      return b.start === null ? <ul className="list-disc pl-5">{items}</ul> : <ol start={b.start} className="list-decimal pl-6">{items}</ol>;
    }
    case "table":
      return (
        <div className="overflow-x-auto">
          <table className="border-collapse text-sm">
            <thead className="border-b border-line-strong">
              <tr>{b.head.map((c, i) => <th key={i} scope="col" style={{ textAlign: b.align[i] ?? "left" }} className="px-3 py-1.5 font-medium first:pl-0"><Inlines list={c} /></th>)}</tr>
            </thead>
            <tbody>{b.rows.map((r, k) => <tr key={k} className="border-b border-line">{r.map((c, i) => <td key={i} style={{ textAlign: b.align[i] ?? "left" }} className="px-3 py-1.5 first:pl-0"><Inlines list={c} /></td>)}</tr>)}</tbody>
          </table>
        </div>
      );
  }
}

function Inlines({ list }: { list: readonly Inline[] }) {
  return list.map((x, i) => <Word key={i} x={x} />);
}

function Word({ x }: { x: Inline }) {
  switch (x.kind) {
    case "text":
      return x.text;
    case "code":
      return <code className="rounded-sm bg-press px-1 py-0.5 font-mono text-xs">{x.text}</code>;
    case "strong":
      return <strong><Inlines list={x.children} /></strong>;
    case "em":
      return <em><Inlines list={x.children} /></em>;
    case "strike":
      return <s><Inlines list={x.children} /></s>;
    case "break":
      return <br />;
    case "link": {
      const href = safeHref(x.href);
      return href ? <a href={href} target="_blank" rel="noreferrer noopener" title={href} className="text-accent underline"><Inlines list={x.children} /></a> : <Inlines list={x.children} />;
    }
  }
}
