import { fill, language } from "../../text/catalogue";
import { causes, failures, titles } from "../../text/problems";

// Where a failure's words have its number, signal or time.
const values: Readonly<Record<string, RegExp>> = { exit_nonzero: /-?\d+$/, killed_by_signal: /SIG.+$/, timeout: /(?<= )(?:[\d.]+(?:h|m|s|ms|µs))+$/ };

/** Why something failed, in the page's language, by its code; the server's own words where they say more. */
export function failureText({ code, message }: { code: string; message: string }, of = language): string {
  if (of === "en") return message || code;
  const what = values[code]?.exec(message)?.[0] ?? "";
  const sentence = failures[code];
  if (sentence && (what || !sentence.includes("{what}"))) return fill(sentence, { what });
  const cause = causes[code] ?? titles[code];
  return cause && message ? `${cause} (${message})` : cause || message || code;
}
