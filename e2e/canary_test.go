//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestSecretsStayInside (T21) gives a server secrets of every kind, calls it in
// good and bad ways, and looks for them in all that it wrote and said. Only the
// folder of keys may hold one; what users put into params is in the database and
// in backups beside.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := newCanaries(t, engine == "postgres")
			c.setUp()
			c.work()
			c.collect()
			for _, hit := range c.secrets.hits {
				t.Error(hit)
			}
			if c.secrets.looked < 100_000 {
				t.Errorf("only %d bytes were searched", c.secrets.looked)
			}
		})
	}
}

// The canaries that the test chooses itself. Their characters are written
// differently by every encoding.
const (
	canaryAdmin    = `Canary-Admin"<&>/+\token-0123456789`
	canaryPassword = `Canary "pass<word>&/+\`
	canaryPayload  = `Canary-"payload"<&>/+`
	canaryUserinfo = `Canary-userinfo-/+<>`
	canaryQuery    = `Canary-query-"/+<>`
	canaryKey      = `Canary-idempotency-"/+<>`
	canaryDatabase = `Canary-database-/+<>&`
	canaryWrong    = `Canary-wrong-password-"/+<>`
	canaryClient   = `Canary-oidc-client-"/+<>&`
	canaryCode     = `Canary-oidc-code-"/+<>&`
	canaryUser     = "ann"
)

type canaries struct {
	*server
	secrets *secrets
	target  *httptest.Server
	// provider is an OpenID provider that refuses and repeats what it got.
	provider *httptest.Server
	refused  atomic.Int64
	bucket   string // folder of the S3 server
	said     int    // problem documents
}

func newCanaries(t *testing.T, pg bool) *canaries {
	c := &canaries{secrets: &secrets{t: t}}
	for name, value := range map[string]string{
		"admin token": canaryAdmin, "password": canaryPassword, "wrong password": canaryWrong, "database password": canaryDatabase,
		"OIDC client secret": canaryClient, "OIDC code": canaryCode,
		// Part of a URL that is refused, so never stored either.
		"userinfo": canaryUserinfo,
	} {
		c.secrets.add(name, value, false)
	}
	for name, value := range map[string]string{"Authorization in params": canaryPayload, "query in params": canaryQuery, "Idempotency-Key": canaryKey} {
		c.secrets.add(name, value, true)
	}
	c.provider = httptest.NewServer(http.HandlerFunc(c.refuseLogin))
	t.Cleanup(c.provider.Close)
	c.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.Header().Set("Location", "/elsewhere?"+r.URL.RawQuery)
		w.Header().Set("Set-Cookie", "sid="+url.QueryEscape(canaryPayload))
		if r.URL.Path == "/fail" {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, "answered")
	}))
	t.Cleanup(c.target.Close)
	s3, bucket := testsvc.S3(t)
	c.bucket = filepath.Join(s3.Root, bucket)
	c.secrets.add("blob secret key", s3.SecretKey, false)
	redis := testsvc.Redis(t)
	c.secrets.add("redis password", userPassword(t, redis), false)
	db := ""
	if pg {
		u, err := url.Parse(testsvc.DurablePostgres(t))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(u.User.Username(), canaryDatabase) // trusted without
		db = u.String()
	}
	// A port that nobody listens on; port 1 is what other tests may not reach.
	const gone = "http://127.0.0.1:2"
	c.server = newServer(t, "", "--allow-command", "/usr/bin/env,/bin/sh", "--log-level", "debug", "--log-format", "json",
		"--allow-outbound", strings.TrimPrefix(c.target.URL, "http://")+","+strings.TrimPrefix(gone, "http://"),
		"--blob-url", "s3://"+bucket+"/e2e?endpoint=http://"+s3.Endpoint)
	c.env = []string{
		"RUNSHEET_ADMIN_TOKEN=", "RUNSHEET_DATABASE_URL=" + db, "RUNSHEET_REDIS_URL=" + redis,
		"RUNSHEET_BLOB_ACCESS_KEY=" + s3.AccessKey, "RUNSHEET_BLOB_SECRET_KEY=" + s3.SecretKey,
		"RUNSHEET_OIDC_ISSUER=" + c.provider.URL, "RUNSHEET_OIDC_CLIENT_ID=runsheet", "RUNSHEET_OIDC_CLIENT_SECRET=" + canaryClient, "CANARY_GONE=" + gone,
	}
	return c
}

func userPassword(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := u.User.Password()
	return p
}

// ask makes a request. Problem documents are searched; the answer is returned
// whole.
func (c *canaries) ask(method, path, body string, header map[string]string, codes ...int) (http.Header, []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode >= 400 {
		c.said++
		c.secrets.look("answer to "+method+" "+req.URL.Path, b, false)
	}
	ok := len(codes) == 0 && res.StatusCode < 300
	for _, code := range codes {
		ok = ok || code == res.StatusCode
	}
	if !ok {
		c.t.Errorf("%s %s: %d %s", method, req.URL.Path, res.StatusCode, b)
	}
	return res.Header, b
}

// object is text of a JSON object of strings.
func object(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, _ := json.Marshal(m) // strings always encode
	return string(b)
}

// local reads the token of this start.
func (c *canaries) local() string {
	c.t.Helper()
	path := filepath.Join(c.data, "keys", "local.json")
	b, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	var v struct{ Token string }
	if err := json.Unmarshal(b, &v); err != nil {
		c.t.Fatal(err)
	}
	c.secrets.add("local token", v.Token, false)
	return v.Token
}

// private fails when others than the owner may read a file of the keys.
func (c *canaries) private() {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.data, "keys", "*"))
	if err != nil || len(files) == 0 {
		c.t.Fatalf("keys: %v %v", files, err)
	}
	for _, path := range files {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			c.t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
}

// setUp starts the server without an admin token, makes the first administrator
// and lets him log in, in good and bad ways.
func (c *canaries) setUp() {
	c.t.Helper()
	c.start()
	c.local()
	c.private()
	var link []byte
	eventually(c.t, time.Minute, "there is a setup link", func() bool {
		link, _ = os.ReadFile(filepath.Join(c.data, "keys", "setup_link")) // not yet there
		return bytes.HasSuffix(link, []byte("\n"))
	})
	_, code, _ := strings.Cut(strings.TrimSpace(string(link)), "#setup=")
	c.secrets.add("setup code", code, false)
	login := func(name, password string) string { return object("name", name, "password", password) }
	c.ask("POST", "/api/setup", object("code", code+"x", "name", canaryUser, "password", canaryPassword), nil, 401, 403)
	c.ask("POST", "/api/setup", object("code", code, "name", canaryPassword, "password", canaryPassword), nil, 422)
	c.ask("POST", "/api/setup", object("code", code, "name", canaryUser, "password", canaryPassword, "role", code), nil, 422)
	c.ask("POST", "/api/setup", object("code", code, "name", canaryUser, "password", canaryPassword)+"}", nil, 400, 422)
	in, _ := c.ask("POST", "/api/setup", object("code", code, "name", canaryUser, "password", canaryPassword), nil, 201)
	c.session(in)
	c.ask("POST", "/api/setup", object("code", code, "name", canaryUser, "password", canaryPassword), nil, 404)

	c.ask("POST", "/api/session", login(canaryUser, canaryWrong), nil, 401)
	c.ask("POST", "/api/session", login(canaryPassword, canaryUser), nil, 401, 422)
	c.ask("POST", "/api/session", `{"name": "ann", "password": `+object("x", canaryPassword)+`}`, nil, 422)
	c.ask("POST", "/api/session", `{"name": "ann", "password": "`+strings.ReplaceAll(canaryPassword, `"`, "")+`\\x"}`, nil, 400)
	c.ask("POST", "/api/session?password="+url.QueryEscape(canaryPassword), login(canaryUser, canaryPassword), nil, 201, 400, 422)
	in, _ = c.ask("POST", "/api/session", login(canaryUser, canaryPassword), map[string]string{"User-Agent": "browser"}, 201)
	cookie := c.session(in)
	c.ask("GET", "/api/session", "", map[string]string{"Cookie": cookie})
	c.ask("POST", "/api/scheduler/pause", "{}", map[string]string{"Cookie": cookie}, 403)
	c.ask("POST", "/api/scheduler/pause", "{}", map[string]string{"Cookie": cookie, "Origin": "http://" + url.QueryEscape(canaryPassword) + ".example"}, 403)
	own := map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
	c.ask("POST", "/api/session/ticket", "", map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "same-origin", "Idempotency-Key": canaryKey}, 400, 422)
	c.watch(own)
	in, _ = c.ask("POST", "/api/session/password", object("current_password", canaryPassword, "new_password", canaryPassword+"2"), own, 201)
	own["Cookie"] = c.session(in)
	c.ask("POST", "/api/session/password", object("current_password", canaryWrong, "new_password", canaryPassword+"2"), own, 422)
	c.ask("POST", "/api/session/password", object("current_password", canaryPassword+"2", "new_password", canaryUser+canaryKey[:2]), own, 422)
	c.ask("DELETE", "/api/session", "", own, 204)
	c.ask("GET", "/api/session", "", own, 401)
	c.stop()
}

// session takes the secret out of a cookie that was set, and returns the cookie.
func (c *canaries) session(h http.Header) string {
	c.t.Helper()
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	_, secret, _ := strings.Cut(cookie, "=")
	c.secrets.add("session", secret, false)
	return cookie
}

// watch opens a WebSocket with a ticket, and tries to with one that is used up.
func (c *canaries) watch(header map[string]string) {
	c.t.Helper()
	_, b := c.ask("POST", "/api/session/ticket", "", header, 201)
	var v struct{ Ticket string }
	if err := json.Unmarshal(b, &v); err != nil {
		c.t.Fatal(err)
	}
	c.secrets.add("ticket", v.Ticket, false)
	target := c.url + "/api/events/ws?since=0&ticket=" + url.QueryEscape(v.Ticket)
	conn, res, err := websocket.Dial(c.t.Context(), target, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.Body != nil {
		defer res.Body.Close()
	}
	_, first, err := conn.Read(c.t.Context())
	if err != nil {
		c.t.Error(err)
	}
	c.secrets.look("first frame of the WebSocket", first, false)
	_ = conn.CloseNow() // that is what a closed browser does
	c.ask("GET", "/api/events/ws?ticket="+url.QueryEscape(v.Ticket), "", nil, 401)
	c.ask("GET", "/api/jobs?ticket="+url.QueryEscape(v.Ticket), "", nil, 401)
}

// work starts the server again with an admin token, and uses and misuses it.
func (c *canaries) work() {
	c.t.Helper()
	c.env[0] = "RUNSHEET_ADMIN_TOKEN=" + canaryAdmin
	c.start()
	local := c.local()
	admin := map[string]string{"Authorization": "Bearer " + canaryAdmin}
	c.watch(admin)
	for _, token := range []string{canaryAdmin, local} {
		for _, path := range []string{"/api/jobs", "/api/events", "/metrics", "/api/nothing", "/readyz", "/ui/"} {
			c.ask("GET", path+"?token="+url.QueryEscape(token)+"&access_token="+url.QueryEscape(token), "", nil, 200, 400, 401, 404)
			c.ask("GET", path, "", map[string]string{"Authorization": "Basic " + token}, 200, 401, 404)
			c.ask("GET", path, "", map[string]string{"Authorization": "Bearer " + token + "x"}, 200, 401, 404)
		}
		c.ask("GET", "/api/jobs?limit="+url.QueryEscape(token), "", admin, 400, 422)
		c.ask("PUT", "/api/jobs?"+url.QueryEscape(token), "", admin, 405)
		c.ask("GET", "/api/jobs", "", map[string]string{"Authorization": "Bearer " + token, "Host": token}, 200)
	}
	c.jobs(admin)
	c.misuse(admin)
	c.oidc()
	c.people(admin)
	c.ask("POST", "/api/backup", "", map[string]string{"Authorization": "Bearer " + local[:len(local)-1]}, 401, 405)
}

// people makes tokens and users, in good and bad ways.
func (c *canaries) people(admin map[string]string) {
	c.t.Helper()
	_, b := c.ask("POST", "/api/tokens", `{"name": "ci", "roles": ["viewer"]}`, admin, 201)
	var made struct {
		Token string
		ID    string `json:"token_id"`
	}
	if err := json.Unmarshal(b, &made); err != nil {
		c.t.Fatal(err)
	}
	c.secrets.add("made token", made.Token, false)
	bearer := map[string]string{"Authorization": "Bearer " + made.Token}
	c.ask("GET", "/api/jobs", "", bearer)
	c.ask("POST", "/api/tokens", `{"name": "x", "roles": ["admin"]}`, bearer, 403)
	c.ask("POST", "/api/tokens", `{"name": "y", "roles": ["viewer"]}`, map[string]string{"Authorization": admin["Authorization"], "Idempotency-Key": canaryKey}, 400, 422)
	c.ask("DELETE", "/api/tokens/"+made.ID, "", admin, 200, 204)
	name := func(n, role string) string {
		return `{"roles": ["` + role + `"], ` + object("name", n, "password", canaryPassword)[1:]
	}
	c.ask("POST", "/api/users", name("bob", "viewer"), admin, 201)
	c.ask("POST", "/api/users", name("bob", "viewer"), admin, 409)
	c.ask("POST", "/api/users", name("carl", "nobody"), admin, 422)
	c.ask("POST", "/api/users", name(canaryPassword, "viewer"), admin, 422)
}

// refuseLogin is the provider.
func (c *canaries) refuseLogin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(r.URL.Path, "/.well-known/") {
		u := c.provider.URL
		fmt.Fprint(w, `{"issuer": "`+u+`", "authorization_endpoint": "`+u+`/authorize", "token_endpoint": "`+u+`/token", "jwks_uri": "`+u+`/keys",
			"response_types_supported": ["code"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]}`)
		return
	}
	if err := r.ParseForm(); err == nil && r.PostForm.Get("code") == canaryCode {
		c.refused.Add(1)
	}
	_, secret, _ := r.BasicAuth()
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprint(w, object("error", "invalid_client", "error_description", secret+r.Header.Get("Authorization")+r.PostForm.Encode(), "error_uri", secret))
}

// oidc begins a login and comes back with a code that the provider refuses.
func (c *canaries) oidc() {
	c.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(path, cookie string) http.Header {
		req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+path, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		req.Header.Set("Cookie", cookie)
		res, err := client.Do(req)
		if err != nil {
			c.t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			c.t.Fatal(err)
		}
		c.secrets.look("answer to "+req.URL.Path, append(b, res.Header.Get("Location")...), false)
		return res.Header
	}
	header := get("/api/session/oidc", "")
	to, err := url.Parse(header.Get("Location"))
	if err != nil || to.Query().Get("state") == "" {
		c.t.Fatalf("login with OIDC: %v", to)
	}
	cookie := c.session(header)
	back := url.Values{"state": {to.Query().Get("state")}, "code": {canaryCode}}
	get("/api/session/oidc/callback?"+back.Encode(), cookie)
	get("/api/session/oidc/callback?"+back.Encode(), "")
	get("/api/session/oidc/callback?error="+url.QueryEscape(canaryCode)+"&"+back.Encode(), cookie)
	if c.refused.Load() == 0 {
		c.t.Error("the provider was not asked")
	}
}

// jobs runs jobs that know secrets, and waits for their ends.
func (c *canaries) jobs(admin map[string]string) {
	c.t.Helper()
	gone := c.env[len(c.env)-1][len("CANARY_GONE="):]
	query := "?key=" + url.QueryEscape(canaryQuery)
	for name, target := range map[string]string{"good": c.target.URL, "failing": c.target.URL + "/fail", "refused": gone} {
		params := map[string]any{
			"url": target + query, "method": "POST", "body": map[string]any{"secret": canaryPayload},
			"headers": map[string]any{"Authorization": "Bearer " + canaryPayload, "X-Key": canaryPayload},
		}
		b, err := json.Marshal(map[string]any{"name": name, "job_type": "http", "params": params})
		if err != nil {
			c.t.Fatal(err)
		}
		header := map[string]string{"Authorization": admin["Authorization"], "Prefer": "wait=60", "Idempotency-Key": canaryKey + name}
		c.ask("POST", "/api/jobs", string(b), header, 201)
		c.ask("POST", "/api/jobs", string(b), header, 201)
		c.ask("POST", "/api/jobs", strings.Replace(string(b), "http", "command", 1), header, 422)
	}
	// What a job prints is its own, but it must not know what the server knows.
	for _, argv := range []string{`["/usr/bin/env"]`, `["/bin/sh", "-c", "env; exit 3"]`} {
		c.ask("POST", "/api/jobs", `{"job_type": "command", "params": {"argv": `+argv+`}}`, map[string]string{"Authorization": admin["Authorization"], "Prefer": "wait=60"}, 201)
	}
}

// misuse sends requests that are refused.
func (c *canaries) misuse(admin map[string]string) {
	c.t.Helper()
	host := strings.TrimPrefix(c.target.URL, "http://")
	quoted, _ := json.Marshal(canaryPayload) // a string always encodes
	for _, target := range []string{
		"http://" + url.UserPassword(canaryUser, canaryUserinfo).String() + "@" + host,
		"http://169.254.169.254/?key=" + url.QueryEscape(canaryQuery),
		"http://127.0.0.1:1/" + url.QueryEscape(canaryQuery),
		"gopher://" + host + "/?" + url.QueryEscape(canaryQuery),
		"http://" + canaryQuery, "http://" + host + "/%zz" + canaryQuery,
	} {
		b, err := json.Marshal(map[string]any{"job_type": "http", "params": map[string]any{"url": target}})
		if err != nil {
			c.t.Fatal(err)
		}
		c.ask("POST", "/api/jobs", string(b), admin, 422)
		c.ask("POST", "/api/job-templates", `{"name": "t", `+string(b[1:]), admin, 422)
	}
	for _, body := range []string{
		`{"job_type": "http", "params": {"url": ` + string(quoted), `{"job_type": ` + string(quoted) + `}`, `{"name": ` + string(quoted) + `]`,
		`{"job_type": "http", "params": {"url": "` + c.target.URL + `", "headers": {"Authorization": [` + string(quoted) + `]}}}`,
		`{"job_type": "http", "params": {"url": "` + c.target.URL + `", "headers": {"Authorization": "a\n` + string(quoted[1:]) + `}}}`,
		`{"job_type": "http", "params": {"url": "` + c.target.URL + `", "method": ` + string(quoted) + `}}`,
		`{"job_type": "http", "params": ` + string(quoted) + `}`, `{"priority": ` + string(quoted) + `}`, string(quoted), "\xff" + string(quoted),
	} {
		c.ask("POST", "/api/jobs", body, admin, 400, 404, 422)
	}
	c.ask("POST", "/api/jobs", "{}", map[string]string{"Authorization": admin["Authorization"], "Idempotency-Key": canaryKey + "é"}, 400, 422)
	c.ask("POST", "/api/jobs", "{}", map[string]string{"Authorization": admin["Authorization"], "Content-Type": canaryPayload}, 400, 415)
}

// tool runs the program with the server's environment and searches what it says.
func (c *canaries) tool(env []string, args ...string) []byte {
	c.t.Helper()
	ctx, stop := context.WithTimeout(c.t.Context(), time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, built.runsheet, args...)
	cmd.Env = append(append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.data, "RUNSHEET_DATA=" + c.data}, c.env...), env...)
	out, err := cmd.CombinedOutput()
	if len(out) == 0 {
		c.t.Errorf("runsheet %v says nothing: %v", args, err)
	}
	c.secrets.look("output of runsheet "+args[0], out, false)
	return out
}

// collect searches everything that the server wrote, says and keeps.
func (c *canaries) collect() {
	c.t.Helper()
	t := c.t
	admin := map[string]string{"Authorization": "Bearer " + canaryAdmin}
	for _, path := range []string{
		"/metrics", "/readyz", "/api/scheduler", "/api/session", "/api/job-runs?limit=200", "/api/usage", "/api/openapi.json",
		"/api/audit?limit=200", "/api/audit/export", "/api/audit/verify", "/api/tokens", "/api/users", "/api/session/methods",
	} {
		_, b := c.ask("GET", path, "", admin)
		c.secrets.look(path, b, strings.HasPrefix(path, "/api/job-runs")) // runs show their params
	}
	c.events(admin)
	_, b := c.ask("GET", "/api/job-runs?limit=200", "", admin)
	var runs struct {
		Items []struct {
			ID string `json:"run_id"`
		}
	}
	if err := json.Unmarshal(b, &runs); err != nil || len(runs.Items) < 5 {
		t.Fatalf("%d runs, %v", len(runs.Items), err)
	}
	for _, r := range runs.Items {
		for _, rest := range []string{"", "/logs", "/artifacts"} {
			_, b := c.ask("GET", "/api/job-runs/"+r.ID+rest, "", admin)
			c.secrets.look("run"+rest, b, rest == "")
		}
	}
	dir := t.TempDir()
	c.tool(nil, "export", "--out", "-", "--runs")
	c.tool(nil, "export", "--out", filepath.Join(dir, "export"), "--runs")
	c.tool(nil, "backup", "--out", filepath.Join(dir, "backup.tar"))
	c.tool(nil, "doctor", "--json")
	c.tool(nil, "config", "print")
	c.tool(nil, "config", "print", "--json")
	c.tool(nil, "audit", "ls", "--json")
	c.tool(nil, "audit", "export")
	c.tool(nil, "token", "ls", "--json")
	c.refusals()
	c.secrets.walk(dir, func(rel string) bool { return rel == "backup.tar" })
	if info, err := os.Stat(filepath.Join(dir, "backup.tar")); err != nil || info.Size() < 10_000 {
		t.Errorf("backup: %v", err)
	}
	c.private()
	c.stop()
	c.tool(nil, "doctor", "--json")
	database := func(rel string) bool { return strings.HasPrefix(rel, "runsheet.db") }
	c.secrets.walk(c.data, database, "keys")
	c.secrets.walk(c.bucket, func(string) bool { return false })
	log := c.log.tail(1 << 30)
	if !strings.Contains(log, `"msg":"request"`) {
		t.Error("the log has no requests")
	}
	c.secrets.look("the server's log", []byte(log), false)
	if db := strings.TrimPrefix(c.env[1], "RUNSHEET_DATABASE_URL="); db != "" {
		c.secrets.tables(db)
	}
	if c.said < 60 {
		t.Errorf("only %d problem documents were searched", c.said)
	}
}

// refusals starts servers that refuse to, each with a secret that is wrong.
func (c *canaries) refusals() {
	c.t.Helper()
	secret := url.UserPassword(canaryUser, canaryDatabase).String()
	for _, env := range []string{
		"RUNSHEET_DATABASE_URL=postgres://" + secret + "@127.0.0.1:1/x", "RUNSHEET_DATABASE_URL=mysql://" + secret + "@127.0.0.1:1/x",
		"RUNSHEET_DATABASE_URL=postgres://" + secret + "@127.0.0.1:x/y", "RUNSHEET_DATABASE_URL=postgres://127.0.0.1:1/y?sslmode=x&password=" + url.QueryEscape(canaryDatabase),
		"RUNSHEET_REDIS_URL=redis://" + secret + "@127.0.0.1:99999", "RUNSHEET_REDIS_URL=http://" + secret + "@127.0.0.1", "RUNSHEET_REDIS_URL=redis://x/?" + secret,
		"RUNSHEET_BLOB_URL=s3://" + secret + "@bucket/x", "RUNSHEET_ADMIN_TOKEN=" + canaryUserinfo, "RUNSHEET_ADMIN_TOKEN=" + canaryAdmin + " ",
		"RUNSHEET_BLOB_SECRET_KEY=" + canaryUserinfo + " ", "RUNSHEET_LISTEN=0.0.0.0:0",
	} {
		fresh := []string{env, "RUNSHEET_DATA=" + filepath.Join(c.t.TempDir(), "x")}
		for _, args := range [][]string{{"serve", "--log-level", "debug"}, {"doctor", "--json"}, {"config", "print"}} {
			if strings.Contains(env, "LISTEN") && args[0] == "serve" {
				continue // it would go on
			}
			c.tool(fresh, args...)
		}
	}
}

// events reads all that were announced.
func (c *canaries) events(admin map[string]string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/api/events?since=0", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", admin["Authorization"])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	// The last job's end is the last event that matters.
	var all []byte
	buf := make([]byte, 64<<10)
	for bytes.Count(all, []byte(`"type":"job.run.`)) < 5 {
		n, err := res.Body.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		c.t.Errorf("five runs have ended, and the events are %q", all)
	}
	c.secrets.look("events", all, false)
}
