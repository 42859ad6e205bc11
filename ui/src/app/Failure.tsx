import { Link } from "@tanstack/react-router";
import { FileQuestion, RotateCw, TriangleAlert } from "lucide-react";
import { Problem } from "../api/client";
import { Button } from "../kit/Button";
import { ErrorState, Empty } from "../kit/States";
import { t as kit } from "../text/kit";
import { t } from "../text/shell";

/** A URL that no page has. */
export function MissingPage() {
  return <Empty icon={FileQuestion} title={kit("noSuch")} action={<Link to="/queue" className="text-accent underline">{t("queue")}</Link>} />;
}

/**
 * A page that broke, or that could not be begun because a call was refused. Chunks of an
 * older build are gone after an update: load anew. What the address asks for, such as an
 * open form, may be what breaks it, so there is a way to the page without it.
 */
export function CrashPage({ error }: { error: unknown }) {
  if (error instanceof Problem) return <ErrorState error={error} onRetry={() => location.reload()} />;
  return (
    <div role="alert" data-crash>
      <Empty
        icon={TriangleAlert} title={kit("pageFailed")}
        action={
          <>
            <Button icon={RotateCw} onClick={() => location.reload()}>{kit("reload")}</Button>
            {location.search ? <Button onClick={() => location.assign(location.pathname)}>{kit("openPlain")}</Button> : null}
          </>
        }
      >
        <p>{kit("pageFailedText")}</p>
        <p className="mt-2 font-mono text-xs text-faint [overflow-wrap:anywhere]">{error instanceof Error ? error.message : String(error)}</p>
      </Empty>
    </div>
  );
}
