import { X } from "lucide-react";
import { useEffect, useRef, useSyncExternalStore, type ReactNode } from "react";
import { IconButton } from "../../kit/Button";
import { Drawer } from "../../kit/Dialog";
import { t } from "../../text/workflows";

const wide = typeof matchMedia === "undefined" ? null : matchMedia("(min-width: 1100px)");
function watch(f: () => void): () => void {
  wide?.addEventListener("change", f);
  return () => wide?.removeEventListener("change", f);
}

/** Details at the right: beside the content where there is room, over it otherwise. Escape closes both. */
export function SidePanel({ title, description, onClose, children }: { title: string; description?: ReactNode; onClose: () => void; children: ReactNode }) {
  const beside = useSyncExternalStore(watch, () => wide?.matches ?? true);
  const close = useRef(onClose);
  useEffect(() => {
    close.current = onClose;
  });
  useEffect(() => {
    if (!beside) return;
    const key = (e: KeyboardEvent) => {
      if (e.key === "Escape" && !e.defaultPrevented && !document.querySelector('[role="dialog"],[role="alertdialog"],[role="menu"]')) close.current();
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
  }, [beside]);
  if (!beside) return <Drawer open onClose={onClose} title={title} description={description}>{children}</Drawer>;
  return (
    <aside aria-label={title} data-drawer className="appear flex max-h-[calc(100dvh-6rem)] w-115 shrink-0 flex-col self-start rounded-lg border border-line bg-raised">
      <header className="flex items-start gap-2 px-4 pt-3 pb-1">
        <div className="min-w-0 grow">
          <h2 className="text-base font-semibold [overflow-wrap:anywhere]">{title}</h2>
          {description}
        </div>
        <IconButton icon={X} label={t("close")} keys="Esc" onClick={onClose} className="-mr-2" />
      </header>
      <div className="min-h-0 grow overflow-y-auto px-4 pb-4">{children}</div>
    </aside>
  );
}
