import { quote } from "./quote";

/** The line of a command's arguments, which splitCommand takes apart again. */
export function joinCommand(argv: readonly string[]): string {
  return argv.map(quote).join(" ");
}

// One step: a break of the line after a backslash, which is nothing; a blank; texts in quotes; a character after a backslash; others.
const step = /\\\n|([ \t\n]+)|'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])|([^ \t\n'"\\]+|\\$)/y;

/** The arguments of a command line: quotes and backslashes as in a shell (POSIX), all else as it is written. null: a quote is open. */
export function splitCommand(line: string): string[] | null {
  const out: string[] = [];
  let word: string | undefined;
  step.lastIndex = 0;
  while (step.lastIndex < line.length) {
    const m = step.exec(line);
    if (!m) return null;
    const [, blank, single, double, escaped, bare] = m;
    // Between double quotes a backslash counts only before these.
    const text = single ?? double?.replace(/\\(?:\n|([$`"\\]))/g, "$1") ?? escaped ?? bare;
    if (text !== undefined) word = (word ?? "") + text;
    else if (blank && word !== undefined) {
      out.push(word);
      word = undefined;
    }
  }
  return word === undefined ? out : [...out, word];
}
