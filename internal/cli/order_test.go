package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
)

// orderAnswer is what the fake server says about the order, limits and rules.
func orderAnswer(op string) any {
	switch op {
	case "GET /queue":
		next, second := "more", job("QUEUED")
		second.JobID, second.Name, second.Position = "job_2", "story", new(1)
		second.EstimatedWait, second.Waiting = new("PT15M"), &client.Waiting{Code: "position", Detail: "1 place is ahead"}
		return client.QueueState{
			Revision: 41, Paused: true, Workers: 2,
			Running: []client.RunningJob{{
				JobID: new("job_0"), RunID: runID, Name: "first", JobType: "command", Priority: new(5), Attempt: 1, StartedAt: now.Add(-time.Minute),
				Progress: &client.Progress{Stage: "loading", Done: 3, Total: new(int64(10))},
			}, {RunID: "run_direct", Name: "asked", JobType: "story", StartedAt: now}},
			Direct: []client.WaitingDirect{{RunID: "run_2", Kind: "story"}},
			Queued: client.JobList{Items: []client.Job{job("QUEUED"), second}, NextCursor: &next}, Statistics: client.QueueStatistics{Queued: 9},
		}
	case "PUT /queue/order":
		return client.OrderChange{Revision: 42, Moved: []string{jobID}, Ignored: []string{"job_2"}}
	case "POST /jobs/" + jobID + "/move":
		j := job("QUEUED")
		return client.OrderChange{Revision: 42, Moved: []string{jobID}, JobID: new(jobID), OldPosition: new(5), NewPosition: new(0), Job: &j}
	case "POST /jobs/" + jobID + "/restore":
		return job("QUEUED")
	case "POST /jobs/bulk":
		return client.BulkResult{Action: "cancel", Matched: 2, Done: 1, Refused: 1, More: true, Items: []client.BulkItem{
			{JobID: jobID, Name: new("train"), Status: new("CANCELLED"), Result: "done"},
			{JobID: "job_2", Name: new("story"), Status: new("COMPLETED"), Result: "refused", Error: &client.Error{Code: "already_finished", Message: "job job_2 is COMPLETED"}},
		}}
	case "GET /limits", "PATCH /limits":
		return client.Limits{
			MaxGlobal: new(4), MaxPerJob: map[string]int{"story": 1}, MaxPerTemplate: map[string]int{}, MaxPerTenant: map[string]int{},
			Running: client.LimitCounts{Global: 2, PerJob: map[string]int{"command": 1, "story": 1}},
		}
	}
	return client.Rules{MaxOvertakes: 20, MaxOvertakeAge: "PT10M", DirectGroupPolicy: "whole", DirectWaitTimeout: "PT5M", DirectMaxWaiting: 100}
}

// TestOrderSendsWhatWasSaid: what a person writes is what the server is asked.
func TestOrderSendsWhatWasSaid(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"job move --position 0 " + jobID:                           `POST /api/jobs/` + jobID + `/move {"position":0}`,
		"job move --before job_9 " + jobID:                         `POST /api/jobs/` + jobID + `/move {"before":"job_9"}`,
		"queue reorder a b --after c":                              `PUT /api/queue/order {"order":["a","b"],"after":"c"}`,
		"queue reorder a b":                                        `PUT /api/queue/order {"order":["a","b"]}`,
		"job edit " + jobID + " --params {\"a\":1} --param b=null": `PATCH /api/jobs/` + jobID + ` {"params":{"a":1,"b":null}}`,
		"job edit " + jobID + " --priority high --label a=b":       `PATCH /api/jobs/` + jobID + ` {"labels":{"a":"b"},"priority":2}`,
		"job bulk priority a --priority low":                       `POST /api/jobs/bulk {"job_ids":["a"],"action":"priority","priority":8}`,
		"job bulk move --bottom --status queued":                   `POST /api/jobs/bulk {"filter":{"status":["QUEUED"]},"action":"move","to":{"bottom":true}}`,
		"job bulk cancel --all --dry-run":                          `POST /api/jobs/bulk {"filter":{},"action":"cancel","dry_run":true}`,
		"limits set --global none --template a=b=2":                `PATCH /api/limits {"max_global":null,"max_per_template":{"a=b":2}}`,
		"settings set model_affinity=3 direct_group_policy=next":   `PATCH /api/settings {"direct_group_policy":"next","model_affinity":3}`,
		"job add --top -- /bin/true":                               `POST /api/jobs {"job_type":"command","name":"true","params":{"argv":["/bin/true"]},"trigger":"manual","top":true}`,
	} {
		f := serve(t, "QUEUED")
		_, talk, _ := f.invoke(t.Context(), t, "", strings.Fields(args)...)
		if len(f.requests) == 0 {
			t.Errorf("%s: nothing was asked: %s", args, talk)
			continue
		}
		method, rest, _ := strings.Cut(want, " /")
		path, body, _ := strings.Cut(rest, " ")
		var a, b any
		if json.Unmarshal([]byte(body), &a) != nil || json.Unmarshal([]byte(f.bodies[0]), &b) != nil {
			t.Errorf("%s sent %s", args, f.bodies[0])
		}
		if diff := cmp.Diff(a, b); diff != "" || f.requests[0] != method+" /"+path {
			t.Errorf("%s: %s %s", args, f.requests[0], diff)
		}
	}
}

// TestTopShowsErrorsAsText: what a server answers cannot steer the terminal.
func TestTopShowsErrorsAsText(t *testing.T) {
	t.Parallel()
	err := readable(&client.Problem{Code: "conflict", Detail: "job \x1b]0;owned\x07x\x1b[2J\u009b31m does not wait"})
	if got := err.Error(); strings.ContainsAny(got, "\x1b\x07\u009b\n") || !strings.Contains(got, "does not wait") {
		t.Errorf("shown: %q", got)
	}
	if readable(nil) != nil {
		t.Error("an error out of nothing")
	}
}
