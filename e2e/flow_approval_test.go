//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/client"
)

// gateDocument has a gate with an effect behind each way out of it. The second one asks
// again when nobody decides.
const gateDocument = `
kind: Workflow
workflow_id: gate-end
inputs: {name: {type: string, required: true}, need: {type: integer, required: true}}
nodes:
  - node_id: gate
    type: approval
    config: {title: "Go on?", expires_in: 1500ms, min_approvals: "{{inputs.need}}"}
    next: {approved: go, rejected: no, expired: late}
  - {node_id: go, type: action, action_type: api_call, config: {method: POST, url: "HOST/approved-{{inputs.name}}"}}
  - {node_id: "no", type: action, action_type: api_call, config: {method: POST, url: "HOST/rejected-{{inputs.name}}"}}
  - {node_id: late, type: action, action_type: api_call, config: {method: POST, url: "HOST/expired-{{inputs.name}}"}}
---
kind: Workflow
workflow_id: gate-again
inputs: {name: {type: string, required: true}, need: {type: integer, required: true}}
nodes:
  - node_id: gate
    type: approval
    config: {title: "Go on?", expires_in: 1500ms, min_approvals: "{{inputs.need}}", on_expire: re_request, max_re_requests: 2}
    next: {approved: go, rejected: no, expired: late}
  - {node_id: go, type: action, action_type: api_call, config: {method: POST, url: "HOST/approved-{{inputs.name}}"}}
  - {node_id: "no", type: action, action_type: api_call, config: {method: POST, url: "HOST/rejected-{{inputs.name}}"}}
  - {node_id: late, type: action, action_type: api_call, config: {method: POST, url: "HOST/expired-{{inputs.name}}"}}
`

// TestWorkflowApprovals (T13) races for the approvals that nodes ask for, while the
// server is killed: two people approve, one rejects, one asks again, one cancels the
// run, one approves what he did not see, one only looks at the pages, whoever started
// the run tries to approve, and the server's own timer expires the request. Then each
// approval has ended once, the node has ended as the last one about it did, and what is
// behind the gate was done for those that were approved, once.
// There are 500 runs and more of both databases together; RUNSHEET_CHAOS=full makes it
// 500 on each.
func TestWorkflowApprovals(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills a real server")
	}
	n, kills := 256, 2
	if chaos() {
		n, kills = 500, 10
	}
	engines(t, func(t *testing.T, fresh func() string) {
		c := newCounter(t)
		s := newServer(t, fresh(), "--workers", "8", "--allow-outbound", c.host())
		s.start()
		s.apply(strings.ReplaceAll(gateDocument, "HOST", c.URL))
		r := newRing(t, s)
		stop, killed := make(chan struct{}), make(chan int, 1)
		go func() { killed <- r.murder(kills, stop) }()
		jobs := make([]string, n)
		var wg sync.WaitGroup
		work := make(chan int)
		for range min(n/2, 64) {
			wg.Go(func() {
				for i := range work {
					jobs[i] = r.guard(i)
				}
			})
		}
		for i := range n {
			work <- i
		}
		close(work)
		wg.Wait()
		close(stop)
		if k := <-killed; k == 0 {
			t.Error("the server was never killed: the race tested too little")
		}
		for i, id := range jobs {
			if id == "" {
				t.Fatalf("run %d was never acknowledged", i)
			}
			s.over(id, time.Minute)
		}
		j := newJury(t, r)
		j.gates(s, c, jobs)
		r.replay(j)
	})
}

// guard starts a run and lets all actors at what its gate asks. It returns the run's
// job.
func (r *ring) guard(i int) string {
	who := r.admin()
	who.Set("Idempotency-Key", fmt.Sprint("gate-", i))
	workflowID := "gate-end"
	if i%5 == 0 {
		workflowID = "gate-again"
	}
	body := map[string]any{"inputs": map[string]any{"name": fmt.Sprint(i), "need": 1 + i%2}}
	jobID, hash := "", ""
	for jobID == "" && r.t.Context().Err() == nil {
		code, _, w := r.send(who, http.MethodPost, "/api/workflows/"+workflowID+"/run", body)
		if jobID = text(w["job_id"]); jobID == "" && code != 0 && code < 500 && code != http.StatusConflict {
			r.t.Errorf("run %d: %d %v", i, code, w)
			return ""
		}
		pause(20 * time.Millisecond)
	}
	var id atomic.Value
	for hash == "" && r.t.Context().Err() == nil {
		_, _, page := r.send(r.admin(), http.MethodGet, "/api/approvals?subject_type=workflow_node&subject_id="+flowRun(jobID)+"/gate&limit=1", nil)
		items, _ := page["items"].([]any)
		if len(items) > 0 {
			a, _ := items[0].(map[string]any)
			id.Store(text(a["approval_id"]))
			hash = text(a["content_hash"])
		}
		pause(20 * time.Millisecond)
	}
	if hash == "" {
		return jobID
	}
	path := func(verb string) string { return "/api/approvals/" + id.Load().(string) + "/" + verb }
	no := func(what string, who http.Header, hash string) {
		if code, _, a := r.send(who, http.MethodPost, path("approve"), map[string]any{"content_hash": hash}); code == http.StatusOK {
			r.t.Errorf("%s: %v", what, a)
		}
	}
	r.letLoose([]func(){
		func() { r.decide(&id, hash, "ann", "approve") },
		func() { r.decide(&id, hash, "bob", "approve") },
		func() { r.decide(&id, hash, "eve", "reject") },
		func() { r.decide(&id, hash, "eve", "re-request") },
		func() { r.send(r.admin(), http.MethodPost, "/api/jobs/"+jobID+"/cancel", map[string]any{}) },
		func() { r.visit(path) },
		func() { no("the requester approved", r.admin(), hash) },
		func() { no("other content was approved", r.people["bob"], "sha256:"+strings.Repeat("0", 64)) },
	}, func(n int) bool {
		if i%8 == 7 {
			return n <= 4 // nobody decides: only the time ends it
		}
		return n >= 2 && n <= 4 && rand.IntN(2) == 0
	})
	return jobID
}

// gates proves I11 of the approvals that nodes asked for.
func (j *jury) gates(s *server, c *counter, jobs []string) {
	t := j.t
	about := map[string][]client.Approval{} // by run
	for _, a := range j.approvals {
		j.ended(a)
		about[strings.TrimSuffix(a.Subject.ID, "/gate")] = append(about[strings.TrimSuffix(a.Subject.ID, "/gate")], a)
	}
	j.audited()
	j.kept()
	ends := map[string]int{}
	for i, id := range jobs {
		list := about[flowRun(id)]
		slices.SortFunc(list, func(a, b client.Approval) int { return a.Round - b.Round })
		doc := s.must(http.MethodGet, "/api/workflow-runs/"+flowRun(id), nil, http.StatusOK)
		ends[j.gate(c, fmt.Sprint(i), text(doc["status"]), nodesOf(doc), list)]++
	}
	t.Logf("ends %v of %d runs, statuses %v of %d approvals", ends, len(jobs), j.outcomes, len(j.approvals))
	for _, end := range []string{"approved", "rejected", "expired", "CANCELLED"} {
		if ends[end] == 0 {
			t.Errorf("no run ended %s: the race tested too little", end)
		}
	}
}

// nodesOf are the nodes of a run by their ids.
func nodesOf(doc map[string]any) map[string]map[string]any {
	out := map[string]map[string]any{}
	list, _ := doc["nodes"].([]any)
	for _, v := range list {
		n, _ := v.(map[string]any)
		out[text(n["node_id"])] = n
	}
	return out
}

// gate proves it of one run and returns how it came out of the gate.
func (j *jury) gate(c *counter, name, status string, nodes map[string]map[string]any, asked []client.Approval) string {
	t := j.t
	if len(asked) == 0 {
		t.Errorf("run %s asked for nothing", name)
		return ""
	}
	for i, a := range asked {
		if a.Round != i+1 || i < len(asked)-1 && (a.Status == "APPROVED" || a.Status == "REJECTED") {
			t.Errorf("I11: %s of run %s is round %d and %s; %d were asked for", a.ApprovalID, name, a.Round, a.Status, len(asked))
		}
	}
	last, gate := asked[len(asked)-1], nodes["gate"]
	outcome := text(gate["outcome"])
	outputs, _ := gate["outputs"].(map[string]any)
	switch gate["status"] {
	case "COMPLETED":
		if outcome != strings.ToLower(last.Status) || outputs["approval_id"] != last.ApprovalID || outputs["status"] != last.Status {
			t.Errorf("I11: the gate of run %s came to %s (%v), and %s is %s", name, outcome, outputs, last.ApprovalID, last.Status)
		}
		if status != "COMPLETED" && status != "CANCELLED" {
			t.Errorf("run %s is %s: %v", name, status, nodes)
		}
	default:
		if outcome = ""; status != "CANCELLED" {
			t.Errorf("run %s is %s, its gate %v", name, status, gate)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for way, node := range map[string]string{"approved": "go", "rejected": "no", "expired": "late"} {
		keys := c.keys[way+"-"+name]
		switch {
		case way != outcome && len(keys) > 0:
			t.Errorf("I11: run %s did what is for %s, and it came to %q; %s is %s", name, way, outcome, last.ApprovalID, last.Status)
		case way == outcome && status == "COMPLETED" && len(keys) == 0:
			t.Errorf("run %s was %s and did nothing", name, way)
		case len(keys) > 0 && (len(slices.Compact(slices.Clone(keys))) != 1 || keys[0] == ""):
			t.Errorf("I2: run %s did what is for %s with the keys %q", name, way, keys)
		}
		at, err := time.Parse(time.RFC3339Nano, text(nodes[node]["started_at"]))
		if len(keys) > 0 && (err != nil || last.EndedAt == nil || at.Before(last.EndedAt.Truncate(time.Millisecond))) {
			t.Errorf("I11: run %s did what is for %s at %v, and %s ended at %v", name, way, nodes[node]["started_at"], last.ApprovalID, last.EndedAt)
		}
	}
	if status == "CANCELLED" {
		return status
	}
	return outcome
}
