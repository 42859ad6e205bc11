import { who } from "../../kit/who";
import { t } from "../../text/workflows";
import { failureText } from "../runs/failure";
import { skipText, waitText } from "./look";
import { type Change, over, type RunDocument } from "./runstate";

/** Why a run ended as it did, or ends; an author's own words stay as they are. */
export function endText(doc: Pick<RunDocument, "status" | "cancelled_by" | "error" | "reason">): string {
  if (doc.cancelled_by && (doc.status === "CANCELLED" || doc.error?.code === "cancelled")) return t("toldCancelled", { who: who(doc.cancelled_by) });
  const e = doc.error;
  return e ? [e.node_id, failureText(e)].filter(Boolean).join(": ") : (doc.reason ?? "");
}

/** What a change of state was about. The server names a failed node's code, and what a waiting one waits for. */
export function changeText(c: Pick<Change, "node" | "to" | "reason" | "code">, doc: RunDocument): string {
  if (!c.node) return over(doc.status) && c.to === doc.status ? endText(doc) : c.to === "WAITING" ? waitText(c.reason) : c.reason;
  if (c.to === "SKIPPED") return skipText(c.code, c.reason);
  if (c.to === "WAITING") return waitText(c.reason);
  return c.to === "FAILED" ? failureText({ code: c.reason, message: "" }) : c.reason;
}

/** When, and at which node and item, another server took the run over. */
export function takeoverText(back: NonNullable<RunDocument["takeover"]>, time: string): string {
  return back.node_id === null ? t("resumedPlain", { time }) : back.item === null ? t("resumedAt", { node: back.node_id, time }) : t("resumedAtItem", { node: back.node_id, item: back.item, time });
}

/** What a run that repeats another one began with, each after a comma; "" = that is not known. */
export function beganText({ began: b, version }: Pick<RunDocument, "began" | "version">): string {
  if (!b) return "";
  const all = [
    b.checkpoint_seq !== null ? t("beganStep", { n: b.checkpoint_seq }) : b.from_node !== null ? t("beganNode", { node: b.from_node }) : b.failed_items ? "" : t("beganFailed"),
    b.failed_items ? t("beganItems") : "",
    b.version === version ? "" : t("beganVersion", { n: b.version }),
  ];
  return all.filter(Boolean).map((x) => `, ${x}`).join("");
}
