import type { Schema } from "../../api/client";
import { Badge, StateChip } from "../../kit/Badge";
import { cx } from "../../kit/cx";
import type { Tone } from "../../states";
import { t } from "../../text/webhooks";

export type Webhook = Schema<"Webhook">;
export type Delivery = Schema<"WebhookDelivery">;

const reasons: Record<string, string> = { by_hand: t("byHand"), gone: t("gone"), failing: t("dead") };

/** Why a webhook is disabled. */
export function reasonOf(w: Webhook): string {
  return w.disabled_reason ? (reasons[w.disabled_reason] ?? w.disabled_reason) : "";
}

export function WebhookState({ webhook: w }: { webhook: Webhook }) {
  if (!w.enabled) return <StateChip bare state="DISABLED" />;
  if (w.health.failures > 0) return <Badge tone="bad">{t("failing")}</Badge>;
  return <StateChip bare state="ENABLED" />;
}

/** The share of ended deliveries that arrived, as a bar and a number. */
export function Rate({ rate }: { rate: Schema<"DeliveryRate"> | undefined }) {
  const ended = rate ? rate.delivered + rate.dead : 0;
  if (!rate || ended === 0) return <span className="text-faint">{t("noneSent")}</span>;
  const share = rate.delivered / ended;
  return (
    <span className="inline-flex items-center gap-2" title={`${t("of", { delivered: rate.delivered, n: ended })} ${t("rateText")}`}>
      <span aria-hidden className="h-1.5 w-16 overflow-hidden rounded-full bg-press"><span className={cx("block h-full rounded-full", share >= 0.99 ? "bg-ok" : share >= 0.9 ? "bg-warn" : "bg-bad")} style={{ width: `${share * 100}%` }} /></span>
      <span>{Math.floor(share * 1000) / 10}%</span>
    </span>
  );
}

const words: Record<Delivery["status"], { word: string; tone: Tone }> = {
  pending: { word: t("pending"), tone: "idle" }, delivered: { word: t("delivered"), tone: "ok" }, failed: { word: t("failed"), tone: "warn" }, dead: { word: t("given"), tone: "bad" },
};

export function DeliveryState({ status }: { status: Delivery["status"] }) {
  return <Badge tone={words[status].tone}>{words[status].word}</Badge>;
}

export const statusWords = words;

/** Texts between commas. */
export function listOf(text: string): string[] {
  return text.split(",").map((s) => s.trim()).filter(Boolean);
}
