package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// Event is one announcement, the same on all live connections.
type Event struct {
	Seq        int64             `json:"seq" doc:"position in the log; it only grows, and numbers may be missing" example:"41"`
	Topic      string            `json:"topic" doc:"class of the event; empty for a type that this server does not know" example:"job"`
	Type       string            `json:"type" doc:"what happened; docs/events.md lists all types" example:"job.started"`
	At         time.Time         `json:"at"`
	JobID      string            `json:"job_id,omitempty"`
	RunID      string            `json:"run_id,omitempty"`
	TemplateID string            `json:"template_id,omitempty"`
	Data       map[string]string `json:"data" doc:"a few plain values that depend on the type"`
}

// EventReset tells a reader that its position does not fit the log: what it knows
// may be old.
type EventReset struct {
	Type   string `json:"type" enum:"reset"`
	Seq    int64  `json:"seq" doc:"where the events go on"`
	Reason string `json:"reason" enum:"ahead,gone" doc:"ahead: the log ends before the position; gone: events behind it were removed"`
}

// EventPing keeps a connection alive and tells how far the reader has come,
// whether or not its filter let events through.
type EventPing struct {
	Type string `json:"type" enum:"ping"`
	Seq  int64  `json:"seq" doc:"the position to continue from"`
}

// EventSnapshot is the state at the beginning of a WebSocket. Together with the
// events behind its position it is complete; an event may tell of something that
// the snapshot shows already.
type EventSnapshot struct {
	Type  string        `json:"type" enum:"snapshot"`
	Seq   int64         `json:"seq" doc:"position that was the newest when the state was read"`
	Time  time.Time     `json:"time" doc:"the server's clock"`
	Jobs  JobCounts     `json:"jobs"`
	Queue QueueSettings `json:"queue"`
}

// QueueSettings are the settings of the queue.
type QueueSettings struct {
	Workers      int     `json:"workers" doc:"number of slots"`
	Paused       bool    `json:"paused"`
	PausedBy     *string `json:"paused_by"`
	PausedReason *string `json:"paused_reason"`
	Version      int64   `json:"version" doc:"grows with each change"`
}

// EventOf shows an event.
func EventOf(e event.Event) Event {
	return Event{
		Seq: e.Seq, Topic: string(e.Type.Topic()), Type: string(e.Type), At: e.At.UTC(),
		JobID: e.JobID, RunID: e.RunID, TemplateID: e.TemplateID, Data: labels(e.Data),
	}
}

// CountsOf shows numbers of jobs by state.
func CountsOf(counts map[job.State]int) JobCounts {
	return JobCounts{
		Queued: counts[job.Queued], Running: counts[job.Running], Completed: counts[job.Completed],
		Failed: counts[job.Failed], Skipped: counts[job.Skipped], Cancelled: counts[job.Cancelled],
	}
}

// SettingsOf shows the settings of the queue.
func SettingsOf(s store.Settings) QueueSettings {
	out := QueueSettings{Workers: s.Workers, Paused: s.Paused, Version: s.Version}
	if s.Paused {
		out.PausedBy, out.PausedReason = &s.PausedBy, &s.PausedReason
	}
	return out
}
