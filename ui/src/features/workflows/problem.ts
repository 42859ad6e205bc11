import type { Schema } from "../../api/client";
import { fill, language } from "../../text/catalogue";
import { t } from "../../text/workflows";
import { codes, forms, reasons } from "../../text/workflows/problems";

/** A problem of a document; the editor's own has the code "yaml". */
export type Problem = Omit<Schema<"WorkflowProblem">, "code"> & { code: keyof typeof codes };

// What the server's version has and this page's has not comes in the server's words.
function korean({ code, reason, values, detail }: Problem): string {
  const sentence = reason && (reasons[reason] as string | undefined);
  if (sentence) return fill(sentence, { ...values, ...Object.fromEntries(["wanted", "given"].flatMap((k) => (values[k] ? [[k, forms[values[k]] ?? values[k]]] : []))) });
  const about = codes[code] as string | undefined;
  return about ? `${about}: ${detail}` : detail;
}

/** Says a problem in the page's language, and what may have been meant. */
export function said(p: Problem, of = language): string {
  const text = of === "ko" ? korean(p) : p.detail;
  return p.suggestion ? `${text}${/[.?!]$/.test(text) || of !== "ko" ? "" : "."} ${t("didYouMean", { what: p.suggestion })}` : text;
}
