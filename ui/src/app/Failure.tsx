import { Link } from "@tanstack/react-router";
import { FileQuestion } from "lucide-react";
import { ErrorState, Empty } from "../kit/States";
import { t as kit } from "../text/kit";
import { t } from "../text/shell";

/** A URL that no page has. */
export function MissingPage() {
  return <Empty icon={FileQuestion} title={kit("noSuch")} action={<Link to="/queue" className="text-accent underline">{t("queue")}</Link>} />;
}

/** A page that broke. Chunks of an older build are gone after an update: load anew. */
export function CrashPage({ error }: { error: unknown }) {
  return <ErrorState error={error} onRetry={() => location.reload()} />;
}
