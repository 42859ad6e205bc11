package job_test

import (
	"testing"

	"github.com/runsheet/runsheet/internal/job"
)

func TestHoldReason(t *testing.T) {
	t.Parallel()
	held := func(j job.Job, ev job.Held) job.Job {
		t.Helper()
		c, err := job.Apply(j, ev)
		if err != nil {
			t.Fatal(err)
		}
		return c.After
	}
	waits := job.Job{State: job.Queued, Version: 1}
	for _, c := range []struct {
		name               string
		j                  job.Job
		by, detail, reason string
	}{
		{"nobody holds it", waits, "", "", ""},
		{"no words", held(waits, job.Held{At: noon, By: "ann"}), "ann", "held by ann", ""},
		{"words", held(waits, job.Held{At: noon, By: "ann", Reason: "held by bob"}), "ann", "held by bob", "held by bob"},
		{"added", job.AddHeld(waits, "ann"), "ann", "held when it was added by ann", ""},
		{"held already", held(job.AddHeld(waits, "ann"), job.Held{At: noon, By: "bob", Reason: "late"}), "ann", "held when it was added by ann", ""},
		{"by the server", job.Job{State: job.Queued, HeldReason: "it crashed"}, "", "it crashed", ""},
	} {
		if c.j.HeldBy != c.by || c.j.HeldReason != c.detail || c.j.HoldReason() != c.reason {
			t.Errorf("%s: by %q, detail %q, reason %q", c.name, c.j.HeldBy, c.j.HeldReason, c.j.HoldReason())
		}
	}
	c, err := job.Apply(job.AddHeld(waits, "ann"), job.Released{At: noon})
	if err != nil || c.After.HeldBy != "" || c.After.HeldReason != "" {
		t.Errorf("after a release: %+v, %v", c.After, err)
	}
}
