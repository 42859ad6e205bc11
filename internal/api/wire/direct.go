package wire

import "time"

// DirectAnswer is what every answer to a direct request has, beside the fields of
// its kind.
type DirectAnswer struct {
	Success         bool                `json:"success" doc:"false when there was nothing to do"`
	RunID           string              `json:"run_id" example:"run_01jh0000000000000000000000"`
	Artifacts       map[string]Artifact `json:"artifacts" doc:"by name"`
	Tokens          Tokens              `json:"tokens"`
	QueueWaitMs     int64               `json:"queue_wait_ms" doc:"from the arrival to the start"`
	WaitedFor       []string            `json:"waited_for" doc:"ids of the jobs and direct runs that ran when the request arrived"`
	InterruptedJobs []string            `json:"interrupted_jobs" doc:"the same as waited_for, under its old name: nothing is interrupted"`
}

// DirectQueued is the event queued of a direct request's stream. It is sent again
// when the position changes.
type DirectQueued struct {
	Position int        `json:"position" doc:"direct requests before this one"`
	ETA      *time.Time `json:"eta" doc:"when it may start; null is unknown"`
}

// DirectStarted is the event started of a direct request's stream.
type DirectStarted struct {
	RunID       string   `json:"run_id" example:"run_01jh0000000000000000000000"`
	QueueWaitMs int64    `json:"queue_wait_ms" doc:"from the arrival to the start"`
	WaitedFor   []string `json:"waited_for" doc:"ids of the jobs and direct runs that ran when the request arrived"`
}

// DirectToken is the event token of a direct request's stream: the next piece of
// the text.
type DirectToken struct {
	Text string `json:"text"`
}
