import { language } from "../text/catalogue";
import { t } from "../text/kit";

// What the server says of a wrong place of a request, by its code. It may be something of its own, which then stays as it is.
const said = {
  required: [[/^(?:is required|must be given)$/, "required"]],
  unknown: [[/^unknown field$/, "unknownField"]],
  unknown_value: [[/^must be one of (.+)$/, "oneOf"]],
  out_of_range: [[/^must be at least (-?\d+)$/, "tooSmall"], [/^must be at most (-?\d+)$/, "tooLarge"]],
  too_short: [[/^must have at least (\d+) characters?$/, "tooShort"]],
  too_long: [[/^must have at most (\d+) characters?$/, "tooLong"]],
} as const;

/** What is wrong at a place, in the page's language. */
export function placeText(code: string, detail: string, of = language): string {
  if (of === "en" || !Object.hasOwn(said, code)) return detail;
  for (const [pattern, key] of said[code as keyof typeof said]) {
    const m = pattern.exec(detail);
    if (m) return t(key, { n: Number(m[1]), list: m[1] ?? "" });
  }
  return detail;
}
