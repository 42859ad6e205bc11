package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/task"
)

const yamlType = "application/yaml"

// flow is a small workflow in YAML.
func flow(name, value string) string {
	return "workflow_id: " + name + "\nnodes:\n- {node_id: a, type: data, data_type: set, config: {values: {x: " + value + "}}}\n- {node_id: b, type: stop, config: {status: COMPLETED}}\n"
}

func (b *bundle) apply(query, text string, header ...string) answer {
	return b.as(access.Admin, "POST", "/api/workflows"+query, text, append([]string{"Content-Type", yamlType}, header...)...)
}

func TestWorkflowVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := want(t, b.apply("?message=first", flow("etl", "1")), 201, "")
	if made.Header.Get("Location") != "/api/workflows/etl" || made.Header.Get("ETag") != `"1"` {
		t.Errorf("headers %v", made.Header)
	}
	item := func(a answer) map[string]any {
		t.Helper()
		var out struct {
			Items []map[string]any `json:"items"`
		}
		if err := json.Unmarshal(a.body, &out); err != nil || len(out.Items) != 1 {
			t.Fatalf("%s: %v", a.body, err)
		}
		return out.Items[0]
	}
	if got := item(made); got["result"] != "created" || got["version"] != 1.0 || got["active"] != true || got["previous_version"] != nil {
		t.Errorf("first: %v", got)
	}
	// The same content as JSON is no new version.
	same := want(t, b.as(access.Author, "POST", "/api/workflows",
		`{"nodes":[{"config":{"values":{"x":1}},"type":"data/set","node_id":"a"},{"node_id":"b","type":"stop","config":{"status":"COMPLETED"}}],"workflow_id":"etl"}`), 200, "")
	if got := item(same); got["result"] != "unchanged" || got["version"] != 1.0 {
		t.Errorf("the same as JSON: %v", got)
	}
	if got := item(want(t, b.apply("?activate=false", flow("etl", "2")), 201, "")); got["version"] != 2.0 || got["active"] != false {
		t.Errorf("draft: %v", got)
	}
	w := want(t, b.call("GET", "/api/workflows/etl", ""), 200, "").json(t)
	if w["active_version"] != 1.0 || w["newest_version"] != 2.0 || w["definition"] == nil {
		t.Errorf("workflow: %v", w)
	}
	d := want(t, b.call("GET", "/api/workflows/etl/diff", ""), 200, "").json(t)
	if text, _ := d["text"].(string); d["from"] != 1.0 || d["to"] != 2.0 || !strings.Contains(text, "-") || !strings.Contains(fmt.Sprint(d["changed"]), "config.values") {
		t.Errorf("diff: %v", d)
	}
	moved := want(t, b.call("POST", "/api/workflows/etl/activate", `{"version":2,"reason":"tested"}`), 200, "").json(t)
	if moved["version"] != 2.0 || moved["previous_version"] != 1.0 {
		t.Errorf("activated: %v", moved)
	}
	back := want(t, b.call("POST", "/api/workflows/etl/rollback", `{"version":1,"reason":"it fails"}`), 200, "").json(t)
	if diff := cmp.Diff(map[string]any{"success": true, "workflow_id": "etl", "rolled_back_to_version": 1.0, "previous_version": 2.0, "runs_changed": 0.0}, back); diff != "" {
		t.Error(diff)
	}
	refused := want(t, b.call("POST", "/api/workflows/etl/rollback", `{"version":2}`), 409, "conflict").json(t) // forward
	if hint, _ := refused["hint"].(string); !strings.Contains(hint, "Activate") {
		t.Errorf("refused: %v", refused)
	}
	log := list(t, b.call("GET", "/api/workflows/etl/activations?limit=2", ""))
	if len(log) != 2 || log[0]["source"] != "rollback" || log[0]["reason"] != "it fails" || log[1]["version"] != 2.0 {
		t.Errorf("log: %v", log)
	}
	versions := list(t, b.call("GET", "/api/workflows/etl/versions", ""))
	if len(versions) != 2 || versions[1]["active"] != true || versions[1]["message"] != "first" || versions[0]["definition"] != nil {
		t.Errorf("versions: %v", versions)
	}
	if one := want(t, b.call("GET", "/api/workflows/etl/versions/1", ""), 200, "").json(t); one["definition"] == nil || one["content_hash"] != versions[1]["content_hash"] {
		t.Errorf("version 1: %v", one)
	}
	if got := list(t, b.call("GET", "/api/workflows?q=ETL", "")); len(got) != 1 {
		t.Errorf("list: %v", got)
	}
	want(t, b.call("DELETE", "/api/workflows/etl", ""), 204, "")
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{"version":1}`), 409, "workflow_archived")
	if got := list(t, b.call("GET", "/api/workflows", "")); len(got) != 0 {
		t.Errorf("archived, and in the list: %v", got)
	}
	want(t, b.apply("", flow("etl", "2")), 200, "")
}

func TestWorkflowRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.apply("", flow("etl", "1")), 201, "")
	want(t, b.call("GET", "/api/workflows/none", ""), 404, "not_found")
	want(t, b.call("GET", "/api/workflows/No%20Slug", ""), 404, "not_found")
	want(t, b.call("GET", "/api/workflows/%ff", ""), 404, "not_found")
	want(t, b.call("GET", "/api/workflows/etl/versions/2", ""), 404, "version_not_found")
	want(t, b.call("GET", "/api/workflows/etl/versions/x", ""), 404, "version_not_found")
	want(t, b.call("GET", "/api/workflows/etl/versions/No", ""), 400, "invalid_parameter")
	want(t, b.call("GET", "/api/workflows/etl/diff?from=1&to=7", ""), 404, "version_not_found")
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{"version":2}`), 404, "version_not_found")
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{"version":0}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{"version":1,"running":"cancel"}`), 409, "running_not_possible")
	want(t, b.call("POST", "/api/workflows/etl/activate", `{"version":1,"running":"keep"}`), 200, "")
	want(t, b.apply("", flow("etl", "2"), "If-Match", `"7"`), 412, "version_mismatch")
	want(t, b.apply("", flow("etl", "2"), "If-Match", `"1"`), 201, "")
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{"version":1}`, "If-Match", `"1"`), 412, "version_mismatch")
	want(t, b.as("stranger", "GET", "/api/workflows/etl", ""), 404, "not_found")
	want(t, b.as(access.Operator, "POST", "/api/workflows", flow("x", "1"), "Content-Type", yamlType), 403, "forbidden")
	want(t, b.as(access.Operator, "POST", "/api/workflows/etl/rollback", `{"version":1}`), 403, "forbidden")
	want(t, b.as(access.Author, "POST", "/api/workflows/etl/rollback", `{"version":1}`), 200, "")
	want(t, b.as(access.Admin, "POST", "/api/workflows", flow("x", "1"), "Content-Type", "text/plain"), 415, "unsupported_media_type")
	want(t, b.apply("", strings.Repeat("# comment\n", 30_000)), 413, "body_too_large")
	want(t, b.apply("?message="+strings.Repeat("x", 1001), flow("x", "1")), 400, "invalid_parameter")
}

// TestWorkflowProblems: what is wrong is told with its place.
func TestWorkflowProblems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := "workflow_id: etl\nnodes:\n- node_id: a\n  type: data\n  data_type: sett\n  config: {values: {x: 1}}\n- node_id: b\n  type: stop\n  config: {status: COMPLETED}\n  depends_on: aa\n"
	a := want(t, b.apply("?file=/home/me/etl.yaml", text), 422, "workflow_invalid")
	for _, part := range []string{`"pointer":"/nodes/0/data_type"`, `etl.yaml:5:`, `did you mean set?`, `"pointer":"/nodes/1/depends_on"`, `unknown_node`} {
		if !strings.Contains(string(a.body), part) {
			t.Errorf("%s is not in %s", part, a.body)
		}
	}
	if strings.Contains(string(a.body), "/home/me") {
		t.Errorf("the folder is in %s", a.body)
	}
	v := want(t, b.as(access.Viewer, "POST", "/api/workflows/validate", text, "Content-Type", "text/yaml"), 200, "").json(t)
	if list, _ := v["problems"].([]any); v["valid"] != false || len(list) < 2 || !strings.Contains(fmt.Sprint(list[0]), "reason:unknown_subtype suggestion:set values:map[field:data_type name:sett]") {
		t.Errorf("validated: %v", v)
	}
	if v := want(t, b.as(access.Viewer, "POST", "/api/workflows/validate", flow("etl", "1"), "Content-Type", yamlType), 200, "").json(t); v["valid"] != true {
		t.Errorf("validated: %v", v)
	}
}

// TestWorkflowHostile: no document brings the server down or in.
func TestWorkflowHostile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, text := range map[string]string{
		"nothing": " ", "nul": "a: \x00", "binary": "\xff\xfe\x00a", "list": "[1,2]", "number": "7", "deep": strings.Repeat("[", 5000),
		"deep map": "workflow_id: w\nvars: {a: " + strings.Repeat("{a: ", 200) + "1" + strings.Repeat("}", 200) + "}\nnodes: []\n",
		"bomb":     "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
		"newer":    "dsl: 2\n" + flow("w", "1"), "kind": "kind: Secret\nname: x\n", "tag": "workflow_id: !!python/object:os.system w\n",
		"nodes":     "workflow_id: w\nnodes:\n" + strings.Repeat("- {node_id: a, type: stop, config: {status: FAILED}}\n", 501),
		"documents": strings.Repeat("---\n"+flow("w", "1"), 51), "twice": flow("w", "1") + "---\n" + flow("w", "2"),
		"json": `{"workflow_id":"w","workflow_id":"v","nodes":[]}`, "json deep": strings.Repeat(`{"a":`, 300), "cycle": "a: &x\n  b: *x\n",
		"long id": flow(strings.Repeat("w", 65), "1"), "surrogate": `{"workflow_id":"w","name":"\ud800","nodes":[]}`,
		"shell": "workflow_id: w\nnodes:\n- {node_id: a, type: command, config: {argv: [sh, -c, 'echo {{inputs.x}}']}}\ninputs: {x: {type: string}}\n",
	} {
		for _, media := range []string{yamlType, "application/json"} {
			a := b.as(access.Admin, "POST", "/api/workflows", text, "Content-Type", media)
			if a.StatusCode < 400 || a.StatusCode > 499 {
				t.Errorf("%s as %s: %d %s", name, media, a.StatusCode, a.body)
			}
			if a := b.as(access.Admin, "POST", "/api/workflows/validate", text, "Content-Type", media); a.StatusCode >= 500 {
				t.Errorf("validate %s: %d %s", name, a.StatusCode, a.body)
			}
		}
	}
	if got := list(t, b.call("GET", "/api/workflows", "")); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
}

// TestApplyFileOfSeveralKinds: templates first, schedules last, nothing if one of
// them is wrong.
func TestApplyFileOfSeveralKinds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := "kind: Schedule\nschedule_id: nightly\ntemplate_id: hello\ncron: '0 2 * * *'\n---\n" + flow("etl", "1") +
		"---\nkind: JobTemplate\nname: hello\njob_type: echo\nparams: {text: hi}\n"
	results := func(a answer) []string {
		var out []string
		items, _ := a.json(t)["items"].([]any)
		for _, item := range items {
			x, _ := item.(map[string]any)
			out = append(out, fmt.Sprint(x["kind"], " ", x["name"], " ", x["result"], " ", x["version"]))
		}
		return out
	}
	broken := strings.Replace(text, "cron: '0 2", "cron: '99 2", 1)
	broken = strings.Replace(broken, "template_id: hello", "job: {job_type: echo, params: {text: x}}", 1)
	want(t, b.apply("", broken), 422, "cron_invalid")
	if got := list(t, b.call("GET", "/api/workflows", "")); len(got) != 0 {
		t.Errorf("a part of a broken file was applied: %v", got)
	}
	if diff := cmp.Diff([]string{"JobTemplate hello created 1", "Workflow etl created 1", "Schedule nightly created 1"}, results(want(t, b.apply("", text), 201, ""))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"JobTemplate hello unchanged 1", "Workflow etl unchanged 1", "Schedule nightly unchanged 1"}, results(want(t, b.apply("", text), 200, ""))); diff != "" {
		t.Error(diff)
	}
	changed := strings.NewReplacer("text: hi", "text: ho", "0 2 *", "0 3 *").Replace(text)
	if diff := cmp.Diff([]string{"JobTemplate hello updated 2", "Workflow etl unchanged 1", "Schedule nightly updated 2"}, results(want(t, b.apply("", changed), 200, ""))); diff != "" {
		t.Error(diff)
	}
	want(t, b.as(access.Author, "POST", "/api/workflows", text, "Content-Type", yamlType, "If-Match", `"1"`), 400, "invalid_header")
}

// flows is the type of jobs that are runs of workflows.
type flows struct{ echo }

func (flows) Type() string                { return "workflow" }
func (flows) Schema() json.RawMessage     { return json.RawMessage(`{"type":"object"}`) }
func (flows) Check(json.RawMessage) error { return nil }

// TestApplyScheduleWithItsWorkflow: what a schedule starts may be in the same file, for
// the first time and with inputs that the stored version does not know.
func TestApplyScheduleWithItsWorkflow(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.Tasks = task.NewRegistry(echo{}, flows{}) })
	schedule := "---\nkind: Schedule\nschedule_id: nightly\nworkflow_id: etl\ncron: '0 2 * * *'\n"
	broken := flow("etl", "1") + strings.Replace(schedule, "'0 2", "'99 2", 1)
	want(t, b.apply("", broken), 422, "cron_invalid")
	want(t, b.apply("", flow("etl", "1")+schedule+"inputs: {nobody: 1}\n"), 422, "invalid_input")
	if got := list(t, b.call("GET", "/api/workflows", "")); len(got) != 0 {
		t.Fatalf("a part of a broken file was applied: %v", got)
	}
	want(t, b.apply("", flow("etl", "1")+schedule), 201, "")
	if got := b.call("GET", "/api/schedules/nightly", "").json(t); got["workflow_id"] != "etl" {
		t.Errorf("the schedule: %v", got)
	}
	second := "inputs: {topic: {type: string, required: true}}\n" + flow("etl", "2")
	want(t, b.apply("", second+schedule+"inputs: {topic: tides}\n"), 201, "")
}

func TestApplyRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one := want(t, b.apply("", flow("etl", "1"), "Idempotency-Key", "k"), 201, "")
	again := want(t, b.apply("", flow("etl", "1"), "Idempotency-Key", "k"), 201, "")
	if again.Header.Get("Idempotency-Replayed") != "true" || string(again.body) != string(one.body) {
		t.Errorf("the repetition: %v %s", again.Header, again.body)
	}
	want(t, b.apply("", flow("etl", "2"), "Idempotency-Key", "k"), 422, "idempotency_mismatch")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if a := b.apply("", flow("race", fmt.Sprint(i))); a.StatusCode != 201 {
				t.Errorf("apply %d: %d %s", i, a.StatusCode, a.body)
			}
		})
	}
	wg.Wait()
	if w := b.call("GET", "/api/workflows/race", "").json(t); w["newest_version"] != 6.0 || w["active_version"] != 6.0 {
		t.Errorf("after six at once: %v", w)
	}
}

// TestExamplesApply: the examples are planned and stored, and come back as they are.
func TestExamplesApply(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"rebalance_core.yaml", "model_canary.json", "etl_customers.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "workflows", name))
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := strings.Cut(name, ".")
		plans := list(t, b.as(access.Viewer, "POST", "/api/workflows/plan", string(text), "Content-Type", yamlType))
		if len(plans) != 1 || plans[0]["workflow_id"] != id {
			t.Errorf("%s: plan %v", name, plans)
		}
		want(t, b.apply("", string(text)), 201, "")
		var v struct {
			Definition json.RawMessage `json:"definition"`
		}
		if err := json.Unmarshal(want(t, b.call("GET", "/api/workflows/"+id+"/versions/1", ""), 200, "").body, &v); err != nil {
			t.Fatal(err)
		}
		want(t, b.apply("", string(v.Definition)), 200, "")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "workflows", "nightly_story.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	plans := list(t, b.as(access.Viewer, "POST", "/api/workflows/plan", string(text), "Content-Type", yamlType))
	if len(plans) != 1 || !strings.Contains(fmt.Sprint(plans[0]["secrets"]), "BLOG_TOKEN") || !strings.Contains(fmt.Sprint(plans[0]["locks"]), "model:{{inputs.model}}") {
		t.Errorf("plan: %v", plans)
	}
}

func TestWorkflowSchema(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := want(t, b.as(access.Viewer, "GET", "/api/schemas/workflow.json", ""), 200, "")
	if s := a.json(t); s["$schema"] == nil || a.Header.Get("Content-Type") != "application/schema+json" {
		t.Errorf("schema: %v %v", a.Header, s["$schema"])
	}
}

// A node that rolls back does what the right is for: who writes it down needs the right.
func TestRollbackNodeNeedsRight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	back := "workflow_id: etl\nnodes:\n- {node_id: a, type: rollback, target_type: workflow, config: {workflow_id: etl, version: 1, reason: x}}\n"
	want(t, b.apply("", back), 201, "")
	b.mint("limited", `{"name":"limited","roles":["author"],"scopes":["workflows:read","workflows:write"]}`)
	for _, query := range []string{"", "?activate=false"} {
		want(t, b.as("limited", "POST", "/api/workflows"+query, strings.ReplaceAll(back, "reason: x", "reason: y"), "Content-Type", yamlType), 403, "forbidden")
	}
	want(t, b.as("limited", "POST", "/api/workflows", flow("other", "1"), "Content-Type", yamlType), 201, "")
}

// unsteady changes running runs at the second try.
type unsteady struct{ tries int }

func (u *unsteady) Prepare(context.Context, api.RunningChange) (func(context.Context) (int, error), error) {
	return func(context.Context) (int, error) {
		if u.tries++; u.tries == 1 {
			return 0, fault.New(fault.StorageBusy, "the database is busy")
		}
		return 3, nil
	}, nil
}

// TestRepeatedMoveDoesTheRest: what an activation could not do with the running runs is
// done when the request is repeated with its key, and then never again.
func TestRepeatedMoveDoesTheRest(t *testing.T) {
	t.Parallel()
	u := &unsteady{}
	b := setup(t, func(o *api.Options) { o.Running = u })
	want(t, b.apply("", flow("etl", "1")), 201, "")
	want(t, b.apply("?activate=false", flow("etl", "2")), 201, "")
	move := func() answer {
		return b.call("POST", "/api/workflows/etl/activate", `{"version":2,"running":"cancel"}`, "Idempotency-Key", "k")
	}
	want(t, move(), 503, "storage_busy")
	if v := want(t, b.call("GET", "/api/workflows/etl", ""), 200, "").json(t); v["active_version"] != 2.0 {
		t.Fatalf("active is %v", v["active_version"])
	}
	for range 2 {
		if v := want(t, move(), 200, "").json(t); v["runs_changed"] != 3.0 {
			t.Errorf("answer %v", v)
		}
	}
	if u.tries != 2 {
		t.Errorf("the runs were changed %d times", u.tries)
	}
}
