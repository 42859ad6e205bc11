import type { Schema } from "../../api/client";
import { t } from "../../text/welcome";
import { en } from "../../text/welcome/en";

type Remark = Schema<"CrontabRemark">;

const fields = ["minute", "hour", "day_of_the_month", "month", "day_of_the_week"] as const;

/** What a remark says, in the page's language; the server's own words for a code that is not known here. */
export function remarkText({ code, values, text }: Pick<Remark, "code" | "values" | "text">): string {
  if (!(`cron_${code}` in en)) return text;
  const field = fields.find((f) => f === values.field);
  return t(`cron_${code}`, { ...values, text, field: field ? t(`cronField_${field}`) : "" }).trim();
}
