// The pages to set up, log in and manage the own account. They talk to the API
// with the session's cookie, which no script can read.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const sections = ["setup", "login", "account"];
  let code = "";

  // The code must stay neither in the address bar nor in the history.
  const takeCode = () => {
    if (!location.hash.startsWith("#setup=")) return false;
    code = decodeURIComponent(location.hash.slice("#setup=".length));
    history.replaceState(null, "", location.pathname);
    return true;
  };

  const call = async (method, path, body) => {
    const options = { method, credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json" } };
    if (body !== undefined) {
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    let res;
    try {
      res = await fetch(path, options);
    } catch {
      throw { status: 0, detail: "The server does not answer." };
    }
    const text = await res.text();
    let data = null;
    try { data = text ? JSON.parse(text) : null; } catch { /* said below */ }
    if (res.ok) return data;
    const problem = data || {};
    let detail = problem.detail || problem.title || "The server answered " + res.status + ".";
    for (const e of problem.errors || []) {
      if (!detail.includes(e.detail)) detail += "; " + e.pointer.replace("/", "").replaceAll("_", " ") + " " + e.detail;
    }
    if (res.status === 429) detail += ". Try again in " + (res.headers.get("Retry-After") || "some") + " s.";
    throw { status: res.status, detail };
  };

  const say = (trouble, news) => {
    $("trouble").textContent = trouble || "";
    $("news").textContent = news || "";
  };

  const show = (name) => {
    for (const s of sections) $(s).hidden = s !== name;
    const title = $(name + "-title");
    document.title = title.textContent + " - Runsheet";
    (document.querySelector("#" + name + ":not(#account) input") || title).focus();
  };

  // busy runs work for a button and shows what goes wrong.
  const busy = async (button, work) => {
    say();
    button.disabled = true;
    try {
      await work();
    } catch (e) {
      if (e.status === 401 && !$("account").hidden) show("login");
      say(e.detail || String(e));
    } finally {
      button.disabled = false;
    }
  };

  const onSubmit = (form, work) => form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form.querySelector("button"), () => work(form.elements));
  });

  const twice = (f) => {
    if (f.password.value === f.repeat.value) return;
    f.repeat.focus();
    throw { detail: "The two passwords differ." };
  };

  const cell = (row, content) => row.insertCell().append(content);

  const listSessions = async () => {
    const list = await call("GET", "/api/sessions");
    $("sessions").replaceChildren();
    for (const s of list.items) {
      const row = $("sessions").insertRow();
      cell(row, s.agent || "unknown");
      cell(row, s.remote);
      cell(row, new Date(s.seen_at).toLocaleString());
      if (s.current) {
        cell(row, "this one");
        continue;
      }
      const end = document.createElement("button");
      end.type = "button";
      end.textContent = "End";
      end.setAttribute("aria-label", "End the session of " + (s.agent || "unknown") + " from " + s.remote);
      end.addEventListener("click", () => busy(end, async () => {
        await call("DELETE", "/api/sessions/" + encodeURIComponent(s.session_id));
        await listSessions();
        say("", "The session is over.");
        $("account-title").focus();
      }));
      cell(row, end);
    }
  };

  const enter = async (me, news) => {
    $("me-name").textContent = me.name;
    $("me-tenant").textContent = me.tenant;
    $("me-roles").textContent = me.roles.join(", ");
    $("password").elements.username.value = me.name;
    for (const form of document.forms) if (form !== $("password")) form.reset();
    show("account");
    say("", news);
    await listSessions();
  };

  onSubmit($("setup").querySelector("form"), async (f) => {
    twice(f);
    let me;
    try {
      me = await call("POST", "/api/setup", { code, name: f.name.value, password: f.password.value });
    } catch (e) {
      // Without a code that can be used, the route is not there.
      if (e.status !== 404 && e.status !== 409) throw e;
      show("login");
      throw { detail: "This link was used, or is older than 30 minutes. Log in, or start the server again for a new link." };
    }
    code = "";
    await enter(me, "You are the administrator, and logged in.");
  });

  onSubmit($("login").querySelector("form"), async (f) => {
    await enter(await call("POST", "/api/session", { name: f.name.value, password: f.password.value }));
  });

  onSubmit($("password"), async (f) => {
    twice(f);
    const me = await call("POST", "/api/session/password", { current_password: f.current.value, new_password: f.password.value });
    $("password").reset();
    await enter(me, "The password is changed.");
  });

  $("logout").addEventListener("click", () => busy($("logout"), async () => {
    await call("DELETE", "/api/session");
    show("login");
    say("", "You are logged out.");
  }));

  // Why the OpenID provider's login ended here, in the words of /problems.
  const takeError = async () => {
    const code = (location.hash.match(/^#error=([a-z_]+)$/) || [])[1];
    if (!code) return "";
    history.replaceState(null, "", location.pathname);
    const p = await call("GET", "/problems/" + code).catch(() => ({ title: code, remedy: "" }));
    return p.title + ". " + p.remedy;
  };

  const offerProvider = async () => {
    const { oidc } = await call("GET", "/api/session/methods").catch(() => ({}));
    $("provider").hidden = !oidc;
    if (oidc) $("provider").firstElementChild.textContent = "Log in with " + oidc.name;
  };

  const start = async () => {
    if (takeCode()) {
      show("setup");
      return;
    }
    offerProvider();
    const why = await takeError();
    try {
      await enter(await call("GET", "/api/session"));
    } catch (e) {
      show("login");
      if (e.status !== 401) say(e.detail || String(e));
      else say(why);
    }
  };
  // A second link in the same tab changes nothing but the fragment.
  addEventListener("hashchange", () => { if (takeCode()) { say(); show("setup"); } });
  start();
})();
