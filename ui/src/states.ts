import { Ban, CheckCircle2, Circle, CircleDashed, CircleDot, CirclePause, CircleSlash, Clock, Hand, HelpCircle, Hourglass, LoaderCircle, type LucideIcon, RotateCcw, ShieldCheck, ShieldX, TimerOff, Unplug, XCircle } from "lucide-react";
import { t } from "./text/states";

/** The tones that a state can have; each is a pair of colours in style.css. */
export type Tone = "ok" | "warn" | "bad" | "info" | "idle" | "accent";

/** How a state looks: always colour, icon and word together. */
export interface Look {
  tone: Tone;
  icon: LucideIcon;
  /** In the language of the page. */
  word: string;
  /** Something goes on: the icon turns where motion is wanted. */
  busy?: boolean;
}

const look = (tone: Tone, icon: LucideIcon, word: Parameters<typeof t>[0], busy = false): Look => ({ tone, icon, word: t(word), busy });

// The one table of state looks. Keys are the API's words in capitals.
const table: Record<string, Look> = {
  QUEUED: look("idle", Circle, "QUEUED"),
  PENDING: look("warn", CircleDot, "PENDING"),
  READY: look("idle", Circle, "READY"),
  RUNNING: look("info", LoaderCircle, "RUNNING", true),
  ACTIVE: look("info", LoaderCircle, "ACTIVE", true),
  WAITING: look("warn", Hourglass, "WAITING"),
  PARKED: look("warn", Hourglass, "PARKED"),
  PAUSED: look("warn", CirclePause, "PAUSED"),
  HELD: look("warn", Hand, "HELD"),
  DELAYED: look("idle", Clock, "DELAYED"),
  STOPPING: look("warn", CircleSlash, "STOPPING"),
  COMPLETED: look("ok", CheckCircle2, "COMPLETED"),
  DELIVERED: look("ok", CheckCircle2, "DELIVERED"),
  SUCCEEDED: look("ok", CheckCircle2, "COMPLETED"),
  PARTIAL: look("warn", CircleDot, "PARTIAL"),
  FAILED: look("bad", XCircle, "FAILED"),
  LOST: look("bad", Unplug, "LOST"),
  RETRYING: look("warn", RotateCcw, "RETRYING"),
  SKIPPED: look("idle", CircleDashed, "SKIPPED"),
  CANCELLED: look("idle", Ban, "CANCELLED"),
  COMPENSATED: look("warn", RotateCcw, "COMPENSATED"),
  APPROVED: look("ok", ShieldCheck, "APPROVED"),
  REJECTED: look("bad", ShieldX, "REJECTED"),
  EXPIRED: look("idle", TimerOff, "EXPIRED"),
  SUPERSEDED: look("idle", CircleDashed, "SUPERSEDED"),
  ENABLED: look("ok", CheckCircle2, "ENABLED"),
  DISABLED: look("idle", CircleSlash, "DISABLED"),
  FINISHED: look("idle", CheckCircle2, "FINISHED"),
};

/** How a state looks, given in any case; an unknown one shows its own word. */
export function stateLook(state: string): Look {
  return table[state.toUpperCase()] ?? { tone: "idle", icon: HelpCircle, word: state };
}
