package api_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
)

var update = flag.Bool("update", false, "rewrite golden files")

var ids = strings.NewReplacer("{template_id}", "tmpl_01jh0000000000000000000000", "{job_id}", "job_01jh0000000000000000000000",
	"{run_id}", "run_01jh0000000000000000000000", "{artifact_id}", "art_01jh0000000000000000000000", "{session_id}", "ses_01jh0000000000000000000000",
	"{token_id}", "tok_01jh0000000000000000000000", "{user_id}", "usr_01jh0000000000000000000000", "{tenant_id}", "ten_01jh0000000000000000000000",
	"{webhook_id}", "hook_01jh0000000000000000000000", "{delivery_id}", "dlv_01jh0000000000000000000000", "{code}", "not_found",
	"{directive_id}", "dir_01jh0000000000000000000000", "{version}", "1", "{group_id}", "group_01jh0000000000000000000000", "{name}", "gpu:0", "{budget}", "tenant", "{mic}", "XNYS",
	"{workflow_id}", "etl", "{node_id}", "a", "{schedule_id}", "sched_01jh0000000000000000000000", "{workflow_run_id}", "wfrun_01jh0000000000000000000000", "{checkpoint_id}", "ckpt_01jh0000000000000000000000", "{approval_id}", "appr_01jh0000000000000000000000", "{execution_id}", "exec_01jh0000000000000000000000")

func operations(item *huma.PathItem) map[string]*huma.Operation {
	m := map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PATCH": item.Patch, "PUT": item.Put, "DELETE": item.Delete}
	for k, v := range m {
		if v == nil {
			delete(m, k)
		}
	}
	return m
}

// publicRoutes are all routes that anybody may call, and what they answer to an
// empty request.
var publicRoutes = map[string]int{
	"GET /livez": 200, "GET /readyz": 200, "GET /problems/{code}": 200,
	"POST /api/session": 415, "POST /api/setup": 415,
	"GET /api/session/methods": 200, "GET /api/session/oidc": 404, "GET /api/session/oidc/callback": 404,
}

// TestPolicy calls every route of the document with every role: who has the
// scope gets past the door, who has not does not, and no other routes are public.
func TestPolicy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	public := 0
	for path, item := range api.Document().Paths {
		for method, op := range operations(item) {
			name, target := method+" "+path, ids.Replace(path)
			if path == "/api/events" {
				target += "?topics=none" // it would not end
			}
			if len(op.Security) == 0 {
				status, expected := publicRoutes[name]
				if !expected {
					t.Errorf("%s is public", name)
				}
				if a := b.as("", method, target, ""); a.StatusCode != status {
					t.Errorf("%s without token: %d", name, a.StatusCode)
				}
				public++
				continue
			}
			scope, _ := op.Extensions["x-scope"].(string)
			want(t, b.as("", method, target, ""), 401, "unauthorized")
			want(t, b.as("", method, target, "", "Authorization", "Bearer "+access.NewToken()), 401, "unauthorized")
			for _, role := range []access.Role{access.Viewer, access.Operator, access.Author, access.Approver, access.Admin} {
				may := access.Principal{Tenant: access.DefaultTenant, Roles: []access.Role{role}}.May(access.Scope(scope))
				a := b.as(role, method, target, "")
				if (a.StatusCode != 403) != may || a.StatusCode == 401 || a.StatusCode >= 500 {
					t.Errorf("%s as %s: %d %s, may = %v", name, role, a.StatusCode, a.body, may)
				}
			}
		}
	}
	if public != len(publicRoutes) {
		t.Errorf("%d public routes, want %d", public, len(publicRoutes))
	}
}

// TestInlineJobNeedsAuthor: naming the program to run is the right to execute
// code.
func TestInlineJobNeedsAuthor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.as(access.Operator, "POST", "/api/jobs", echoJob), 403, "forbidden")
	want(t, b.as(access.Author, "POST", "/api/jobs", echoJob), 201, "")
	want(t, b.as(access.Author, "POST", "/api/job-templates", `{"name":"t","job_type":"echo","params":{"text":"x"}}`), 201, "")
	want(t, b.as(access.Operator, "POST", "/api/jobs", `{"template_id":"t"}`), 201, "")
}

// TestOverrideNeedsAuthor: a template must not lend its right to run code to
// whoever may start it.
func TestOverrideNeedsAuthor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.call("POST", "/api/job-templates", `{"name":"closed","job_type":"echo","params":{"text":"x","model":"m"},
		"params_schema":{"properties":{"text":{"type":"string"}}}}`), 201, "")
	want(t, b.call("POST", "/api/job-templates", `{"name":"open","job_type":"echo","params":{"text":"x","model":"m"},
		"params_schema":{"properties":{"model":{"enum":["m","n"]}}}}`), 201, "")
	for body, status := range map[string]int{
		`{"template_id":"closed","params":{"text":"y"}}`:     201,
		`{"template_id":"closed","params":{"model":"n"}}`:    403,
		`{"template_id":"closed","params":{"model":null}}`:   403,
		`{"template_id":"open","params":{"model":"n"}}`:      201,
		`{"template_id":"open","params":{"model":"other"}}`:  422,
		`{"template_id":"open","params":{"\u006dodel":"n"}}`: 201,
	} {
		a := b.as(access.Operator, "POST", "/api/jobs", body)
		if a.StatusCode != status || status == 403 && !strings.Contains(string(a.body), `"pointer":"/params/model"`) {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
	want(t, b.as(access.Author, "POST", "/api/jobs", `{"template_id":"closed","params":{"model":"n"}}`), 201, "")
}

func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(echoJob)
	want(t, b.as("stranger", "GET", "/api/jobs/"+j, ""), 404, "not_found")
	want(t, b.as("stranger", "POST", "/api/jobs/"+j+"/cancel", ""), 404, "not_found")
	if n := len(list(t, b.as("stranger", "GET", "/api/jobs", ""))); n != 0 {
		t.Errorf("%d foreign jobs in the list", n)
	}
}

// TestDocumentIsCommitted: openapi.yaml is what the routes say.
func TestDocumentIsCommitted(t *testing.T) {
	t.Parallel()
	now, err := api.Document().YAML()
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, committed, _ = bytes.Cut(committed, []byte("\n"))
	if !bytes.Equal(now, committed) {
		t.Error("openapi.yaml is old: go run ./internal/gen/openapi")
	}
	b := setup(t)
	served := want(t, b.call("GET", "/api/openapi.yaml", ""), 200, "")
	if !bytes.Equal(now, served.body) {
		t.Error("the server answers another document")
	}
}

var requestIDs = regexp.MustCompile(`req_[0-9a-z]{26}`)

// TestProblemGolden locks whole problem documents.
func TestProblemGolden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, a := range map[string]answer{
		"unauthorized":  b.as("", "GET", "/api/jobs", ""),
		"forbidden":     b.as(access.Viewer, "POST", "/api/jobs", echoJob),
		"unknown_field": b.call("POST", "/api/jobs", `{"jobType":"echo"}`),
		"invalid_input": b.call("POST", "/api/jobs", `{"job_type":"echo","priority":"high","params":{"text":3}}`),
		"wrong_id_type": b.call("GET", "/api/jobs/run_01jh0000000000000000000000", ""),
		"parameter":     b.call("GET", "/api/jobs?limit=x", ""),
	} {
		got := requestIDs.ReplaceAllString(string(a.body), "req_X")
		file := filepath.Join("testdata", "problem", name+".json")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(golden), got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func list(t *testing.T, a answer) []map[string]any {
	t.Helper()
	items, ok := want(t, a, 200, "").json(t)["items"].([]any)
	if !ok {
		t.Fatalf("no items: %s", a.body)
	}
	var out []map[string]any
	for _, i := range items {
		m, _ := i.(map[string]any)
		out = append(out, m)
	}
	return out
}
