package action_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/action"
	"github.com/runsheet/runsheet/internal/node/nodetest"
)

func TestJobIsAddedOnceAndWaitedFor(t *testing.T) {
	t.Parallel()
	q := &nodetest.Queue{}
	n := action.NewJob(q)
	c := nodetest.Call(&nodetest.Host{}, noon, map[string]any{"template_id": "release", "params": map[string]any{"n": int64(1)}})
	var w *node.Waiting
	for range 2 { // the second time after a crash
		_, err := n.Run(t.Context(), c)
		if !errors.As(err, &w) {
			t.Fatal(err)
		}
	}
	if s := q.Submitted(); len(s) != 1 || s[0].TemplateID != "release" || string(s[0].Params) != `{"n":1}` || s[0].Depth != 1 {
		t.Fatalf("%+v", s)
	}
	woke := node.Woke{For: w.Wait.For, Wait: w.Wait}
	for state, code := range map[job.State]string{job.Failed: node.CodeJobFailed, job.Cancelled: node.CodeJobCancelled, job.Completed: "", job.Skipped: ""} {
		q.Put(node.Child{JobID: w.Wait.Ref, State: state, RunID: "run_1"})
		r, err := n.Resume(t.Context(), c, woke)
		if code != "" {
			if node.FailureOf(err).Code != code {
				t.Errorf("%s: %v", state, err)
			}
			continue
		}
		want := map[string]any{"job_id": w.Wait.Ref, "run_id": "run_1", "workflow_run_id": "", "status": string(state), "outputs": map[string]any{}}
		if diff := cmp.Diff(want, r.Value); err != nil || diff != "" {
			t.Errorf("%s: %v %s", state, err, diff)
		}
	}
	c.Attempt = 2
	if _, err := n.Run(t.Context(), c); !errors.As(err, &w) || len(q.Submitted()) != 2 {
		t.Errorf("another attempt adds no other job: %v", err)
	}
	c.Config["wait"] = false
	c.Attempt = 3
	if r, err := n.Run(t.Context(), c); err != nil || r.Value.(map[string]any)["status"] != "QUEUED" {
		t.Errorf("without waiting: %+v, %v", r, err)
	}
}
