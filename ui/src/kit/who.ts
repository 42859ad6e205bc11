import { t } from "../text/kit";

/** A person or program, for people. Whoever is at the server's own machine needs no account: the command line there is called local. */
export function who(name: string): string {
  return name === "local" ? t("localCaller") : name;
}
