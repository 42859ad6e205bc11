package agenda

import (
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
)

// Happening is something inside of Runsheet that schedules can wait for.
type Happening string

// The happenings. The text is part of the API.
const (
	// JobCompleted: a job has ended well.
	JobCompleted Happening = "job.completed"
	// JobFailed: a job has failed for good, after its retries.
	JobFailed Happening = "job.failed"
	// ApprovalDecided: a request was approved or rejected, or it expired.
	ApprovalDecided Happening = "approval.decided"
	// ServerStarted is @reboot.
	ServerStarted Happening = "server.started"
)

// On is what a schedule waits for.
type On struct {
	Event Happening // "" = nothing
	// Subject is what it must be about, as Wants reads it; "" = anything.
	Subject string
	// Delay is from the event to the nominal.
	Delay time.Duration
}

// MaxDepth is how many schedules may set off one another, each by the end of a job
// of the one before. The next in such a chain is skipped, because the chain is
// most likely a circle.
const MaxDepth = 10

// OnOf returns what a trigger waits for; trigger_invalid for what this server does
// not announce.
func OnOf(t *schedule.Trigger) (On, error) {
	s := t.Spec()
	if s.Kind != schedule.KindOn {
		if t.Reboot() {
			return On{Event: ServerStarted}, nil
		}
		return On{}, nil
	}
	on := On{Event: Happening(strings.ToLower(s.On.Event)), Subject: strings.TrimSpace(s.On.Subject), Delay: s.On.Delay}
	switch on.Event {
	case "job.run.completed":
		on.Event = JobCompleted
	case "job.run.failed":
		on.Event = JobFailed
	case JobCompleted, JobFailed, ApprovalDecided:
	case ServerStarted:
		return On{}, unknownEvent(s.On.Event, "use the cron expression @reboot")
	default:
		hint := "use job.completed, job.failed or approval.decided"
		if strings.HasPrefix(string(on.Event), "workflow.") || strings.HasPrefix(string(on.Event), "webhook.") {
			hint = "this server has no workflows and receives no webhooks; " + hint
		}
		return On{}, unknownEvent(s.On.Event, hint)
	}
	return on, nil
}

func unknownEvent(name, hint string) error {
	return fault.Newf(fault.TriggerInvalid, "a schedule cannot wait for %q", name).
		At("/trigger/event", "unknown_value", "must be job.completed, job.failed or approval.decided").WithHint(hint)
}

// Facts are what a happening is about.
type Facts struct {
	// Words are names and ids by which it can be meant: of the job, its type, its
	// template and its schedule, or status and kind of the approval.
	Words  []string
	Labels map[string]string
}

// Wants reports whether o waits for something with these facts. A subject with an
// equals sign is a label of the job, any other one of the words.
func (o On) Wants(f Facts) bool {
	if o.Subject == "" {
		return true
	}
	if slices.Contains(f.Words, o.Subject) {
		return true
	}
	name, value, is := strings.Cut(o.Subject, "=")
	v, has := f.Labels[name]
	return is && has && v == value
}

// Happened is something that a schedule has waited for, with the nominal that it
// was given.
type Happened struct {
	Nominal time.Time
	// Depth is how many schedules set off one another until it came to this.
	Depth int
}

// Nominals are what has happened as a trigger yields it.
func Nominals(list []Happened, zone *time.Location) []schedule.Nominal {
	out := make([]schedule.Nominal, 0, len(list))
	for _, h := range list {
		n := schedule.Nominal{At: h.Nominal, Zone: zone}
		if h.Depth > MaxDepth {
			n.Skip = schedule.Skip(ReasonLoop)
		}
		out = append(out, n)
	}
	return out
}
