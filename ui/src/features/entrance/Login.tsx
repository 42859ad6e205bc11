import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter, useSearch } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent } from "react";
import { api, ok, Problem } from "../../api/client";
import { Button } from "../../kit/Button";
import { Field, Input } from "../../kit/Field";
import { FormError } from "../../kit/States";
import { language } from "../../text/catalogue";
import { t } from "../../text/shell";
import { EntranceFrame } from "./Frame";

/** Where to go after the login: a page of this application, never elsewhere. */
export function safeNext(next: string | undefined): string {
  return next && /^\/(?![/\\])/.test(next) ? next.replace(/^\/ui(?=\/|$)/, "") || "/queue" : "/queue";
}

// Why the login at the OpenID provider ended here, in the words of /problems. A Korean page has its own.
async function refusalText(code: string): Promise<string> {
  const korean = language === "ko" ? (await import("../../text/oidc")).refusals[code] : undefined;
  if (korean) return korean;
  const r = await fetch(`/problems/${code}`, { headers: { Accept: "application/json" } });
  const p = (await r.json()) as { title?: string; remedy?: string };
  return `${p.title ?? code}. ${p.remedy ?? ""}`;
}

function useProviderError(): string {
  const [text, setText] = useState("");
  useEffect(() => {
    const code = /^#error=([a-z_]+)$/.exec(location.hash)?.[1];
    if (!code) return;
    history.replaceState(history.state, "", location.pathname + location.search);
    void refusalText(code).then(setText, () => setText(code));
  }, []);
  return text;
}

/** The login page. */
export function Login() {
  const router = useRouter();
  const client = useQueryClient();
  const search = useSearch({ strict: false }) as { next?: string };
  const providerError = useProviderError();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const methods = useQuery({ queryKey: ["session-methods"], queryFn: ({ signal }) => ok(api.GET("/api/session/methods", { signal })), retry: false });
  const login = useMutation({
    mutationFn: () => ok(api.POST("/api/session", { body: { name, password } })),
    onSuccess: async (me) => {
      client.clear();
      client.setQueryData(["session"], me);
      router.history.push(`/ui${safeNext(search.next)}`);
    },
  });
  useEffect(() => {
    document.title = `${t("login")} · Runsheet`;
  }, []);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    login.mutate();
  };
  const wrong = login.error instanceof Problem && login.error.status === 401;
  const oidc = methods.data?.oidc;
  return (
    <EntranceFrame title={t("loginTitle")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t("name")}>{(ids) => <Input {...ids} autoFocus required autoComplete="username" autoCapitalize="none" spellCheck={false} value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <Field label={t("passwordField")}>{(ids) => <Input {...ids} type="password" required autoComplete="current-password" value={password} onChange={(e) => setPassword(e.target.value)} />}</Field>
        {wrong ? <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{t("loginFailed")}</p> : <FormError error={login.error} />}
        {providerError && !login.error ? <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">{providerError}</p> : null}
        <Button type="submit" look="primary" busy={login.isPending} className="h-9">{t("login")}</Button>
      </form>
      {oidc ? (
        <>
          <p className="my-3 text-center text-xs text-faint">{t("or")}</p>
          <a href={`/api/session/oidc?return=${encodeURIComponent(`/ui${safeNext(search.next)}`)}`} className="target flex h-9 items-center justify-center rounded-md border border-line-strong text-sm hover:bg-hover">{t("loginWith", { name: oidc.name })}</a>
        </>
      ) : null}
    </EntranceFrame>
  );
}
