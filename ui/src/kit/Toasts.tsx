import { CheckCircle2, TriangleAlert, X, XCircle } from "lucide-react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { problemOf } from "../api/client";
import { t } from "../text/kit";
import { ink } from "./Badge";
import { Button, IconButton } from "./Button";
import { cx } from "./cx";
import { closeToast, toast, toasts, type Shown } from "./toast";

/** Shows what a call was refused with as a message. */
export function toastError(e: unknown): void {
  const p = problemOf(e);
  if (p.code === "offline") closeToast(offline);
  const id = toast({ tone: "bad", text: p.title, detail: [p.detail, ...p.fields.map((f) => `${f.pointer} ${f.detail}`), p.hint, p.requestId && t("request", { id: p.requestId })].filter(Boolean).join(" · ") });
  if (p.code === "offline") offline = id;
}

// The message that the server does not answer: one at a time, until it does again.
let offline = 0;

/** The server answers again. */
export function closeOffline(): void {
  closeToast(offline);
}

function One({ it }: { it: Shown }) {
  // While somebody looks closer, it does not go.
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (it.ms === null || held) return;
    const timer = setTimeout(() => closeToast(it.id), it.ms);
    return () => clearTimeout(timer);
  }, [it, held]);
  const Icon = it.tone === "bad" ? XCircle : it.tone === "warn" ? TriangleAlert : CheckCircle2;
  const offer = it.undo ? { label: t("undo"), run: it.undo } : it.action;
  return (
    <li
      onMouseEnter={() => setHeld(true)} onMouseLeave={() => setHeld(false)} onFocus={() => setHeld(true)} onBlur={() => setHeld(false)}
      className="appear pointer-events-auto flex w-full items-center gap-2.5 rounded-lg border border-line bg-raised py-2 pr-1.5 pl-3 shadow-pop sm:w-96"
    >
      <Icon aria-hidden className={cx("size-4 shrink-0", ink(it.tone ?? "ok"))} strokeWidth={1.75} />
      <div className="min-w-0 grow" role={it.tone === "bad" ? "alert" : "status"}>
        <p className="text-sm font-medium [overflow-wrap:anywhere]">{it.text}</p>
        {it.detail ? <p className="text-xs text-dim [overflow-wrap:anywhere]">{it.detail}</p> : null}
      </div>
      {offer ? <Button small onClick={() => { closeToast(it.id); offer.run(); }}>{offer.label}</Button> : null}
      <IconButton small icon={X} label={t("dismiss")} onClick={() => closeToast(it.id)} />
    </li>
  );
}

/** Where messages appear; once in the shell. */
export function Toasts() {
  const all = useSyncExternalStore(toasts.watch, toasts.now);
  return (
    <ol className="pointer-events-none fixed inset-x-3 bottom-16 z-50 flex flex-col items-end gap-2 md:bottom-4">
      {all.map((s) => <One key={s.id} it={s} />)}
    </ol>
  );
}
