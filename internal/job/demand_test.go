package job_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/job"
)

// People read these sentences on the command line.
func TestRefusalsSayWhatCanBeDone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   job.State
		ev   any
		want string
	}{
		{job.Running, job.Held{}, "can be held"},
		{job.Running, job.Released{}, "can be released"},
		{job.Running, job.Edited{}, "can be changed"},
		{job.Running, job.Placed{}, "can be moved"},
		{job.Queued, job.Restored{}, "only a cancelled job that never started"},
		{job.Completed, job.Restored{}, "only a cancelled job that never started"},
	} {
		_, err := job.Apply(job.Job{ID: "job_1", State: c.in}, c.ev)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), string(c.in)) {
			t.Errorf("%T of a %s job: %v, want %q", c.ev, c.in, err, c.want)
		}
	}
}
