import { Inbox, type LucideIcon, RotateCw, TriangleAlert } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { problemOf, type Problem } from "../api/client";
import { t } from "../text/kit";
import { Button } from "./Button";
import { Command } from "./CopyAs";

/** An empty page or list: what it is for, one button, one command. */
export function Empty({ icon: Icon = Inbox, title, children, action, command }: { icon?: LucideIcon; title: string; children?: ReactNode; action?: ReactNode; command?: string | undefined }) {
  return (
    <div className="mx-auto flex max-w-xl flex-col items-center gap-3 px-4 py-14 text-center">
      <Icon aria-hidden className="size-7 text-faint" strokeWidth={1.5} />
      <h2 className="text-base font-semibold">{title}</h2>
      {children ? <div className="text-sm text-dim">{children}</div> : null}
      {action ? <div className="mt-1 flex flex-wrap justify-center gap-2">{action}</div> : null}
      {command ? <Command text={command} /> : null}
    </div>
  );
}

/** The shape of what is being loaded; it shows after 150 ms. */
export function Loading({ rows = 6 }: { rows?: number }) {
  return (
    <div className="late flex flex-col gap-px" role="status" aria-label={t("loading")}>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className="flex h-9 items-center gap-4 px-2">
          <span className="skeleton h-3 w-16" />
          <span className="skeleton h-3 grow" />
          <span className="skeleton hidden h-3 w-28 sm:block" />
        </div>
      ))}
    </div>
  );
}

/** What went wrong, with the request's id and a way to try again; what does not exist has the way back instead, where there is one. */
export function ErrorState({ error, onRetry, back }: { error: unknown; onRetry?: () => void; back?: ReactNode }) {
  const p = problemOf(error);
  const missing = p.status === 404 || p.code === "wrong_id_type";
  return (
    <div role="alert" className="mx-auto flex max-w-xl flex-col items-center gap-2 px-4 py-14 text-center">
      <TriangleAlert aria-hidden className="size-7 text-bad" strokeWidth={1.5} />
      <h2 className="text-base font-semibold">{p.title || t("failed")}</h2>
      {p.detail ? <p className="text-sm text-dim">{p.detail}</p> : null}
      {p.hint ? <p className="text-sm text-dim">{p.hint}</p> : null}
      {p.requestId ? <p className="font-mono text-xs text-faint">{t("request", { id: p.requestId })}</p> : null}
      {missing && back ? <div className="mt-2 text-sm text-accent hover:underline">{back}</div> : onRetry ? <Button icon={RotateCw} onClick={onRetry} className="mt-2">{t("retry")}</Button> : null}
    </div>
  );
}

// Of the wrong fields those that the form does not mark. Texts that more fields have than are marked stay, all of them.
function unmarked(form: Element | null | undefined, fields: Problem["fields"]): Problem["fields"] {
  const marked = [...(form?.querySelectorAll("[data-error]") ?? [])].map((e) => e.textContent);
  const times = (text: string, of: readonly string[]) => of.filter((x) => x === text).length;
  return fields.filter((f) => times(f.detail, marked) < times(f.detail, fields.map((x) => x.detail)));
}

/** What a form's call was refused with, above its buttons, without what is said at its fields. It is brought into view. */
export function FormError({ error }: { error: unknown }) {
  const box = useRef<HTMLDivElement>(null);
  const [fields, setFields] = useState<Problem["fields"]>([]);
  useLayoutEffect(() => setFields(error ? unmarked(box.current?.closest("form"), problemOf(error).fields) : []), [error]);
  useEffect(() => {
    if (error) box.current?.scrollIntoView({ block: "nearest" });
  }, [error]);
  if (!error) return null;
  const p = problemOf(error);
  return (
    <div ref={box} role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
      <p className="font-medium">{p.title}</p>
      {p.detail ? <p>{p.detail}</p> : null}
      {fields.map((f) => <p key={f.pointer}><code className="font-mono text-xs">{f.pointer}</code> {f.detail}</p>)}
      {p.hint ? <p>{p.hint}</p> : null}
      {p.requestId ? <p className="font-mono text-xs">{t("request", { id: p.requestId })}</p> : null}
    </div>
  );
}
