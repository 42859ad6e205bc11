import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, foldGutter, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { yamlStream } from "./yamlStream";

/** What is wrong at a place of the text; line 0 = the whole. */
export interface Mark {
  line: number;
  column: number;
  text: string;
}

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--ok)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword, tags.atom], color: "var(--info)" },
  { tag: tags.comment, color: "var(--faint)", fontStyle: "italic" },
  { tag: tags.meta, color: "var(--warn)" },
]);

const look = EditorView.theme({
  "&": { height: "100%", fontSize: "12.5px", backgroundColor: "var(--bg)", color: "var(--fg)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font-mono, ui-monospace, monospace)", lineHeight: "20px" },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--faint)", border: "none", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  ".cm-cursor": { borderLeftColor: "var(--fg)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection": { backgroundColor: "var(--accent-soft) !important" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--fg)", border: "1px solid var(--line)", borderRadius: "6px" },
  ".cm-matchingBracket": { backgroundColor: "var(--press)", outline: "none" },
});

/** A text editor for YAML, with marks. Tab leaves it after Escape, as the editor's own help says. */
export function CodeEditor({ text, label, readOnly, marks, go, onChange, onSave }: { text: string; label: string; readOnly: boolean; marks: readonly Mark[]; /** Goes to a line when it changes. */ go: { line: number } | null; onChange: (text: string) => void; onSave: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const hooks = useRef({ onChange, onSave });
  const begin = useRef({ text, label });
  const fixed = useRef(new Compartment());
  useEffect(() => {
    hooks.current = { onChange, onSave };
  });
  useEffect(() => {
    const host = place.current;
    if (!host) return;
    // In a shadow tree the editor's styles are adopted sheets; a style element in the
    // page is what the content policy forbids.
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    // The page sees the host, not that somebody types in it: its shortcuts must not hear.
    const quiet = (e: KeyboardEvent) => !e.ctrlKey && !e.metaKey && e.stopPropagation();
    host.addEventListener("keydown", quiet);
    const it = new EditorView({
      root, parent: root,
      state: EditorState.create({
        doc: begin.current.text,
        extensions: [
          lineNumbers(), foldGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(), highlightActiveLine(), lintGutter(), indentUnit.of("  "),
          yamlStream, syntaxHighlighting(colours), look, EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": begin.current.label }),
          fixed.current.of(EditorState.readOnly.of(false)),
          keymap.of([{ key: "Mod-s", run: () => { hooks.current.onSave(); return true; } }, indentWithTab, ...defaultKeymap, ...historyKeymap]),
          EditorView.updateListener.of((u) => u.docChanged && hooks.current.onChange(u.state.doc.toString())),
        ],
      }),
    });
    view.current = it;
    return () => {
      host.removeEventListener("keydown", quiet);
      it.destroy();
    };
  }, []);
  useEffect(() => {
    view.current?.dispatch({ effects: fixed.current.reconfigure(EditorState.readOnly.of(readOnly)) });
  }, [readOnly]);
  useEffect(() => {
    const it = view.current;
    if (!it) return;
    const doc = it.state.doc;
    const all: Diagnostic[] = marks.map((m) => {
      const line = doc.line(Math.min(Math.max(1, m.line), doc.lines));
      const from = Math.min(line.from + Math.max(0, m.column - 1), line.to);
      return { from, to: Math.max(from, line.to), severity: "error", message: m.text };
    });
    it.dispatch(setDiagnostics(it.state, all));
  }, [marks]);
  useEffect(() => {
    const it = view.current;
    if (!it || !go) return;
    const line = it.state.doc.line(Math.min(Math.max(1, go.line), it.state.doc.lines));
    it.dispatch({ selection: { anchor: line.from }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
    it.focus();
  }, [go]);
  return <div ref={place} className="h-full min-h-0 overflow-hidden" />;
}
