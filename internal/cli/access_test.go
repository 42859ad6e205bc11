package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
)

const (
	tokID  = "tok_01jh0000000000000000000000"
	userID = "usr_01jh0000000000000000000000"
)

// record is a chain of n entries, in JSON Lines, and the hash of the last.
func record(t testing.TB, n int) (lines []string, head string) {
	t.Helper()
	for i := range n {
		e := audit.Link(audit.Entry{
			Tenant: "default", At: now.Add(time.Duration(i) * time.Second), Actor: audit.Actor{Name: "ann", ID: userID, Remote: "10.0.0.1"},
			Action: audit.TokenCreated, Object: tokID, ObjectName: "ci", Detail: map[string]string{"roles": "viewer"},
		}, int64(i), head)
		head = e.Hash
		b, err := json.Marshal(wire.AuditEntryOf(e))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(b))
	}
	return lines, head
}

// accessAnswer is the part of the fake server that knows who may do what.
func accessAnswer(w http.ResponseWriter, request, tenantRef string) bool {
	token := client.Token{
		TokenID: tokID, Name: "ci \x1b[31mred", Tenant: "default", Roles: []string{"operator"}, Templates: []string{"deploy-*"}, Valid: true, CreatedBy: "ann",
		CreatedAt: now.Add(-time.Hour), ExpiresAt: new(now.Add(24 * time.Hour)), LastUsedAt: new(now.Add(-time.Minute)), RatePerMinute: 60,
	}
	old := token
	old.Valid, old.RevokedAt, old.Templates, old.LastUsedAt, old.RatePerMinute = false, new(now), nil, nil, 0
	user := client.User{
		UserID: userID, Name: "ann", Tenant: "default", Roles: []string{"author", "operator"}, HasPassword: true, Version: 2, CreatedBy: "setup", CreatedAt: now, UpdatedAt: now,
	}
	tenant := client.Tenant{TenantID: "ten_1", Name: "red", Version: 1, CreatedAt: new(now.Add(-time.Hour)), UpdatedAt: new(now)}
	entry := client.AuditEntry{
		Tenant: "default", Seq: 2, CreatedAt: now, Actor: client.AuditActor{Name: "ann", Remote: "10.0.0.1"}, Action: "token.create",
		Object: tokID, ObjectName: "ci", Detail: map[string]string{"roles": "viewer", "scopes": "jobs:read,events:read", "rate_per_minute": "60"},
	}
	page := func(items ...any) any { return map[string]any{"items": items, "next_cursor": nil} }
	status := http.StatusOK
	var out any
	switch request {
	case "GET /session":
		out = client.Me{Name: "ann", Kind: "token", Tenant: "default", Roles: []string{"viewer"}, Scopes: []string{"jobs:read"}, TokenID: new(tokID)}
	case "POST /tokens":
		status, out = http.StatusCreated, client.NewToken{TokenID: tokID, Token: "rst_new", ExpiresAt: token.ExpiresAt}
	case "GET /tokens":
		out = page(token, old)
	case "GET /tokens/" + tokID:
		out = token
	case "DELETE /tokens/" + tokID, "DELETE /users/ann":
		w.WriteHeader(http.StatusNoContent)
		return true
	case "DELETE /users/boss":
		w.Header().Set("Content-Type", "application/problem+json")
		status, out = http.StatusConflict, client.Problem{Status: http.StatusConflict, Code: "last_admin", Detail: "this user is the last enabled administrator"}
	case "GET /users":
		out = page(user)
	case "POST /users", "GET /users/ann", "PATCH /users/ann":
		out = user
	case "GET /tenants":
		out = page(tenant)
	case "POST /tenants", "GET /tenants/red", "PATCH /tenants/red":
		out = tenant
	case "GET /audit":
		out = page(entry)
	case "GET /audit/verify":
		out = client.AuditCheck{Tenant: "default", Valid: true, Entries: 2, HeadSeq: 2, HeadHash: "abc"}
		if tenantRef == "red" {
			out = client.AuditCheck{Tenant: "ten_1", Entries: 2, HeadSeq: 2, HeadHash: "abc", Error: new("entry 3 was changed"), BrokenAt: new(int64(3))}
		}
	default:
		return false
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
	return true
}

func TestAccessGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"token_create":       "token create ci --role operator --template deploy-* --expires 30d",
		"token_create_q":     "token create ci --role operator -q",
		"token_create_json":  "token create ci --role operator --json=token_id,token",
		"token_create_usage": "token create ci",
		"token_create_help":  "token create --help",
		"token_ls":           "token ls",
		"token_get":          "token get " + tokID,
		"token_revoke":       "token revoke --yes " + tokID,
		"token_revoke_asks":  "token revoke " + tokID,
		"user_create":        "user create ann --role viewer --no-password",
		"user_create_asks":   "user create ann --role viewer",
		"user_ls":            "user ls",
		"user_get":           "user get ann",
		"user_set":           "user set ann --role viewer",
		"user_disable":       "user disable ann",
		"user_rm":            "user rm --yes ann",
		"user_rm_last":       "user rm --yes boss",
		"tenant_create":      "tenant create red",
		"tenant_ls":          "tenant ls",
		"tenant_get":         "tenant get red",
		"tenant_disable":     "tenant disable --yes red",
		"audit_ls":           "audit ls",
		"audit_verify":       "audit verify",
		"audit_broken":       "audit verify --tenant red",
		"whoami":             "whoami",
		"whoami_q":           "whoami -q",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// TestPasswordComesFromStdin, and is in no argument.
func TestPasswordComesFromStdin(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"user create ann --role viewer --role author --password-stdin": `{"name":"ann","roles":["viewer","author"],"password":"long enough secret","tenant":null}`,
		"user passwd ann --password-stdin":                             `{"password":"long enough secret"}`,
		"user passwd ann --remove":                                     `{"password":null}`,
	} {
		f := serve(t)
		_, talk, code := f.invoke(t.Context(), t, "long enough secret\r\nnot this", strings.Fields(args)...)
		if code != exitOK || f.bodies[0] != want || strings.Contains(talk, "secret") {
			t.Errorf("%s: exit %d, body %s\n%s", args, code, f.bodies[0], talk)
		}
	}
	for _, args := range []string{
		"user create ann --role viewer --password x", "user passwd ann --password x", "user passwd ann x", "user passwd ann",
		"user create ann --role viewer --password-stdin --no-password",
	} {
		f := serve(t)
		if _, talk, code := f.invoke(t.Context(), t, "", strings.Fields(args)...); code != exitUsage || len(f.requests) > 0 {
			t.Errorf("%s: exit %d\n%s", args, code, talk)
		}
	}
}

// TestTokenInputIsWhatWasSaid: limits that were not named are null, not empty.
func TestTokenInputIsWhatWasSaid(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--role viewer": `{"name":"ci","roles":["viewer"],"scopes":null,"templates":null,"tenant":null}`,
		"--role viewer,operator --scope jobs:read --template a*,b --tenant red --expires 30d --rate 5": `{"name":"ci","roles":["viewer","operator"],"scopes":["jobs:read"],"templates":["a*","b"],"tenant":"red","expires_in":"30d","rate_per_minute":5}`,
	} {
		f := serve(t)
		out, talk, code := f.invoke(t.Context(), t, "", append(strings.Fields("token create ci"), strings.Fields(args)...)...)
		if code != exitOK || out != "rst_new\n" || strings.Contains(talk, "rst_new") {
			t.Fatalf("exit %d, stdout %q\n%s", code, out, talk)
		}
		if diff := cmp.Diff(want, f.bodies[0]); diff != "" {
			t.Error(diff)
		}
	}
}

// exportServer answers an export with the given text; cut breaks it off.
func exportServer(t *testing.T, text string, cut bool) *fake {
	t.Helper()
	f := serve(t)
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/export") {
			inner.ServeHTTP(w, r)
			return
		}
		fmt.Fprint(w, text)
		if cut {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	return f
}

func TestAuditExportAndVerifyOffline(t *testing.T) {
	t.Parallel()
	lines, head := record(t, 3)
	whole := strings.Join(lines, "\n") + "\n"
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	_, talk, code := exportServer(t, whole, false).invoke(t.Context(), t, "", "audit", "export", "--out", file)
	if code != exitOK || !strings.Contains(talk, "3 entries") || !strings.Contains(talk, head) {
		t.Fatalf("exit %d\n%s", code, talk)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if out, _, code := exportServer(t, whole, false).invoke(t.Context(), t, "", "audit", "export"); code != exitOK || out != whole {
		t.Errorf("exit %d, stdout %q", code, out)
	}
	other, _ := record(t, 1)
	for name, c := range map[string]struct {
		text, head string
		code       int
		says       string
	}{
		"whole":         {whole, "", exitOK, ""},
		"noted head":    {whole, head, exitOK, ""},
		"earlier head":  {whole, hashOf(t, lines[0]), exitOK, ""},
		"rewritten":     {whole, strings.Repeat("0", 64), exitFailed, "hash that was noted"},
		"cut off":       {strings.Join(lines[:2], "\n"), head, exitFailed, "hash that was noted"},
		"changed":       {strings.Replace(whole, `"ann"`, `"bob"`, 1), "", exitFailed, "entry 1 was changed"},
		"removed":       {lines[0] + "\n" + lines[2], "", exitFailed, "missing or doubled"},
		"other tenant":  {other[0] + "\n" + strings.Replace(lines[1], `"default"`, `"red"`, 1), "", exitFailed, "belongs to the tenant red"},
		"not an export": {"hello", "", exitUsage, "line 1"},
		"half a line":   {lines[0] + "\n" + lines[1][:40], "", exitFailed, "the last line is cut"},
		"no last end":   {strings.TrimSuffix(whole, "\n"), head, exitOK, ""},
		"half inside":   {lines[0][:40] + "\n" + lines[1] + "\n", "", exitUsage, "line 1"},
		"empty":         {"", "", exitFailed, "the file has no entries"},
		"empty, noted":  {"", head, exitFailed, "the file has no entries"},
		"no export":     {whole, "", exitOK, "note: the last entry is token.create"},
		"upper case":    {whole, strings.ToUpper(head), exitOK, ""},
		"not a hash":    {whole, "abc", exitUsage, "64 hex digits"},
		"not hex":       {whole, strings.Repeat("x", 64), exitUsage, "64 hex digits"},
	} {
		path := filepath.Join(t.TempDir(), "x.jsonl")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		f := serve(t)
		args := []string{"audit", "verify", "--file", path}
		if c.head != "" {
			args = append(args, "--head", c.head)
		}
		_, talk, code := f.invoke(t.Context(), t, "", args...)
		if code != c.code || !strings.Contains(talk, c.says) || len(f.requests) > 0 {
			t.Errorf("%s: exit %d, %d requests\n%s", name, code, len(f.requests), talk)
		}
	}
	// A broken record is evidence: all of it is kept.
	bad := strings.Replace(whole, `"ann"`, `"bob"`, 1)
	path := filepath.Join(t.TempDir(), "bad.jsonl")
	_, _, code = exportServer(t, bad, false).invoke(t.Context(), t, "", "audit", "export", "-o", path)
	if got, err := os.ReadFile(path); code != exitFailed || err != nil || !bytes.Equal(got, []byte(bad)) {
		t.Errorf("exit %d, %v, %q", code, err, got)
	}
	// Half an export is none.
	folder := t.TempDir()
	_, talk, code = exportServer(t, whole, true).invoke(t.Context(), t, "", "audit", "export", "-o", filepath.Join(folder, "half.jsonl"))
	if left, err := os.ReadDir(folder); code == exitOK || err != nil || len(left) > 0 {
		t.Errorf("exit %d, left %v\n%s", code, left, talk)
	}
}

// TestNotedHashIsAHash: an empty variable of a script is not "nothing noted".
func TestNotedHashIsAHash(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"", "abc", strings.Repeat("x", 64)} {
		f := serve(t)
		if _, talk, code := f.invoke(t.Context(), t, "", "audit", "verify", "--head", head); code != exitUsage || len(f.requests) > 0 {
			t.Errorf("%q: exit %d\n%s", head, code, talk)
		}
	}
}

// TestWholeExportNeedsNoNote: it ends with its own entry.
func TestWholeExportNeedsNoNote(t *testing.T) {
	t.Parallel()
	e := audit.Link(audit.Entry{Tenant: "default", At: now, Action: audit.AuditExported}, 0, "")
	b, err := json.Marshal(wire.AuditEntryOf(e))
	if err != nil {
		t.Fatal(err)
	}
	check, note, err := checkExport(bytes.NewReader(append(b, '\n')), e.Hash)
	if err != nil || !check.Valid || note != "" {
		t.Errorf("%v %q %v", check, note, err)
	}
}

func hashOf(t *testing.T, line string) string {
	t.Helper()
	var e wire.AuditEntry
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatal(err)
	}
	return e.Hash
}

func TestAuditTimes(t *testing.T) {
	t.Parallel()
	f := serve(t)
	_, talk, code := f.invoke(t.Context(), t, "", "audit", "ls", "--since", "7d", "--until", "2026-01-30T00:00:00Z", "--action", "login,logout", "--oldest")
	want := "GET /api/audit?action=login%2Clogout&created_after=2026-01-24T12%3A00%3A00Z&created_before=2026-01-30T00%3A00%3A00Z&limit=50&sort=seq"
	if code != exitOK || f.requests[0] != want {
		t.Errorf("exit %d %v\n%s", code, f.requests, talk)
	}
	if _, _, code := serve(t).invoke(t.Context(), t, "", "audit", "ls", "--since", "yesterday"); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}

// TestTooManyRequestsSaysWhen to come again.
func TestTooManyRequestsSaysWhen(t *testing.T) {
	t.Parallel()
	for after, says := range map[string]string{"90": "slow down; come again in 1m30s\n", "": "slow down\n"} {
		f := serve(t)
		f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			_ = json.NewEncoder(w).Encode(client.Problem{Status: http.StatusTooManyRequests, Code: "too_many_requests", Detail: "slow down"})
		})
		if _, talk, code := f.invoke(t.Context(), t, "", "job", "ls"); code != exitUnreachable || !strings.Contains(talk, says) {
			t.Errorf("%q: exit %d\n%s", after, code, talk)
		}
	}
}

// TestTokensHaveNames: among the valid ones, and the id is what is sent.
func TestTokensHaveNames(t *testing.T) {
	t.Parallel()
	const other = "tok_01jh0000000000000000000001"
	for args, c := range map[string]struct {
		code       int
		says, sent string
	}{
		"get ci":               {exitOK, "", "GET /api/tokens/" + tokID},
		"revoke --yes ci":      {exitOK, "revoked ci", "DELETE /api/tokens/" + tokID},
		"revoke --yes ci none": {exitNotFound, "no valid token is named none", ""},
		"get none":             {exitNotFound, "no valid token is named none", ""},
		"revoke --yes ended":   {exitNotFound, "no valid token is named ended", ""},
		"get twin":             {exitNotFound, "use the id: " + tokID + ", " + other, ""},
	} {
		f := serve(t)
		inner, sent := f.Config.Handler, ""
		f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/tokens" {
				sent = r.Method + " " + r.URL.Path
				inner.ServeHTTP(w, r)
				return
			}
			if r.URL.Query().Get("valid") != "true" {
				t.Errorf("asked for %s", r.URL)
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"items": []client.Token{
				{TokenID: tokID, Name: "ci", Valid: true},
				{TokenID: other, Name: "ended"},
				{TokenID: tokID, Name: "twin", Valid: true},
				{TokenID: other, Name: "twin", Valid: true},
			}})
		})
		_, talk, code := f.invoke(t.Context(), t, "", append([]string{"token"}, strings.Fields(args)...)...)
		if code != c.code || !strings.Contains(talk, c.says) || sent != c.sent {
			t.Errorf("%s: exit %d, sent %q\n%s", args, code, sent, talk)
		}
	}
}

func TestCompletionOfNames(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"token revoke": tokID + "\tci red", "user set": "ann\tenabled", "tenant get": "red\tten_1",
	} {
		out, _, code := serve(t).invoke(t.Context(), t, "", append(append([]string{"__complete"}, strings.Fields(args)...), "")...)
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d\n%s", args, code, out)
		}
	}
}
