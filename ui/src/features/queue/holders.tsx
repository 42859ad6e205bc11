// Who has what a job waits for, by name and with the way there.
import { Link } from "@tanstack/react-router";
import { createContext, use } from "react";
import { shortId } from "../../kit/format";
import type { QueueState, Row } from "./model";

export interface Holder {
  name: string;
  run?: string | null;
}

/** What the board knows by name: by the id of a job, a run or a group. */
export const Holders = createContext<ReadonlyMap<string, Holder>>(new Map());

export function holdersOf(state: QueueState, rows: readonly Row[]): ReadonlyMap<string, Holder> {
  return new Map([
    ...rows.map((r): [string, Holder] => [r.id, { name: r.kind === "job" ? r.job.name : r.group.name }]),
    ...state.running.flatMap((r): [string, Holder][] => [r.run_id, r.job_id].filter((id) => id !== null).map((id) => [id, { name: r.name, run: r.run_id }])),
  ]);
}

/** How people read the id of a holder. A program outside is told by the name that it gave itself. */
export function holderName(id: string, known: ReadonlyMap<string, Holder>): string {
  return known.get(id)?.name || (/^(job|run|group|appr)_[0-9a-z]{26}$/.test(id) ? shortId(id) : id);
}

/** The holder, with a link to its run, its place in the queue or its approval. */
export function HolderLink({ id }: { id: string }) {
  const known = use(Holders);
  const name = holderName(id, known);
  const run = known.get(id)?.run ?? (id.startsWith("run_") ? id : null);
  const look = { "data-holder": id, title: id, className: "underline decoration-dotted hover:decoration-solid" };
  if (run) return <Link to="/runs/$id" params={{ id: run }} {...look}>{name}</Link>;
  if (id.startsWith("job_")) return <Link to="/queue" search={{ job: id }} {...look}>{name}</Link>;
  if (id.startsWith("group_")) return <Link to="/queue" search={{ group: id }} {...look}>{name}</Link>;
  if (id.startsWith("appr_")) return <Link to="/approvals/$id" params={{ id }} {...look}>{name}</Link>;
  return <span title={id}>{name}</span>;
}
