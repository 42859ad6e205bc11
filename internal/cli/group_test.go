package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock"
)

const groupID = "group_01jh0000000000000000000000"

func group(status string) client.JobGroup {
	g := client.JobGroup{
		GroupID: groupID, Name: "night", Mode: "parallel", MaxParallel: 2, OnFailure: "continue", Status: status, Total: 3,
		Labels: map[string]string{"team": "red"}, CreatedBy: "ann", CreatedAt: now.Add(-3 * 60e9),
	}
	if status == "PENDING" {
		g.Position, g.Waiting = new(4), &client.Waiting{Code: "lock", Detail: "lock gpu:0 is held by \x1b[31mjob_1"}
	} else {
		g.Completed, g.Succeeded, g.Failed, g.Running, g.StartedAt = 2, 1, 1, 1, new(now.Add(-60e9))
	}
	return g
}

// groupAnswer answers for groups and locks. Names of locks say how: "lost" cannot
// be renewed, "held" is another's.
func groupAnswer(w http.ResponseWriter, what string) bool {
	page := func(items ...any) any { return map[string]any{"items": items, "next_cursor": nil} }
	refuse := func(code string) any {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		return client.Problem{Status: 409, Code: code, Detail: "it is " + code}
	}
	grant := client.LockGrant{Name: "gpu:0", Token: 17, Holder: "train.py", Since: now, ExpiresAt: now.Add(30e9)}
	holder := client.LockHolder{Kind: "job", JobID: new(jobID), JobName: new("train"), RunID: new(runID), Token: 17, Since: now}
	lock := client.Lock{Name: "gpu:0", Capacity: 2, Free: 0, Holders: []client.LockHolder{
		holder, {Kind: "outside", Holder: new("train.py"), Token: 18, Since: now, ExpiresAt: new(now.Add(30e9))}, {Kind: "job", OtherTenant: true, Token: 19, Since: now, Lost: true},
	}}
	var out any
	switch what {
	case "POST /job-groups":
		w.WriteHeader(http.StatusCreated)
		out = group("PENDING")
	case "GET /job-groups":
		out = page(group("PENDING"), group("RUNNING"))
	case "GET /job-groups/" + groupID:
		g := group("RUNNING")
		g.Jobs = []client.Job{job("RUNNING"), job("QUEUED")}
		out = g
	case "POST /job-groups/" + groupID + "/jobs":
		w.WriteHeader(http.StatusCreated)
		g := group("PENDING")
		g.Jobs = []client.Job{job("QUEUED")}
		out = g
	case "POST /job-groups/" + groupID + "/dissolve":
		left := group("RUNNING")
		out = client.JobGroupDissolved{GroupID: groupID, JobIDs: []string{jobID, "job_01jh0000000000000000000009"}, Position: 3, Revision: 7, Group: &left}
	case "POST /job-groups/" + groupID + "/cancel":
		out = group("RUNNING")
	case "GET /locks":
		out = page(lock)
	case "GET /locks/gpu:0", "PATCH /locks/gpu:0":
		out = lock
	case "POST /locks/held/acquire":
		out = refuse("lock_held")
	case "POST /locks/gpu:0/acquire", "POST /locks/team/a/acquire", "POST /locks/lost/acquire", "POST /locks/gpu:0/renew":
		out = grant
	case "POST /locks/gpu:0/release", "POST /locks/team/a/release":
		w.WriteHeader(http.StatusNoContent)
		return true
	case "POST /locks/lost/renew", "POST /locks/lost/release":
		out = refuse("lock_not_held")
	case "POST /locks/gpu:0/force-release":
		out = holder
	default:
		return false
	}
	_ = json.NewEncoder(w).Encode(out)
	return true
}

func TestGroupAndLockGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"group_add":           "group add --name night --job extract --job {\"job_type\":\"command\",\"params\":{\"argv\":[\"/bin/true\"]}}",
		"group_add_help":      "group add --help",
		"group_add_usage":     "group add --name night",
		"group_add_waiting":   "group add --name night --mode sequential " + jobID + " job_01jh0000000000000000000009",
		"group_add_both":      "group add --name night --job extract " + jobID,
		"group_dissolve":      "group dissolve " + groupID,
		"group_dissolve_json": "group dissolve " + groupID + " --json=job_ids,position",
		"group_dissolve_help": "group dissolve --help",
		"group_add_field":     "group add --name night --job {\"jobType\":\"command\"}",
		"group_ls":            "group ls",
		"group_ls_json":       "group ls --json=group_id,status",
		"group_get":           "group get " + groupID,
		"group_add_job":       "group add-job " + groupID + " --job report",
		"group_cancel":        "group cancel --yes " + groupID,
		"group_cancel_asks":   "group cancel " + groupID,
		"lock_ls":             "lock ls",
		"lock_get":            "lock get gpu:0",
		"lock_acquire":        "lock acquire gpu:0 --holder train.py",
		"lock_acquire_q":      "lock acquire gpu:0 --holder train.py -q",
		"lock_acquire_held":   "lock acquire held --holder train.py",
		"lock_renew":          "lock renew gpu:0 17 --ttl 1m",
		"lock_renew_lost":     "lock renew lost 17",
		"lock_release":        "lock release gpu:0 17",
		"lock_release_json":   "lock get gpu:0 --json=name,free",
		"lock_force":          "lock force-release gpu:0 17 --yes",
		"lock_force_asks":     "lock force-release gpu:0 17",
		"lock_capacity":       "lock set-capacity gpu:0 2",
		"lock_run_help":       "lock run --help",
		"lock_run_usage":      "lock run gpu:0",
		"lock_token_usage":    "lock release gpu:0 x",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// TestGroupAddBodies: flags, JSON and YAML make the same request.
func TestGroupAddBodies(t *testing.T) {
	t.Parallel()
	const want = `{"jobs":[{"params":{"lr":0.1},"template_id":"train"},{"template_id":"report"}],"labels":{"team":"red"},"max_parallel":2,"mode":"parallel","name":"sweep","top":true}`
	yaml := "name: sweep\nmode: parallel\nmax_parallel: 2\ntop: true\nlabels: {team: red}\njobs:\n  - template_id: train\n    params:\n      lr: 0.1\n  - template_id: report\n"
	file := filepath.Join(t.TempDir(), "g.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stdin string
		args  []string
	}{
		"flags": {"", []string{"--name", "sweep", "--max-parallel", "2", "--top", "--label", "team=red", "--job", `{"template_id":"train","params":{"lr":0.1}}`, "--job", "report"}},
		"json":  {want, []string{"--file", "-"}},
		"yaml":  {yaml, []string{"--file", "-"}},
		"file":  {"", []string{"--file", file}},
		"over":  {strings.Replace(yaml, "sweep", "other", 1), []string{"--file", "-", "--name", "sweep"}},
	} {
		f := serve(t, "QUEUED")
		_, talk, code := f.invoke(t.Context(), t, c.stdin, append([]string{"group", "add"}, c.args...)...)
		if code != exitOK {
			t.Errorf("%s: exit %d: %s", name, code, talk)
			continue
		}
		var body any
		if err := json.Unmarshal([]byte(f.bodies[0]), &body); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(body); err != nil || string(got) != want {
			t.Errorf("%s: sent %s, %v", name, got, err)
		}
	}
	f := serve(t, "QUEUED")
	if _, talk, code := f.invoke(t.Context(), t, "", "group", "add", "--name", "n", "--mode", "sequential", jobID, "job_2"); code != exitOK || f.bodies[0] != `{"name":"n","mode":"sequential","job_ids":["`+jobID+`","job_2"]}` {
		t.Errorf("of waiting jobs: exit %d: %s, sent %s", code, talk, f.bodies[0])
	}
	for _, text := range []string{"name: [", `{"name":"x","jobs":[{"jobType":"x"}]}`, "name: x\nname: y\njobs: []"} {
		if _, talk, code := serve(t, "QUEUED").invoke(t.Context(), t, text, "group", "add", "--file", "-"); code != exitUsage || talk == "" {
			t.Errorf("%q: exit %d: %s", text, code, talk)
		}
	}
}

// TestLockRun runs real commands under a lock of the fake server.
func TestLockRun(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	for name, c := range map[string]struct {
		lock, script, out string
		code              int
		calls             string
	}{
		"ends well":      {"gpu:0", `echo $RUNSHEET_LOCK $RUNSHEET_LOCK_TOKEN`, "gpu:0 17\n", 0, "acquire release"},
		"its exit code":  {"team/a", "exit 42", "", 42, "acquire release"},
		"killed":         {"gpu:0", "kill -9 $$", "", 137, "acquire release"},
		"held by others": {"held", "echo never", "", exitConflict, "acquire"},
		"lost":           {"lost", "trap 'echo stopped; exit 3' TERM; sleep 60 & wait", "stopped\n", exitConflict, "acquire renew"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, "QUEUED")
			out, talk, code := f.invoke(t.Context(), t, "", "lock", "run", c.lock, "--ttl", "5s", "--", "/bin/sh", "-c", c.script)
			if code != c.code || out != c.out {
				t.Errorf("exit %d, out %q, talk %q", code, out, talk)
			}
			var calls []string
			for _, r := range f.requests {
				calls = append(calls, r[strings.LastIndex(r, "/")+1:])
			}
			if got := strings.Join(calls, " "); got != c.calls {
				t.Errorf("requests %q, want %q", got, c.calls)
			}
			if name == "lost" && !strings.Contains(talk, "lock lost was lost") {
				t.Errorf("talk %q", talk)
			}
		})
	}
	_, talk, code := serve(t, "QUEUED").invoke(t.Context(), t, "", "lock", "run", "gpu:0", "--", "/no/such/program")
	if code != exitUsage {
		t.Errorf("no such program: exit %d: %s", code, talk)
	}
}

// TestLockRunInterrupted: Ctrl-C ends the command, and the lock is given back.
func TestLockRunInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	f := serve(t, "QUEUED")
	mark := filepath.Join(t.TempDir(), "begun")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan string, 1)
	go func() {
		_, talk, code := f.invoke(ctx, t, "", "lock", "run", "gpu:0", "--", "/bin/sh", "-c", fmt.Sprintf("touch %s; sleep 60", mark))
		done <- fmt.Sprint(code, " ", talk)
	}()
	limit, cancel := context.WithTimeout(t.Context(), 60e9)
	defer cancel()
	for _, err := os.Stat(mark); err != nil; _, err = os.Stat(mark) {
		if clock.Sleep(limit, clock.System{}, 5e6) != nil {
			t.Fatal("the command did not begin")
		}
	}
	stop()
	if got := <-done; !strings.HasPrefix(got, "130 ") {
		t.Error(got)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.requests); n < 2 || !strings.HasSuffix(f.requests[n-1], "/release") {
		t.Errorf("requests %v", f.requests)
	}
}
