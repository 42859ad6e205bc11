import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useRouter } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent } from "react";
import { api, ok, Problem } from "../../api/client";
import { Button } from "../../kit/Button";
import { Field, Input } from "../../kit/Field";
import { FormError } from "../../kit/States";
import { focusWrong } from "../../kit/wrong";
import { t as kit } from "../../text/kit";
import { t } from "../../text/shell";
import { EntranceFrame } from "./Frame";

// The code must stay neither in the address bar nor in the history. This tab keeps it
// until the administrator is made, so that the page can be loaded again.
const kept = "runsheet.setup";
function takeCode(): string {
  if (location.hash.startsWith("#setup=")) {
    sessionStorage.setItem(kept, decodeURIComponent(location.hash.slice("#setup=".length)));
    history.replaceState(history.state, "", location.pathname);
  }
  return sessionStorage.getItem(kept) ?? "";
}

// As the API wants it.
const shortest = 12;

/** The page behind the link that the server prints: it makes the first administrator. */
export function Setup() {
  const router = useRouter();
  const client = useQueryClient();
  const [code, setCode] = useState(takeCode);
  const [name, setName] = useState("admin");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [tried, setTried] = useState(false);
  const create = useMutation({
    mutationFn: () => ok(api.POST("/api/setup", { body: { code, name, password } })),
    onSuccess: (me) => {
      sessionStorage.removeItem(kept);
      client.clear();
      client.setQueryData(["session"], me);
      router.history.push("/ui/welcome");
    },
  });
  useEffect(() => {
    document.title = `${t("setupTitle")} · Runsheet`;
    // A second link in the same tab changes nothing but the fragment.
    const onHash = () => setCode(takeCode());
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, []);
  const short = [...password].length < shortest;
  const differ = password !== again;
  // What the server finds wrong with a field is shown at it.
  const fields = create.error instanceof Problem ? create.error.fields : [];
  const wrong = (field: string) => fields.find((f) => f.pointer.replace(/^#/, "") === `/${field}`)?.detail;
  const atFields = fields.length > 0 && fields.every((f) => ["/name", "/password"].includes(f.pointer.replace(/^#/, "")));
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    setTried(true);
    create.reset();
    if (short || differ) focusWrong(e.currentTarget);
    else create.mutate();
  };
  const gone = create.error instanceof Problem && (create.error.status === 404 || create.error.status === 409);
  if (!code || gone) {
    return (
      <EntranceFrame title={t("setupTitle")} text={gone ? t("setupGone") : t("setupNoCode")}>
        <Link to={"/login" as never} className="text-sm text-accent underline">{t("login")}</Link>
      </EntranceFrame>
    );
  }
  return (
    <EntranceFrame title={t("setupTitle")} text={t("setupText")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("name")} error={wrong("name")}>{(ids) => <Input {...ids} required autoComplete="username" autoCapitalize="none" spellCheck={false} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <Field label={t("passwordField")} hint={t("passwordRule", { n: shortest })} error={tried && short ? kit("tooShort", { n: shortest }) : wrong("password")}>{(ids) => <Input {...ids} autoFocus type="password" required autoComplete="new-password" value={password} onChange={(e) => setPassword(e.target.value)} />}</Field>
        <Field label={t("repeat")} error={tried && differ ? t("differ") : undefined}>{(ids) => <Input {...ids} type="password" required autoComplete="new-password" value={again} onChange={(e) => setAgain(e.target.value)} />}</Field>
        {atFields ? null : <FormError error={create.error} />}
        <Button type="submit" look="primary" busy={create.isPending} className="h-9">{t("setupButton")}</Button>
      </form>
    </EntranceFrame>
  );
}
