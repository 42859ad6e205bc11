package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

const (
	jobID = "job_01jh0000000000000000000000"
	runID = "run_01jh0000000000000000000000"
)

func job(status string) client.Job {
	j := client.Job{
		JobID: jobID, Name: "train \x1b[31mred", JobType: "command", Status: status, Priority: 5,
		Params: json.RawMessage(`{"argv":["/bin/echo","a \u003e b"]}`), Locks: []string{"gpu:0"}, Labels: map[string]string{"team": "red"},
		CreatedBy: "ann", CreatedAt: now.Add(-3 * time.Minute), QueuedAt: now.Add(-3 * time.Minute),
		RetryPolicy: client.RetryPolicy{MaxAttempts: 3},
	}
	switch status {
	case "QUEUED":
		j.Position = new(2)
		j.Waiting = &client.Waiting{Code: "lock", Detail: "waits for lock gpu:0"}
	default:
		j.Attempt, j.RunID, j.StartedAt = 1, new(runID), new(now.Add(-time.Minute))
	}
	if status == "APPROVAL" {
		j.Status, j.Attempt, j.RunID, j.StartedAt = "QUEUED", 0, nil, nil
		j.Waiting, j.ApprovalID = &client.Waiting{Code: "approval", Detail: "waits for an approval"}, new("appr_1")
	}
	if status == "FAILED" {
		j.Error = &client.Error{Code: "exit_nonzero", Message: "exit code 3"}
	}
	return j
}

func run() client.Run {
	return client.Run{
		RunID: runID, JobID: new(jobID), Name: "train", JobType: "command", Status: new("COMPLETED"), Attempt: 1, Trigger: "manual",
		CreatedBy: "ann", Params: json.RawMessage(`{}`), StartedAt: new(now.Add(-time.Minute)), FinishedAt: new(now), DurationMs: new(int64(60000)),
		ExitCode: new(0), LogBytes: 1536, Outputs: map[string]string{"loss": "0.1"},
		Progress: &client.Progress{Stage: "loading", Done: 3, Total: new(int64(10))},
	}
}

// fake is a server of the API's shapes. Jobs change with each look.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []string // of the job, one for each look; the last one stays
	requests []string
	bodies   []string
	tokens   []string
}

func serve(t *testing.T, statuses ...string) *fake {
	t.Helper()
	f := &fake{statuses: statuses}
	f.Server = httptest.NewServer(http.HandlerFunc(f.answer))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, _ := io.ReadAll(r.Body)
	f.requests = append(f.requests, r.Method+" "+r.URL.String())
	f.bodies = append(f.bodies, string(b))
	f.tokens = append(f.tokens, r.Header.Get("Authorization"))
	page := func(items ...any) any { return map[string]any{"items": items, "next_cursor": nil} }
	var out any
	path := strings.TrimPrefix(r.URL.Path, "/api")
	if lookAnswer(w, r.Method+" "+path, r.URL.RawQuery) || scheduleAnswer(w, r.Method+" "+path) || approvalAnswer(w, r.Method+" "+path) || accessAnswer(w, r.Method+" "+path, r.URL.Query().Get("tenant")) || webhookAnswer(w, r.Method+" "+path) || secretAnswer(w, r.Method+" "+path) || groupAnswer(w, r.Method+" "+path) || calendarAnswer(w, r.Method+" "+path) || directiveAnswer(w, r.Method+" "+path, r.Header.Get("Accept")) {
		return
	}
	switch r.Method + " " + path {
	case "POST /jobs":
		w.WriteHeader(http.StatusCreated)
		out = job("QUEUED")
	case "GET /jobs":
		out = page(job("QUEUED"), job("RUNNING"), job("FAILED"))
	case "GET /jobs/" + jobID:
		out = job(f.statuses[0])
		if len(f.statuses) > 1 {
			f.statuses = f.statuses[1:]
		}
	case "POST /jobs/" + jobID + "/cancel":
		out = job("CANCELLED")
	case "POST /job-runs/" + runID + "/retry":
		out = job("QUEUED")
	case "GET /job-runs":
		out = page(run())
	case "GET /job-runs/" + runID:
		out = run()
	case "GET /job-runs/" + runID + "/logs":
		fmt.Fprint(w, "line 1\nline 2\n")
		return
	case "GET /job-runs/" + runID + "/artifacts":
		out = page(client.Artifact{ArtifactID: "art_1", RunID: runID, Name: "out/a.csv", SizeBytes: 3, SHA256: strings.Repeat("ab", 32), MediaType: "text/csv"})
	case "GET /artifacts/art_1":
		fmt.Fprint(w, "1,2")
		return
	case "GET /job-templates", "GET /job-templates/nightly", "POST /job-templates", "PATCH /job-templates/nightly":
		tmpl := client.JobTemplate{TemplateID: "tmpl_1", Name: "nightly", JobType: "command", Version: 2, Priority: 5, UpdatedAt: now, CreatedAt: now, CreatedBy: "ann"}
		out = any(tmpl)
		if path == "/job-templates" && r.Method == http.MethodGet {
			out = page(tmpl)
		}
	case "GET /llm/servers":
		out = client.LLMServers{Items: []client.LLMServer{
			{
				Name: "default", Kind: "ollama", URL: "http://127.0.0.1:11434", Status: "ok", LatencyMs: new(int64(3)),
				Models: []client.LLMModel{{Name: "qwen3:8b"}, {Name: "gemma3:4b"}}, Loaded: []client.LLMLoaded{{Name: "qwen3:8b"}},
			},
			{Name: "gpu", Kind: "openai", URL: "http://10.0.0.5:8080", Status: "unavailable", Code: new("llm_unreachable")},
		}}
	case "GET /workers", "PATCH /workers":
		out = client.Workers{Count: 2, Running: 1, Slots: []client.Slot{
			{Slot: 1, State: "busy", JobID: new(jobID), Name: new("train"), JobType: new("command"), Since: new(now.Add(-90 * time.Second))},
			{Slot: 2, State: "idle"},
		}}
	case "GET /queue", "PUT /queue/order", "POST /jobs/" + jobID + "/move", "POST /jobs/" + jobID + "/restore", "POST /jobs/bulk",
		"GET /limits", "PATCH /limits", "GET /settings", "PATCH /settings":
		out = orderAnswer(r.Method + " " + path)
	case "GET /scheduler", "POST /scheduler/pause":
		out = client.Scheduler{State: "paused", PausedBy: new("ann"), PausedReason: new("lunch"), Workers: 2, Running: 1, Queued: 4, Engine: "sqlite 3", Version: "1.0", UptimeMs: 3_600_000}
	default:
		status := http.StatusNotFound
		if _, err := fmt.Sscanf(path, "/jobs/status%d", &status); err != nil {
			status = http.StatusNotFound
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		out = client.Problem{
			Status: status, Code: "some_code", Detail: "it is \x1b[31mso", Hint: "do that", RequestID: "req_1",
			Errors: []client.Place{{Pointer: "/params/argv", Detail: "is missing"}},
		}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// invoke runs the command line against f.
func (f *fake) invoke(ctx context.Context, t *testing.T, stdin string, args ...string) (out, talk string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := func(name string) (string, bool) {
		switch name {
		case "RUNSHEET_URL":
			return f.URL, true
		case "RUNSHEET_TOKEN":
			return "rst_x", true
		}
		return "", false
	}
	code = Main(ctx, args, strings.NewReader(stdin), &stdout, &stderr, Options{Version: "1.2.3", Env: env, Clock: clocktest.New(now)})
	return stdout.String(), stderr.String(), code
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"help":            "--help",
		"job_add_help":    "job add --help",
		"job_ls":          "job ls",
		"job_ls_json":     "job ls --json",
		"job_ls_fields":   "job ls --json=status,job_id",
		"job_ls_q":        "job ls -q",
		"job_get":         "job get " + jobID,
		"job_add":         "job add --name hello -- /bin/echo hello",
		"job_add_usage":   "job add /bin/echo hello",
		"job_cancel":      "job cancel --yes " + jobID,
		"job_cancel_asks": "job cancel " + jobID,
		"job_logs":        "job logs " + jobID,
		"job_retry":       "job retry " + jobID,
		"run_ls":          "run ls",
		"run_get":         "run get " + runID,
		"run_artifacts":   "run artifacts " + runID,
		"template_ls":     "template ls",
		"template_get":    "template get nightly",
		"worker_ls":       "worker ls",
		"llm_ls":          "llm ls",
		"worker_scale":    "worker scale 2",
		"queue_status":    "queue status",
		"queue_ls":        "queue ls --limit 2",
		"queue_ls_json":   "queue ls --json=job_id,position,status",
		"queue_reorder":   "queue reorder " + jobID + " job_2",
		"queue_help":      "queue --help",
		"bench_help":      "bench --help",
		"bench_jobs":      "bench --jobs 0",
		"bench_scenario":  "bench --scenario drain,sleep",
		"bench_sizes":     "bench --goal-sizes --jobs 5",
		"bench_url":       "bench --database-url mysql://x",
		"job_move":        "job move --top " + jobID,
		"job_move_usage":  "job move " + jobID,
		"job_move_two":    "job move --top --position 2 " + jobID,
		"job_move_help":   "job move --help",
		"job_restore":     "job restore " + jobID,
		"job_bulk":        "job bulk cancel --label team=red --yes",
		"job_bulk_asks":   "job bulk cancel --all",
		"job_bulk_usage":  "job bulk hold",
		"limits_get":      "limits get",
		"limits_set":      "limits set --global 4 --type story=1 --tenant red=none",
		"limits_usage":    "limits set --type story",
		"settings_get":    "settings get",
		"settings_set":    "settings set strict_order=true max_overtake_age=default",
		"version":         "version",
		"version_json":    "version --json",
		"problem":         "job get status422",
		"unknown_verb":    "job lst",
		"unknown_flag":    "job ls --nope",
		"unknown_field":   "job ls --json=nope",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// golden compares what a command prints, and its exit code, with a file.
func golden(t *testing.T, name, args string) {
	t.Parallel()
	f := serve(t, "FAILED")
	out, talk, code := f.invoke(t.Context(), t, "", strings.Fields(args)...)
	got := fmt.Sprintf("$ runsheet %s\n%s--- stderr\n%s--- exit %d\n", args, strings.ReplaceAll(out, f.URL, "http://server"), talk, code)
	if strings.Contains(got, "\x1b") {
		t.Error("a control sequence of the server reaches the terminal")
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{
		"job get " + jobID:                exitOK,
		"job watch " + jobID:              exitFailed,
		"job":                             exitOK,
		"nope":                            exitUsage,
		"job get":                         exitUsage,
		"job get a b":                     exitUsage,
		"job add":                         exitUsage,
		"job add --priority 11 -- x":      exitUsage,
		"job add --wait=never -- x":       exitUsage,
		"job add --type a --template b":   exitUsage,
		"job cancel x":                    exitUsage,
		"worker scale many":               exitUsage,
		"job get status400":               exitUsage,
		"job get status422":               exitUsage,
		"job get status413":               exitUsage,
		"job get status404":               exitNotFound,
		"job get status401":               exitAuth,
		"job get status403":               exitAuth,
		"job get status409":               exitConflict,
		"job get status412":               exitConflict,
		"job get status500":               exitFailed,
		"job get status507":               exitUnreachable,
		"job ls --url http://127.0.0.1:1": exitUnreachable,
		"job ls --url ftp://x":            exitUsage,
		"job ls --token-file /no/such":    exitUsage,
		"serve --listen nonsense":         exitUsage,
		"serve --listen 0.0.0.0:80":       exitUsage,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			out, talk, code := serve(t, "FAILED").invoke(t.Context(), t, "", strings.Fields(args)...)
			if code != want {
				t.Errorf("exit %d, want %d\n%s%s", code, want, out, talk)
			}
			if code != exitOK && talk == "" {
				t.Error("nothing was said")
			}
		})
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	for end, want := range map[string]int{"COMPLETED": exitOK, "FAILED": exitFailed, "SKIPPED": exitCancelled, "CANCELLED": exitCancelled} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			f := serve(t, "QUEUED", "QUEUED", "RUNNING", end)
			out, talk, code := f.invoke(t.Context(), t, "", "job", "add", "--wait", "--", "/bin/echo")
			if code != want || out != "" {
				t.Errorf("exit %d, want %d; stdout %q", code, want, out)
			}
			lines := strings.Split(strings.TrimSpace(talk), "\n")
			if n := len(lines) - 1; end == "FAILED" && lines[n] == "output: runsheet job logs "+jobID {
				lines = lines[:n]
			} else if end == "FAILED" {
				t.Errorf("no word about the output:\n%s", talk)
			}
			if len(lines) != 4 || lines[0] != "added "+jobID || lines[1] != "queued, 2 before it: waits for lock gpu:0" ||
				lines[2] != "running 3/10 loading" || !strings.HasPrefix(lines[3], jobID+" "+end+" after 0s") {
				t.Errorf("stderr:\n%s", talk)
			}
		})
	}
}

func TestFollowPrintsTheOutputOnce(t *testing.T) {
	t.Parallel()
	for name, statuses := range map[string][]string{
		"seen running": {"QUEUED", "RUNNING", "RUNNING", "COMPLETED"},
		"too quick":    {"QUEUED", "COMPLETED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, talk, code := serve(t, statuses...).invoke(t.Context(), t, "", "job", "add", "--follow", "--", "/bin/echo")
			if code != exitOK || out != "line 1\nline 2\n" {
				t.Errorf("exit %d, stdout %q\n%s", code, out, talk)
			}
		})
	}
}

func TestWaitGivesUp(t *testing.T) {
	t.Parallel()
	_, talk, code := serve(t, "QUEUED").invoke(t.Context(), t, "", "job", "add", "--wait=1ms", "--", "/bin/echo")
	if code != exitTimeout || !strings.Contains(talk, "goes on") {
		t.Errorf("exit %d\n%s", code, talk)
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := serve(t, "QUEUED")
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			cancel()
		}
		inner.ServeHTTP(w, r)
	})
	_, talk, code := f.invoke(ctx, t, "", "job", "add", "--wait", "--", "/bin/echo")
	if code != exitInterrupted || !strings.Contains(talk, "the job goes on") || !strings.Contains(talk, jobID) {
		t.Errorf("exit %d\n%s", code, talk)
	}
}

func TestAddSendsWhatWasSaid(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(file, []byte(`{"a":1,"b":{"c":2}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, stdin, want string }{
		{"-- /bin/echo --wait -n", "", `{"job_type":"command","name":"echo","params":{"argv":["/bin/echo","--wait","-n"]},"trigger":"manual"}`},
		{"--type t --params @" + file, "", `{"job_type":"t","params":{"a":1,"b":{"c":2}},"trigger":"manual"}`},
		{"--type t --params - --param a=2 --param s=x --param l=[1]", `{"a":1}`, `{"job_type":"t","params":{"a":2,"l":[1],"s":"x"},"trigger":"manual"}`},
		{
			"--template nightly --priority high --label a=b --label c=d=e --lock gpu:0 --timeout 15m --retry 2 --retry-delay 30s --hold --run-at +10m", "",
			`{"template_id":"nightly","priority":2,"retry_policy":{"initial":"30s","max_attempts":2},"timeout":"15m","locks":["gpu:0"],"hold":true,"run_at":"2026-01-31T12:10:00Z","labels":{"a":"b","c":"d=e"},"trigger":"manual"}`,
		},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			f := serve(t)
			out, talk, code := f.invoke(t.Context(), t, c.stdin, append([]string{"job", "add"}, strings.Fields(c.args)...)...)
			if code != exitOK || out != jobID+"\n" {
				t.Fatalf("exit %d, stdout %q\n%s", code, out, talk)
			}
			var got, want any
			if err := errors.Join(json.Unmarshal([]byte(f.bodies[0]), &got), json.Unmarshal([]byte(c.want), &want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTemplateSetSendsAPatch(t *testing.T) {
	t.Parallel()
	f := serve(t)
	_, talk, code := f.invoke(t.Context(), t, "", "template", "edit", "nightly", "--timeout", "2h", "--unset", "description", "--archived=false", "--if-version", "2")
	if code != exitOK {
		t.Fatal(talk)
	}
	if want := `{"archived":false,"description":null,"timeout":"2h"}`; f.bodies[0] != want {
		t.Errorf("body %s, want %s", f.bodies[0], want)
	}
}

func TestSaveStaysInItsFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	_, talk, code := serve(t).invoke(t.Context(), t, "", "run", "artifacts", runID, "--save", dir)
	if b, err := os.ReadFile(filepath.Join(dir, "out", "a.csv")); code != exitOK || err != nil || string(b) != "1,2" {
		t.Errorf("exit %d, %q, %v\n%s", code, b, err, talk)
	}
	a := &app{err: io.Discard}
	cl, err := client.New(client.Options{URL: serve(t).URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../escape", "/etc/escape", "a/../../escape"} {
		if err := a.save(t.Context(), cl, dir, []client.Artifact{{ArtifactID: "art_1", Name: name}}); err == nil {
			t.Errorf("%s was saved", name)
		}
	}
}

func TestCompletionHasLiveIDs(t *testing.T) {
	t.Parallel()
	out, _, code := serve(t).invoke(t.Context(), t, "", "__complete", "job", "get", "")
	if code != exitOK || !strings.Contains(out, jobID+"\ttrain red, QUEUED") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestLocalServerOfTheDataFolder(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	f := serve(t)
	try := func() (string, int) {
		var out, talk bytes.Buffer
		code := Main(t.Context(), []string{"job", "ls", "-q", "--data", data}, nil, &out, &talk, Options{Env: func(string) (string, bool) { return "", false }})
		return out.String() + talk.String(), code
	}
	if text, code := try(); code != exitUnreachable || !strings.Contains(text, "runsheet serve") {
		t.Errorf("no server: exit %d\n%s", code, text)
	}
	if err := config.WriteLocal(data, config.Local{URL: f.URL, Token: "t"}); err != nil {
		t.Fatal(err)
	}
	if text, code := try(); code != exitOK || !strings.HasPrefix(text, jobID) {
		t.Errorf("exit %d\n%s", code, text)
	}
	// The server starts again: a new port and a new token, in the middle of work.
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := config.WriteLocal(data, config.Local{URL: f.URL, Token: "new"}); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer old.Close()
	if err := config.WriteLocal(data, config.Local{URL: old.URL, Token: "old"}); err != nil {
		t.Fatal(err)
	}
	if text, code := try(); code != exitOK || !strings.HasPrefix(text, jobID) {
		t.Errorf("after a restart: exit %d\n%s", code, text)
	}
	if got := f.tokens[len(f.tokens)-1]; got != "Bearer new" {
		t.Errorf("token %q", got)
	}
	if err := os.Chmod(config.LocalPath(data), 0o644); err != nil {
		t.Fatal(err)
	}
	if text, code := try(); code != exitAuth || !strings.Contains(text, "chmod 600") {
		t.Errorf("wide permissions: exit %d\n%s", code, text)
	}
}

func TestWatchPrintsChanges(t *testing.T) {
	t.Parallel()
	f := serve(t, "QUEUED", "QUEUED", "RUNNING")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pr, pw := io.Pipe()
	clk := clocktest.New(now)
	code := make(chan int, 1)
	go func() {
		code <- Main(ctx, []string{"job", "get", "--watch", "--json=status", jobID, "--url", f.URL}, nil, pw, io.Discard,
			Options{Env: func(string) (string, bool) { return "", false }, Clock: clk})
		_ = pw.Close()
	}()
	go func() {
		for ctx.Err() == nil {
			if clk.Timers() > 0 {
				clk.Advance(watchEvery)
			}
		}
	}()
	buf := make([]byte, 256)
	var got string
	for strings.Count(got, "\n") < 2 {
		n, err := pr.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	cancel()
	if want := "{\"status\":\"QUEUED\"}\n{\"status\":\"RUNNING\"}\n"; got != want {
		t.Errorf("got %q", got)
	}
	if c := <-code; c != exitInterrupted {
		t.Errorf("exit %d", c)
	}
}

func TestServeAndConfig(t *testing.T) {
	t.Parallel()
	var got config.Config
	var out, talk bytes.Buffer
	o := Options{
		Env: func(name string) (string, bool) {
			return map[string]string{"RUNSHEET_WORKERS": "3", "HOME": "/h"}[name], name == "RUNSHEET_WORKERS" || name == "HOME"
		},
		Serve: func(_ context.Context, cfg config.Config) error {
			got = cfg
			return fault.New(fault.StorageUnavailable, "the data folder is in use")
		},
	}
	code := Main(t.Context(), []string{"serve", "--demo", "--listen=127.0.0.1:0", "--data=/d", "--log-format=json"}, nil, &out, &talk, o)
	if code != exitUnreachable || !got.Demo || got.Workers != 3 || got.Data != "/d" {
		t.Errorf("exit %d, %+v", code, got)
	}
	if !strings.Contains(talk.String(), "the data folder is in use") {
		t.Errorf("stderr %s", talk.String())
	}
	if code := Main(t.Context(), []string{"config", "print", "--demo", "--json"}, nil, &out, &talk, o); code != exitOK {
		t.Fatal(talk.String())
	}
	if !strings.Contains(out.String(), `"origin": "environment RUNSHEET_WORKERS"`) || !strings.Contains(out.String(), `"origin": "flag --demo"`) {
		t.Errorf("%s", out.String())
	}
}

func TestProgressLineOnATerminal(t *testing.T) {
	t.Parallel()
	var talk bytes.Buffer
	f := serve(t, "QUEUED", "RUNNING", "COMPLETED")
	cl, err := client.New(client.Options{URL: f.URL})
	if err != nil {
		t.Fatal(err)
	}
	a := &app{out: io.Discard, err: &talk, errTTY: true, width: 30, Options: Options{Clock: clocktest.New(now)}}
	if err := a.wait(t.Context(), cl, jobID, waitFlags{on: true}); err != nil {
		t.Fatal(err)
	}
	want := "\r\x1b[K0s  queued, 2 before it: wait\r\x1b[K0s  running 3/10 loading\r\x1b[K" + jobID + " COMPLETED after 0s\n"
	if got := talk.String(); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
