import { Bot, CalendarClock, Code2, FolderTree, type LucideIcon, RotateCcw, User, Workflow, Zap } from "lucide-react";
import { who } from "../../kit/who";
import { t } from "../../text/runs";
import type { Run } from "./data";

/** What brought a run about: icon, word, and the person or program. */
export function triggerOf(run: Pick<Run, "trigger" | "created_by" | "source">): { icon: LucideIcon; word: string; who: string } {
  const by = who(run.created_by);
  switch (run.trigger) {
    case "manual":
      return { icon: User, word: t("byPerson"), who: by };
    case "schedule":
      return { icon: CalendarClock, word: run.source === "catch_up" ? t("byCatchUp") : run.source === "backfill" ? t("byBackfill") : run.source === "event" ? t("byEvent") : t("bySchedule"), who: by };
    case "retry":
      return { icon: RotateCcw, word: t("byRetry"), who: by };
    case "direct":
      return { icon: Zap, word: t("byDirect"), who: by };
    case "workflow":
      return { icon: Workflow, word: t("byWorkflow"), who: by };
    case "group":
      return { icon: FolderTree, word: t("byGroup"), who: by };
    case "api":
      return { icon: Code2, word: t("byApi"), who: by };
    default:
      return { icon: Bot, word: run.trigger, who: by };
  }
}

/** Why a run was skipped, for people. */
export function reasonText(reason: string | null): string {
  if (reason === "deadline") return t("reasonDeadline");
  if (reason === "group_stopped") return t("reasonGroup");
  if (reason === "approval_rejected") return t("reasonRejected");
  if (reason === "approval_expired") return t("reasonExpired");
  return reason || t("reasonUnknown");
}

/** The first line of a text. */
export function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? "";
}
