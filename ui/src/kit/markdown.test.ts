import { describe, expect, it } from "vitest";
import { type Block, type Inline, parseMarkdown, safeHref } from "./markdown";
import { Random } from "./random";

// A short writing of the tree, for tests.
function inl(list: Inline[]): string {
  return list
    .map((n) => {
      if (n.kind === "text") return n.text;
      if (n.kind === "code") return `<c>${n.text}</c>`;
      if (n.kind === "break") return "<br>";
      if (n.kind === "link") return `<${n.image ? "img" : "a"} ${n.href}>${inl(n.children)}</a>`;
      return `<${n.kind}>${inl(n.children)}</${n.kind}>`;
    })
    .join("");
}

function blk(list: Block[]): string[] {
  return list.map((b) => {
    switch (b.kind) {
      case "heading":
        return `h${b.level} ${inl(b.children)}`;
      case "paragraph":
        return `p ${inl(b.children)}`;
      case "code":
        return `code(${b.language}) ${b.text}`;
      case "quote":
        return `quote[${blk(b.children).join(", ")}]`;
      case "list":
        return `${b.start === null ? "ul" : `ol${b.start}`}[${b.items.map((i) => (i.done === null ? "" : i.done ? "x " : "o ") + blk(i.children).join(", ")).join(" | ")}]`;
      case "table":
        return `table(${b.align.map((a) => a ?? "-").join()}) ${[b.head, ...b.rows].map((r) => r.map(inl).join("|")).join(" / ")}`;
      case "rule":
        return "rule";
    }
  });
}

const md = (text: string) => blk(parseMarkdown(text).blocks);

describe("blocks", () => {
  it.each<[string, string[]]>([
    ["# One #\n## Two\ntext\nmore\n\nnext", ["h1 One", "h2 Two", "p text\nmore", "p next"]],
    ["Title\n===\nSub\n---\n\n---\n#no", ["h1 Title", "h2 Sub", "rule", "p #no"]],
    ["```go x\nfunc *a*\n  b\n```\nend", ["code(go) func *a*\n  b", "p end"]],
    ["~~~\nopen", ["code() open"]],
    ["    a\n\n    b\n\nc", ["code() a\n\nb", "p c"]],
    ["- a\n- b\n  - c\n\n  more\n- [x] d\n- [ ] e", ["ul[p a | p b, ul[p c], p more | x p d | o p e]"]],
    ["3. a\n4. b\n\ntext", ["ol3[p a | p b]", "p text"]],
    ["- a\n\n- b\nlazy\n* c", ["ul[p a | p b\nlazy]", "ul[p c]"]],
    ["text\n2. no list", ["p text\n2. no list"]],
    ["> a\n> - b\n>\n> > c\n\nd", ["quote[p a, ul[p b], quote[p c]]", "p d"]],
    ["| a | b |\n|:--|--:|\n| 1 | `x\\|y` |\n| 2 |\n\nend", ["table(left,right) a|b / 1|<c>x|y</c> / 2|", "p end"]],
    ["a | b\nno table", ["p a | b\nno table"]],
    ["- ```sh\n  run\n  ```\n- b", ["ul[code(sh) run | p b]"]],
    ["", []],
  ])("%j", (text, want) => expect(md(text)).toEqual(want));
});

describe("inlines", () => {
  it.each([
    ["a *b* **c** ***d*** ~~e~~ `f*g`", "a <em>b</em> <strong>c</strong> <em><strong>d</strong></em> <strike>e</strike> <c>f*g</c>"],
    ["**a *b* c** snake_case_name 2 * 3 * 4", "<strong>a <em>b</em> c</strong> snake_case_name 2 * 3 * 4"],
    ["**open and *open", "**open and *open"],
    ["``a`b`` `open", "<c>a`b</c> `open"],
    ["\\*no\\* a\\", "*no* a\\"],
    ["a  \nb\\\nc", "a<br>b<br>c"],
    ["[x](https://a.example/b_(c) \"t\") [**y**](<mailto:a@b.example>)", "<a https://a.example/b_(c)>x</a> <a mailto:a@b.example><strong>y</strong></a>"],
    ["![pic](https://a.example/x.png) ![](https://a.example/)", "<img https://a.example/x.png>pic</a> <img https://a.example/>https://a.example/</a>"],
    ["see https://a.example/x_y, (http://b.example). <https://c.example>", "see <a https://a.example/x_y>https://a.example/x_y</a>, (<a http://b.example>http://b.example</a>). <a https://c.example>https://c.example</a>"],
    ["[a](javascript:alert(1)) [b](data:text/html,x) [c](/local) [d] [e](", "a b c [d] [e]("],
    ["<script>alert(1)</script> <img src=x onerror=y>", "<script>alert(1)</script> <img src=x onerror=y>"],
    ["한글 **굵게** 끝", "한글 <strong>굵게</strong> 끝"],
  ])("%j", (text, want) => {
    const b = parseMarkdown(text).blocks[0];
    expect(b?.kind === "paragraph" && inl(b.children)).toBe(want);
  });

  it("leads to safe places only", () => {
    expect(["https://x.example", "HTTP://x.example", "mailto:a@b"].map(safeHref)).toEqual(["https://x.example", "HTTP://x.example", "mailto:a@b"]);
    for (const bad of ["javascript:x", "java\nscript:x", "\u0001javascript:x", "data:x", "vbscript:x", "//x.example", "/x", "file:///x", "https:", "https:///x", ""]) expect(safeHref(bad), bad).toBeNull();
    expect(safeHref("ht\ntps://x.example")).toBe("https://x.example");
  });

  it("bears anything: it ends, is bounded in depth, and has no unsafe address", () => {
    const r = new Random(41);
    const bits = ["*", "**", "_", "`", "```", "\n", "\n\n", "[", "](", ")", "!", "javascript:x", "https://e.example", ">", "- ", "  ", "1. ", "|", "---", "#", "a", "한", "\\", "~~", "<", "    ", "\t"];
    for (let i = 0; i < 1500; i++) {
      const text = Array.from({ length: r.int(0, 60) }, () => r.pick(bits)).join("");
      const { blocks } = parseMarkdown(text);
      const hrefs: string[] = [];
      JSON.stringify(blocks, (k, v: unknown) => {
        if (k === "href") hrefs.push(String(v));
        return v;
      });
      expect(hrefs.every((h) => /^(https?:\/\/|mailto:)/i.test(h))).toBe(true);
    }
  });

  it.each(["*", "`", "``` ", "[", "![", "> ", "- ", "|", "**a ", "_a_", "](", "<", "\\", "[a](", "a|", "*a **b ", "-\n", "  - a\n"])("is not stopped by much of %j", (bit) => {
    const { blocks } = parseMarkdown(bit.repeat(20_000 / bit.length));
    expect(Array.isArray(blocks)).toBe(true);
  });

  it("cuts what is too long", () => {
    expect(parseMarkdown("a\n".repeat(1_000_001)).cut).toBe(true);
    expect(parseMarkdown("a").cut).toBe(false);
  });
});
