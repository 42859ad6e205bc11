import { useQuery } from "@tanstack/react-query";
import { KeyRound, UserPlus } from "lucide-react";
import { meQuery, useCan } from "../../api/session";
import { Button } from "../../kit/Button";
import { CopyAs } from "../../kit/CopyAs";
import { Page, PageHeader } from "../../kit/Page";
import { Empty } from "../../kit/States";
import { Tabs } from "../../kit/Tabs";
import { flag, oneOf, text, useUrl } from "../../kit/url";
import { t } from "../../text/users";
import { Account } from "./Account";
import { AddUser, UserTable } from "./UserTable";
import { AddToken, TokenTable } from "./TokenTable";

const shape = { tab: oneOf("users", "tokens", "account"), q: text, open: text, add: flag, valid: oneOf("1", "0") };

/** The page of users, tokens and the own account. */
export function UsersPage() {
  const [url, change] = useUrl(shape);
  const me = useQuery(meQuery).data;
  const users = useCan("users:read");
  const tokens = useCan("tokens:read");
  const addUser = useCan("users:write");
  const addToken = useCan("tokens:write");
  // Who may see neither comes for the own account.
  const tab = url.tab === "users" && !users.can && !tokens.can ? "account" : url.tab;
  const head = {
    users: <><CopyAs action={{ cli: "runsheet user ls", method: "GET", path: "/api/users" }} /><Button look="primary" icon={UserPlus} {...(addUser.can ? {} : { why: addUser.why })} onClick={() => change({ add: true })}>{t("add")}</Button></>,
    tokens: <><CopyAs action={{ cli: "runsheet token ls", method: "GET", path: "/api/tokens" }} /><Button look="primary" icon={KeyRound} {...(addToken.can ? {} : { why: addToken.why })} onClick={() => change({ add: true })}>{t("newToken")}</Button></>,
    account: <CopyAs action={{ cli: "runsheet whoami", method: "GET", path: "/api/session" }} />,
  };
  return (
    <Page>
      <PageHeader title={t("title")} actions={head[tab]} />
      <Tabs
        value={tab} onChange={(v) => change({ tab: v as typeof tab, q: "", open: "", add: false })}
        tabs={[
          { id: "users", label: t("users"), content: users.can ? <UserTable q={url.q} open={url.open} change={change} own={me?.user_id ?? ""} /> : <Empty title={t("users")}>{users.why}</Empty> },
          { id: "tokens", label: t("tokens"), content: tokens.can ? <TokenTable valid={url.valid === "1"} open={url.open} change={change} /> : <Empty title={t("tokens")}>{tokens.why}</Empty> },
          { id: "account", label: t("account"), content: <Account /> },
        ]}
      />
      {url.add && tab === "users" ? <AddUser onClose={() => change({ add: false }, true)} /> : null}
      {url.add && tab === "tokens" ? <AddToken onClose={() => change({ add: false }, true)} /> : null}
    </Page>
  );
}
