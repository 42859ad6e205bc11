package queue

import (
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// interrupted makes the events of an attempt that a crash, or what looks like one,
// ended.
func interrupted(at time.Time, res run.Result) func(job.Job) (any, any) {
	return func(j job.Job) (any, any) {
		if j.OnCrash == job.CrashResume {
			return job.Interrupted{At: at}, run.Left{Result: res}
		}
		return job.Interrupted{At: at}, run.Broke{At: at, Failure: job.CrashFailure(j), Result: res}
	}
}

// durableVerdict is verdict of a durable type that ended its turn by itself. A run
// that ended well before it heard of a cancel has ended well.
func (e *Engine) durableVerdict(at time.Time, v *task.Verdict, res run.Result) func(job.Job) (any, any) {
	return func(j job.Job) (any, any) {
		switch {
		case v != nil && v.Parking != nil:
			p := v.Parking
			names := slices.Compact(slices.Sorted(slices.Values(p.Locks)))
			return job.Parked{At: at, For: p.For, Until: p.Until, Locks: names, CancelSeen: p.CancelSeen}, run.Left{Result: res}
		case v != nil && v.Postponed:
			return job.Returned{At: at, After: v.After}, run.Left{Result: res}
		case v == nil:
			return job.Succeeded{At: at}, run.Succeeded{At: at, Result: res}
		case v.Skipped:
			reason := text(v.Error(), maxMessage)
			return job.Passed{At: at, Reason: reason}, run.Passed{At: at, Reason: reason, Result: res}
		case !j.CancelAskedAt.IsZero():
			f := run.Failure{Code: job.CodeCancelled, Message: "cancelled" + by(j.CancelledBy)}
			return job.Broke{At: at, Failure: f, Fatal: true}, run.Broke{At: at, Failure: f, Result: res}
		}
		f := run.Failure{Code: v.Code, Message: text(v.Error(), maxMessage)}
		return job.Broke{At: at, Failure: f, Fatal: v.Final, After: v.After, Jitter: jitter()}, run.Broke{At: at, Failure: f, Result: res}
	}
}
