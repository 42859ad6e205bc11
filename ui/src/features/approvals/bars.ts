import { who } from "../../kit/who";
import { t } from "../../text/approvals";
import type { Approval } from "./api";
import { approversOf, type bulkBarOf } from "./model";

/** Why somebody cannot approve, in words. */
export function barText(b: NonNullable<ReturnType<typeof bulkBarOf>>, a: Approval): string {
  const may = a.approvers.length > 0 ? approversOf(a) : t("others");
  switch (b.why) {
    case "scope":
      return t("barScope");
    case "self":
      return t("barSelf", { may });
    case "author":
      return t(a.workflow_run_id ? "barVersion" : "barRule", { who: who(a.requested_by), may });
    case "approvers":
      return t("barApprovers", { who: b.who });
    case "delegated":
      return t("barDelegated", { who: b.who });
    case "already":
      return t("barAlready");
    case "form":
      return t("barForm");
    case "over":
      return t("barOver");
  }
}
