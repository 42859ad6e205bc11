import { Confirm } from "../../kit/Dialog";
import { t } from "../../text/queue";

/** Asks before the last slot goes: nothing starts then. */
export function NoSlots({ running, onClose, onDone }: { running: number; onClose: () => void; onDone: () => void }) {
  const confirm = () => {
    onDone();
    onClose();
  };
  return <Confirm open onClose={onClose} title={t("noSlotsTitle")} description={running > 0 ? t("noSlotsText", { n: running }) : t("noSlotsIdle")} action={t("noSlotsDo")} danger onConfirm={confirm} />;
}
