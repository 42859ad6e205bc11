import { ink } from "../../kit/Badge";
import { cx } from "../../kit/cx";
import { nodeLook } from "./look";

/** The state of a node by colour, icon and word, for dense rows. */
export function NodeState({ state }: { state: string }) {
  const look = nodeLook(state);
  return (
    <span data-state={state} className={cx("chip inline-flex h-5 shrink-0 items-center gap-1 text-xs font-medium", ink(look.tone))}>
      <look.icon aria-hidden className={cx("size-3.5 shrink-0", look.busy && "animate-spin [animation-duration:2s]")} strokeWidth={2} />
      {look.word}
    </span>
  );
}
