import { t } from "../../text/approvals";
import type { bulkBarOf } from "./model";

/** Why somebody cannot approve, in words. */
export function barText(b: NonNullable<ReturnType<typeof bulkBarOf>>): string {
  switch (b.why) {
    case "scope":
      return t("barScope");
    case "self":
      return t("barSelf");
    case "approvers":
      return t("barApprovers", { who: b.who });
    case "already":
      return t("barAlready");
    case "form":
      return t("barForm");
    case "over":
      return t("barOver");
  }
}
