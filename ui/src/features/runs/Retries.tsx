import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { StateChip } from "../../kit/Badge";
import { shortId } from "../../kit/format";
import { jobQuery, retriesQuery } from "./data";

/** The jobs that repeat a run, newest first. */
export function useRetries(run: string | null) {
  return useQuery({ ...retriesQuery(run ?? ""), enabled: run !== null }).data ?? [];
}

/** The way to what repeats a run: the run of the job, once it has one, with its state. */
export function Retry({ id }: { id: string }) {
  const { data: job } = useQuery(jobQuery(id));
  const flow = job?.workflow_run_id;
  const run = flow ?? job?.run_id;
  const look = "font-mono text-xs text-accent hover:underline";
  return (
    <span className="inline-flex items-center gap-2">
      {run ? <Link to={flow ? "/workflow-runs/$id" : "/runs/$id"} params={{ id: run }} data-retried="run" className={look}>{shortId(run)}</Link> : <Link to="/queue" search={{ job: id }} data-retried="job" className={look}>{shortId(id)}</Link>}
      {job ? <StateChip state={job.status} /> : null}
    </span>
  );
}
