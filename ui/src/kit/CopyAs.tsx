import { Check, Copy, SquareTerminal } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { stringify } from "../api/exact";
import { t } from "../text/kit";
import { IconButton } from "./Button";
import { quote } from "./quote";
import { Menu } from "./Menu";
import { toast } from "./toast";
import { copyText } from "./Values";

/** The same action outside of the page. */
export interface Action {
  /** The command line, beginning with "runsheet". */
  cli: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path with its query, beginning with /api. */
  path: string;
  body?: unknown;
}

/** The action as a curl command for a shell; the token comes from the environment. */
export function curl(a: Action): string {
  const parts = ["curl", "--fail-with-body", "-sS"];
  if (a.method !== "GET") parts.push("-X", a.method);
  parts.push("-H", '"Authorization: Bearer $RUNSHEET_TOKEN"');
  if (a.body !== undefined) parts.push("-H", "'Content-Type: application/json'", "-d", quote(stringify(a.body)));
  parts.push(quote(location.origin + a.path));
  return parts.join(" ");
}

// The actions that are shown, the page's own before those of its parts.
const shown = new Set<{ current: Action | readonly Action[] }>();

/** What the page shows, as a command line; "" = it says nothing of that. */
export function pageCommand(): string {
  const [first] = shown;
  return first ? [first.current].flat().map((a) => a.cli).join("\n") : "";
}

/** A menu that copies an action, or several, a line for each, as command line or curl. */
export function CopyAs({ action }: { action: Action | readonly Action[] }) {
  const own = useRef(action);
  useEffect(() => void (own.current = action), [action]);
  useEffect(() => {
    shown.add(own);
    return () => void shown.delete(own);
  }, []);
  const lines = (one: (a: Action) => string) => [action].flat().map(one).join("\n");
  const copy = (text: string) => void copyText(text).then(() => toast({ text: t("copied") }));
  return (
    <Menu
      trigger={<IconButton icon={SquareTerminal} label={t("copyAs")} />}
      items={[
        { label: t("copyCli"), onSelect: () => copy(lines((a) => a.cli)) },
        { label: t("copyCurl"), onSelect: () => copy(lines(curl)) },
      ]}
    />
  );
}

/** A command that can be copied. */
export function Command({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  return (
    <div className="flex w-full min-w-0 items-center gap-2 rounded-md border border-line bg-panel py-1 pr-1 pl-3 text-left">
      <pre className="min-w-0 grow overflow-x-auto font-mono text-xs whitespace-pre-wrap [overflow-wrap:anywhere]">{text}</pre>
      <IconButton small icon={done ? Check : Copy} label={t("copy")} onClick={() => void copyText(text).then(() => setDone(true))} />
    </div>
  );
}
