import { StreamLanguage } from "@codemirror/language";

/** Colours of YAML, line by line: a whole grammar would be a fifth of the editor. */
export const yamlStream = StreamLanguage.define<{ block: number }>({
  name: "yaml",
  startState: () => ({ block: -1 }),
  token(stream, state) {
    if (stream.sol()) {
      const indent = stream.indentation();
      if (state.block >= 0 && stream.string.trim() !== "" && indent <= state.block) state.block = -1;
      if (state.block >= 0) {
        stream.skipToEnd();
        return "string";
      }
      if (stream.match(/^(---|\.\.\.)(?=\s|$)/)) return "meta";
    }
    if (stream.eatSpace()) return null;
    if ((stream.column() === stream.indentation() || /\s/.test(stream.string[stream.pos - 1] ?? " ")) && stream.peek() === "#") {
      stream.skipToEnd();
      return "comment";
    }
    if (stream.match(/^-(?=\s|$)/)) return "meta";
    if (stream.match(/^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#{}[\],&*!|>'"%@`:][^:#{}[\],]*?)(?=\s*:(\s|$))/)) return "propertyName";
    if (stream.match(/^[|>][+-]?\d?(?=\s*(#|$))/)) {
      state.block = stream.indentation();
      return "meta";
    }
    if (stream.match(/^("(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?)/)) return "string";
    if (stream.match(/^(true|false|null|~)(?=\s*([,\]}#]|$))/)) return "atom";
    if (stream.match(/^-?\d[\d_]*(\.\d+)?([eE][+-]?\d+)?(?=\s*([,\]}#]|$))/)) return "number";
    if (stream.match(/^[&*!][^\s,\]}]+/)) return "meta";
    if (stream.match(/^[^\s,\]}#:]+/)) return "string";
    stream.next();
    return null;
  },
  languageData: { commentTokens: { line: "#" } },
});
