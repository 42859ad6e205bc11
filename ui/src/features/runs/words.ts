import { Bot, CalendarClock, Code2, FolderTree, type LucideIcon, RotateCcw, User, Workflow, Zap } from "lucide-react";
import { t } from "../../text/runs";
import type { Run } from "./data";

/** What brought a run about: icon, word, and the person or program. */
export function triggerOf(run: Pick<Run, "trigger" | "created_by" | "source">): { icon: LucideIcon; word: string; who: string } {
  // The command line on the server's own machine, which works without an account.
  const who = run.created_by === "local" ? t("byLocal") : run.created_by;
  switch (run.trigger) {
    case "manual":
      return { icon: User, word: t("byPerson"), who };
    case "schedule":
      return { icon: CalendarClock, word: run.source === "catch_up" ? t("byCatchUp") : run.source === "backfill" ? t("byBackfill") : run.source === "event" ? t("byEvent") : t("bySchedule"), who };
    case "retry":
      return { icon: RotateCcw, word: t("byRetry"), who };
    case "direct":
      return { icon: Zap, word: t("byDirect"), who };
    case "workflow":
      return { icon: Workflow, word: t("byWorkflow"), who };
    case "group":
      return { icon: FolderTree, word: t("byGroup"), who };
    case "api":
      return { icon: Code2, word: run.created_by === "local" ? t("byCommand") : t("byApi"), who };
    default:
      return { icon: Bot, word: run.trigger, who };
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
