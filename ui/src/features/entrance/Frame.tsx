import type { ReactNode } from "react";
import { Mark } from "../../app/Shell";

/** The frame of the pages before the session. */
export function EntranceFrame({ title, text, children }: { title: string; text?: string; children: ReactNode }) {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center bg-panel px-4 py-10">
      <div className="w-full max-w-sm">
        <div className="mb-6 flex items-center gap-2 text-lg font-semibold tracking-tight"><Mark /> Runsheet</div>
        <div className="rounded-lg border border-line bg-raised p-6">
          <h1 className="text-lg font-semibold">{title}</h1>
          {text ? <p className="mt-1 text-sm text-dim">{text}</p> : null}
          <div className="mt-5">{children}</div>
        </div>
      </div>
    </main>
  );
}
