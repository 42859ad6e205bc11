import { useId, useRef, useState } from "react";
import { t } from "../text/kit";
import { box, type Ids, type Option } from "./control";
import { cx } from "./cx";

/** How many choices are shown at once: who needs more types more. */
const most = 100;

/** One of many, found by typing. Leaving it without a choice keeps the one before. */
export function Combobox({ options, value, onChange, placeholder, ...ids }: Ids & { options: readonly Option[]; value: string; onChange: (v: string) => void; placeholder?: string }) {
  const list = useId();
  const chosen = options.find((o) => o.value === value);
  const [typed, setTyped] = useState<string | null>(null); // null = it is closed
  const [at, setAt] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const wanted = (typed ?? "").trim().toLowerCase();
  const found = typed === null ? [] : options.filter((o) => wanted === "" || typed === chosen?.label || `${o.label} ${o.hint ?? ""}`.toLowerCase().includes(wanted)).slice(0, most);
  const open = typed !== null;
  const close = () => setTyped(null);
  const show = () => {
    setTyped(chosen?.label ?? "");
    setAt(Math.max(0, options.findIndex((o) => o.value === value)));
  };
  const choose = (o: Option | undefined) => {
    if (o) onChange(o.value);
    close();
  };
  const move = (to: number) => {
    setAt(to);
    document.getElementById(`${list}-${to}`)?.scrollIntoView({ block: "nearest" });
  };
  const onKeyDown = (e: React.KeyboardEvent) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (!open) show();
      else if (found.length > 0) move((at + (e.key === "ArrowDown" ? 1 : found.length - 1)) % found.length);
    } else if (e.key === "Enter" && open) {
      e.preventDefault();
      choose(found[Math.min(at, found.length - 1)]);
    } else if (e.key === "Escape" && open) {
      e.stopPropagation();
      close();
    }
  };
  return (
    <div className="relative">
      <input
        {...ids} ref={input} role="combobox" autoComplete="off" spellCheck={false} aria-expanded={open} aria-controls={list} aria-autocomplete="list"
        aria-activedescendant={open && found.length > 0 ? `${list}-${Math.min(at, found.length - 1)}` : undefined}
        value={typed ?? chosen?.label ?? ""} placeholder={placeholder ?? t("choose")} className={cx(box, "h-8")}
        onFocus={(e) => e.target.select()} onClick={() => !open && show()} onKeyDown={onKeyDown} onBlur={close}
        onChange={(e) => { setTyped(e.target.value); setAt(0); if (e.target.value === "") onChange(""); }}
      />
      {open ? (
        <ul id={list} role="listbox" aria-label={t("choose")} className="appear absolute top-full left-0 z-50 mt-1 max-h-80 w-full overflow-y-auto rounded-lg border border-line bg-raised p-1 text-sm shadow-pop">
          {found.length === 0 ? <li role="presentation" className="px-2 py-1.5 text-faint">{t("none")}</li> : null}
          {found.map((o, i) => (
            // The keys belong to the field, which keeps the focus.
            // eslint-disable-next-line jsx-a11y/click-events-have-key-events
            <li
              key={o.value} id={`${list}-${i}`} role="option" tabIndex={-1} aria-selected={o.value === value} onMouseDown={(e) => e.preventDefault()} onClick={() => choose(o)} onMouseEnter={() => setAt(i)}
              className={cx("target min-h-8 cursor-pointer rounded-md px-2 py-1.5", i === Math.min(at, found.length - 1) && "bg-hover")}
            >
              {o.label}
              {o.hint ? <span className="block truncate text-xs text-faint">{o.hint}</span> : null}
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
