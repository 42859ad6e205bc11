import { AlertDialog } from "@base-ui/react/alert-dialog";
import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { t } from "../text/kit";
import { Button, IconButton } from "./Button";
import { cx } from "./cx";

export interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: string;
  /** One sentence below the title. */
  description?: ReactNode;
  children?: ReactNode;
  /** Buttons; the primary one last. */
  footer?: ReactNode;
  wide?: boolean;
}

const backdrop = "fixed inset-0 z-40 bg-shade transition-opacity duration-150 data-ending-style:opacity-0 data-starting-style:opacity-0";

function Panel({ open, onClose, title, description, children, footer, look, head, body }: Omit<DialogProps, "wide"> & { look: string; head: string; body: string }) {
  return (
    <Base.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <Base.Portal>
        <Base.Backdrop className={backdrop} />
        <Base.Popup className={cx("fixed z-40 flex flex-col border-line bg-raised shadow-pop outline-none", look)}>
          <header className={cx("flex items-start gap-3 px-5", head)}>
            <div className="min-w-0 grow">
              <Base.Title className="text-lg font-semibold">{title}</Base.Title>
              {description ? <Base.Description className="mt-0.5 text-sm text-dim">{description}</Base.Description> : null}
            </div>
            <IconButton icon={X} label={t("close")} onClick={onClose} className="-mr-2" />
          </header>
          <div className={cx("min-h-0 grow overflow-y-auto px-5", body)}>{children}</div>
          {footer ? <footer className="flex flex-wrap justify-end gap-2 border-t border-line px-5 py-3">{footer}</footer> : null}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

/** A question or form over the page. Escape and the cross close it; the focus goes back. */
export function Dialog({ wide, ...rest }: DialogProps) {
  return <Panel {...rest} look={cx("appear top-[8vh] left-1/2 max-h-[84vh] w-[calc(100vw-24px)] -translate-x-1/2 rounded-lg border", wide ? "max-w-3xl" : "max-w-lg")} head="pt-4 pb-3" body="pb-4" />;
}

/** A drawer at the right: details beside the list. On a phone it covers the page. */
export function Drawer({ wide, ...rest }: DialogProps) {
  return <Panel {...rest} look={cx("inset-y-0 right-0 w-full border-l transition-transform duration-150 data-ending-style:translate-x-8 data-starting-style:translate-x-8", wide ? "sm:max-w-3xl" : "sm:max-w-lg")} head="border-b border-line py-3" body="py-4" />;
}

/** Asks before something that cannot be undone. */
export function Confirm({ open, onClose, title, description, children, action, danger, busy, onConfirm, disabled }: Omit<DialogProps, "footer" | "wide"> & { action: string; danger?: boolean; busy?: boolean; disabled?: boolean; onConfirm: () => void }) {
  return (
    <AlertDialog.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={backdrop} />
        <AlertDialog.Popup className="appear fixed top-[18vh] left-1/2 z-40 w-[calc(100vw-24px)] max-w-md -translate-x-1/2 rounded-lg border border-line bg-raised p-5 shadow-pop outline-none">
          <AlertDialog.Title className="text-lg font-semibold">{title}</AlertDialog.Title>
          {description ? <AlertDialog.Description className="mt-1 text-sm text-dim">{description}</AlertDialog.Description> : null}
          {children ? <div className="mt-3">{children}</div> : null}
          <div className="mt-5 flex justify-end gap-2">
            <Button onClick={onClose}>{t("cancel")}</Button>
            <Button look={danger ? "danger" : "primary"} busy={busy ?? false} disabled={disabled ?? false} onClick={onConfirm}>{action}</Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
