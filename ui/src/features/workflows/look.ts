import { BadgeCheck, Bell, Bot, BriefcaseBusiness, Box, Braces, Clock, CircleDashed, CloudUpload, Database, FileText, Globe, Hourglass, Layers, type LucideIcon, OctagonX, Radio, Rocket, Send, ShieldCheck, Split, SquareTerminal, TrendingUp, Undo2, Workflow } from "lucide-react";
import { who } from "../../kit/who";
import { type Look, stateLook } from "../../states";
import { t } from "../../text/workflows";
import { failureText } from "../runs/words";
import { type Change, over, type RunDocument } from "./runstate";

const icons: Record<string, LucideIcon> = {
  action: Send, "action/command": SquareTerminal, "action/llm": Bot, "action/job": BriefcaseBusiness, "action/plan_orders": TrendingUp, "action/execute_orders": TrendingUp, "action/cancel_orders": TrendingUp, "action/risk_check": BadgeCheck,
  data: Database, "data/http": Globe, "data/set": Braces, "data/transform": Braces, "data/file": FileText, "data/artifact": FileText, "data/signals": TrendingUp,
  judgment: Split, map: Layers, wait: Hourglass, "wait/event": Radio, "wait/timer": Clock, "wait/delay": Clock, approval: ShieldCheck,
  notification: Bell, deploy: CloudUpload, "deploy/model": Rocket, rollback: Undo2, stop: OctagonX, subworkflow: Workflow,
};

/** The icon of a type, as "data" and "http". */
export function typeIcon(type: string, subtype: string): LucideIcon {
  return icons[`${type}/${subtype}`] ?? icons[type] ?? Box;
}

/** The type as the file has it: action/api_call. */
export function typeName(type: string, subtype: string): string {
  return subtype ? `${type}/${subtype}` : type;
}

const skips: Record<string, Parameters<typeof t>[0]> = { not_reached: "skipNotReached", condition_false: "skipCondition" };

/** Why a node was skipped, by the server's code. */
export function skipText(code: string | null, reason: string | null): string {
  const key = skips[code ?? ""];
  return key ? t(key) : (reason ?? "");
}

const waits: Record<string, Parameters<typeof t>[0]> = { retry_delay: "waitRetry", timer: "waitTimer", approval: "waitApproval", event: "waitEvent", job: "waitJob", decision: "waitDecision", lock: "waitLock" };

/** What a node waits for, in words. */
export function waitText(what: string): string {
  const key = waits[what];
  return key ? t(key) : what;
}

/** How the state of a node looks: one that was not reached yet asks for nobody's attention. */
export function nodeLook(state: string): Look {
  const look = stateLook(state);
  return state === "PENDING" ? { ...look, tone: "idle", icon: CircleDashed } : look;
}

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
