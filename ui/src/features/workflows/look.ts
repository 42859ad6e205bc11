import { BadgeCheck, Bell, Bot, BriefcaseBusiness, Box, Braces, Clock, CircleDashed, CloudUpload, Database, FileText, Globe, Hourglass, Layers, type LucideIcon, OctagonX, Radio, Rocket, Send, ShieldCheck, Split, SquareTerminal, TrendingUp, Undo2, Workflow } from "lucide-react";
import { type Look, stateLook } from "../../states";
import { t } from "../../text/workflows";

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
