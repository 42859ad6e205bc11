import { Dialog } from "../kit/Dialog";
import { Switch } from "../kit/Field";
import { Kbd } from "../kit/Kbd";
import { useShortcutsOn } from "../kit/shortcuts";
import { t } from "../text/shell";
import { navPages } from "./pages";

type Line = readonly [keys: string, text: string];

const groups: readonly (readonly [string, readonly Line[]])[] = [
  [t("everywhere"), [["Ctrl K", t("scPalette")], ["?", t("scSheet")], ["T", t("scTheme")], ["P", t("scPause")], ["/", t("scFilter")], ["Esc", t("scClose")], ...navPages.flatMap((p): Line[] => (p.key ? [[`g ${p.key}`, t("scGo", { page: p.label })]] : []))]],
  [t("lists"), [["J K", t("scNext")], ["X", t("scSelect")], ["Enter", t("scOpen")], [".", t("scActions")]]],
  [t("runs"), [["L", t("scLog")], ["F", t("scFollow")], ["[ ]", t("scAttempt")], ["J K", t("scRun")], ["R", t("scRetry")], ["C", t("scCancel")]]],
  [t("board"), [["Alt ↑ ↓", t("scMove")], ["Alt Home End", t("scEnds")], ["Space", t("scDrag")], ["C", t("scCancelWaiting")], ["N", t("scNew")], ["Shift P", t("scPauseQueue")]]],
  [t("schedules"), [["N", t("scRunNow")], ["E", t("scSwitch")], ["← →", t("scTurn")], ["T", t("scToday")]]],
  [t("workflows"), [["0", t("scFit")], ["+ -", t("scZoom")], ["V", t("scView")], ["D", t("scDiff")], ["Shift R", t("scRollback")]]],
  [t("approvals"), [["A", t("scApprove")], ["Shift A", t("scConfirm")], ["R", t("scReject")]]],
];

/** All shortcuts, and their off switch. */
export function ShortcutSheet({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [on, setOn] = useShortcutsOn();
  return (
    <Dialog open={open} onClose={onClose} title={t("shortcuts")} wide>
      <div className="mb-4 flex items-center gap-3 rounded-md border border-line px-3 py-2">
        <div className="grow"><p className="font-medium">{t("shortcutsOff")}</p><p className="text-dim">{t("shortcutsOffHint")}</p></div>
        <Switch aria-label={t("shortcutsOff")} checked={on} onChange={setOn} />
      </div>
      <div className="grid gap-x-10 gap-y-5 sm:grid-cols-2">
        {groups.map(([title, lines]) => (
          <section key={title}>
            <h3 className="pb-1 text-xs font-medium text-faint">{title}</h3>
            <dl>
              {lines.map(([keys, text]) => (
                <div key={keys} className="flex h-7 items-center gap-3"><dt className="grow text-sm">{text}</dt><dd><Kbd keys={keys} /></dd></div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
