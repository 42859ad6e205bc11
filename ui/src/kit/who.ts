import { t } from "../text/kit";

/** A person or program, for people: the command line on the server's own machine works without an account. */
export function who(name: string): string {
  return name === "local" ? t("localCaller") : name;
}
