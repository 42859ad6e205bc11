import { fill, language } from "../../text/catalogue";
import { about, errors } from "../../text/webhooks/errors";

/** Says in the page's language why a message did not arrive; the status is what the receiver answered, if it did. */
export function errorText({ code, message }: { code: string; message: string }, status: number | null | undefined, of = language): string {
  if (of !== "ko") return message;
  const sentence = errors[code];
  if (sentence && (status || !sentence.includes("{status}"))) return fill(sentence, { status: String(status) });
  return about[code] ? `${about[code]} (${message})` : message;
}
