import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "../gen/api";
import { language } from "../text/catalogue";
import { t } from "../text/kit";
import { placeText } from "./places";
import { parse, stringify } from "./exact";

/** The API's types by name: Schema<"Job">. */
export type Schema<K extends keyof components["schemas"]> = components["schemas"][K];

/** What the server says is wrong. It is what every failed call throws. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0: there was no answer. */
    readonly status: number,
    /** The fault's code, such as "conflict"; "offline" without an answer. */
    readonly code: string,
    /** What kind of trouble it is, in a few words. */
    readonly title: string,
    /** What it is this time; may be empty. */
    readonly detail: string,
    readonly requestId: string,
    /** Which fields are wrong, by JSON pointer. */
    readonly fields: readonly { pointer: string; detail: string }[] = [],
    /** The whole answer, for members beside those of a problem (such as the queue in a 412). */
    readonly body: unknown = null,
    /** In how many seconds to try again, when the server says so. */
    readonly retryAfter: number | null = null,
    /** What to do about it; may be empty. */
    readonly hint: string = "",
  ) {
    super(detail || title);
    this.name = "Problem";
  }
}

/** The same in a form for the page: everything thrown becomes a Problem. */
export function problemOf(e: unknown): Problem {
  if (e instanceof Problem) return e;
  return new Problem(0, "unknown", t("problem"), e instanceof Error ? e.message : String(e), "");
}

// What fetch throws: nobody has answered, or the caller has given up.
function unanswered(e: unknown): unknown {
  if (e instanceof DOMException && e.name === "AbortError") return e;
  return e instanceof TypeError ? new Problem(0, "offline", t("offline"), "", "") : problemOf(e);
}

function text(v: unknown): string {
  return typeof v === "string" ? v : "";
}

// The page's words for a code. In English they are the server's.
async function titleOf(code: string): Promise<string | undefined> {
  return language === "en" ? undefined : import("../text/problems").then((x) => x.titles[code], () => undefined);
}

async function problemFrom(res: Response, body: unknown): Promise<Problem> {
  const b = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const errors = Array.isArray(b.errors) ? (b.errors as Record<string, unknown>[]) : [];
  const code = text(b.code) || text(b.type).split("/").pop() || String(res.status);
  const id = text(b.request_id) || res.headers.get("X-Request-Id") || "";
  const after = Number(res.headers.get("Retry-After"));
  // This says the first place once more, in English.
  const detail = language !== "en" && errors.length > 0 && text(b.detail).startsWith("the input does not meet its schema: ") ? "" : text(b.detail);
  return new Problem(res.status, code, (await titleOf(code)) || text(b.title) || `${res.status} ${res.statusText}`, detail, id,
    errors.map((e) => ({ pointer: text(e.pointer), detail: placeText(text(e.code), text(e.detail)) })), body, after > 0 ? after : null, text(b.hint));
}

/** A text that no other call has. Not crypto.randomUUID: that exists only with TLS. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

let onUnauthorized: () => void = () => undefined;
/** Says what happens when the session is over; the router does it once. */
export function whenUnauthorized(f: () => void): void {
  onUnauthorized = f;
}

// The server keeps nothing of these for a repetition, because they are about secrets.
const unkept = new Set(["/api/setup", "/api/tokens", "/api/users", "/api/webhooks", "/api/webhooks/{webhook_id}/rotate", "/api/webhook-secret/rotate"]);

const headers: Middleware = {
  onRequest({ request, schemaPath }) {
    if (request.method !== "GET" && !schemaPath.startsWith("/api/session") && !unkept.has(schemaPath) && !request.headers.has("Idempotency-Key")) request.headers.set("Idempotency-Key", newKey());
    return request;
  },
  onResponse({ response, schemaPath }) {
    if (response.status === 401 && schemaPath !== "/api/session") onUnauthorized();
  },
};

// The API separates the values of a list by commas; labels alone are repeated.
function query(values: Record<string, unknown>): string {
  const out = new URLSearchParams();
  for (const [name, v] of Object.entries(values)) {
    if (v === undefined || v === null) continue;
    if (!Array.isArray(v)) out.append(name, String(v));
    else if (name === "label") for (const one of v) out.append(name, String(one));
    else if (v.length > 0) out.append(name, v.join(","));
  }
  return out.toString();
}

/** The typed client. Wrap each call: `await ok(api.GET("/api/queue"))`. Cookies and the browser's own origin headers are what the server wants against cross-site calls; every change carries an Idempotency-Key. */
export const api = createClient<paths>({
  baseUrl: "",
  credentials: "same-origin",
  cache: "no-store",
  headers: { Accept: "application/json" },
  querySerializer: query,
  bodySerializer: (body: unknown) => (body instanceof FormData || typeof body === "string" ? body : stringify(body)) as string,
});
api.use(headers);

/** An answer with its ETag and headers. */
export interface Answer<T> {
  data: T;
  response: Response;
}

/** The data of a call with its response; throws a Problem. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<Answer<T>> {
  let result;
  try {
    result = await call;
  } catch (e) {
    throw unanswered(e);
  }
  if (!result.response.ok) throw await problemFrom(result.response, result.error);
  return { data: result.data as T, response: result.response };
}

/** The data of a call; throws a Problem. */
export async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  return (await answer(call)).data;
}

/** GET of what is not JSON for the client above: files, logs, exact numbers. Throws a Problem unless the answer is good. */
export async function getRaw(path: string, init: Pick<RequestInit, "headers" | "cache" | "signal">): Promise<Response> {
  let res: Response;
  try {
    res = await fetch(path, { credentials: "same-origin", ...init });
  } catch (e) {
    throw unanswered(e);
  }
  if (res.ok) return res;
  if (res.status === 401) onUnauthorized();
  throw await problemFrom(res, await res.json().catch(() => null)); // null: a proxy's page
}

/** GET of JSON with exact numbers (see exact.ts), for inputs and outputs that are shown. */
export async function getExact(path: string, signal?: AbortSignal): Promise<unknown> {
  return parse(await (await getRaw(path, { cache: "no-store", headers: { Accept: "application/json" }, signal: signal ?? null })).text());
}
