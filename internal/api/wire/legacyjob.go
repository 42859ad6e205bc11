package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
)

// LegacyJobPatch is what may be changed while a job waits; a merge patch. One of
// them at a time.
type LegacyJobPatch struct {
	Priority *string `json:"priority,omitempty" enum:"high,normal,low" doc:"moves the job behind the others of that priority"`
	Position *int    `json:"position,omitempty" minimum:"0" maximum:"1000000000" doc:"moves the job there"`
}

// LegacyJob is a job as the legacy endpoints show it.
type LegacyJob struct {
	JobID         string     `json:"job_id" example:"job_01jh0000000000000000000000"`
	JobType       string     `json:"job_type" example:"command"`
	Params        Object     `json:"params"`
	Priority      string     `json:"priority" enum:"high,normal,low" doc:"the nearest name"`
	GroupID       *string    `json:"group_id"`
	Position      *int       `json:"position" doc:"number of places before it; null when it does not wait, or waits in the slot of its group"`
	Status        string     `json:"status" enum:"pending,queued,running,completed,cancelled" doc:"pending: it is held, or its time has not come"`
	Result        *string    `json:"result" enum:"success,failed,skipped" doc:"null until it is completed"`
	CreatedAt     time.Time  `json:"created_at"`
	QueuedAt      time.Time  `json:"queued_at"`
	StartedAt     *time.Time `json:"started_at"`
	FinishedAt    *time.Time `json:"finished_at"`
	WorkerID      *string    `json:"worker_id" doc:"the server process that runs or ran it"`
	Pid           *int       `json:"pid"`
	LogPath       *string    `json:"log_path" doc:"path on this server, for GET; null before the first attempt"`
	Artifacts     []string   `json:"artifacts" doc:"paths on this server, for GET, in the order of the artifacts' names"`
	Error         *string    `json:"error"`
	RetryCount    int        `json:"retry_count"`
	MaxRetries    int        `json:"max_retries"`
	WebhookURL    *string    `json:"webhook_url"`
	WebhookEvents []string   `json:"webhook_events"`
	WebhookSent   bool       `json:"webhook_sent" doc:"a message reached webhook_url"`
}

// LegacyJobList is one page of jobs.
type LegacyJobList struct {
	Jobs       []LegacyJob `json:"jobs" doc:"newest first"`
	Total      int         `json:"total" doc:"of all pages"`
	NextCursor *string     `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// LegacyRun is one attempt of a job.
type LegacyRun struct {
	RunID      string     `json:"run_id" example:"run_01jh0000000000000000000000"`
	JobID      string     `json:"job_id"`
	Attempt    int        `json:"attempt"`
	Status     string     `json:"status" enum:"running,completed"`
	Result     *string    `json:"result" enum:"success,failed,skipped" doc:"null while it executes"`
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	WorkerID   *string    `json:"worker_id"`
	Pid        *int       `json:"pid"`
	ExitCode   *int       `json:"exit_code"`
	Progress   *string    `json:"progress"`
	LogPath    string     `json:"log_path"`
	Artifacts  []string   `json:"artifacts"`
	Error      *string    `json:"error"`
}

// LegacyRunList is all attempts of a job.
type LegacyRunList struct {
	Runs  []LegacyRun `json:"runs" doc:"oldest first"`
	Total int         `json:"total"`
}

// LegacyTrace is what a job left so far. The zero value is nothing.
type LegacyTrace struct {
	Run       *run.Run // its current or last run
	Artifacts []run.Artifact
	Sent      bool // a message reached its webhook
}

// LegacyJobOf shows j as seen at a time. position counts while it waits.
func LegacyJobOf(j job.Job, now time.Time, position *int, left LegacyTrace) LegacyJob {
	st := LegacyJobState(j, now)
	w := LegacyJob{
		JobID: j.ID, JobType: j.Type, Params: j.Params, Priority: LegacyPriorityName(j.Priority), GroupID: str(j.GroupID),
		Status: st.Status, Result: str(st.Result), CreatedAt: j.CreatedAt.UTC(), QueuedAt: j.QueuedAt.UTC(),
		StartedAt: instant(j.StartedAt), FinishedAt: instant(j.FinishedAt), WorkerID: str(j.Instance), Artifacts: legacyPaths(left.Artifacts),
		Error: legacyError(j.Failure), MaxRetries: max(j.Retry.MaxAttempts, 1) - 1,
		WebhookURL: str(j.Webhook.URL), WebhookEvents: list(j.Webhook.Events), WebhookSent: left.Sent,
	}
	w.RetryCount = min(j.Failures, w.MaxRetries)
	if j.State == job.Queued && !j.GroupActive {
		w.Position = position
	}
	if last := left.Run; last != nil {
		w.WorkerID, w.Pid, w.LogPath = str(last.Instance), legacyPid(*last), str(legacyLog(*last))
	}
	return w
}

// LegacyRunOf shows r with its artifacts.
func LegacyRunOf(r run.Run, artifacts []run.Artifact) LegacyRun {
	st := LegacyStateOf(string(r.State))
	return LegacyRun{
		RunID: r.ID, JobID: r.JobID, Attempt: r.Attempt, Status: st.Status, Result: str(st.Result), StartedAt: r.StartedAt.UTC(),
		FinishedAt: instant(r.FinishedAt), WorkerID: str(r.Instance), Pid: legacyPid(r), ExitCode: r.Result.ExitCode,
		Progress: str(r.Result.Progress.Stage), LogPath: legacyLog(r), Artifacts: legacyPaths(artifacts), Error: legacyError(r.Failure),
	}
}

func legacyLog(r run.Run) string { return "/api/job-runs/" + r.ID + "/logs" }

func legacyPid(r run.Run) *int {
	if r.Process.Pid == 0 {
		return nil
	}
	return &r.Process.Pid
}

func legacyPaths(artifacts []run.Artifact) []string {
	out := make([]string, 0, len(artifacts))
	for _, a := range artifacts {
		out = append(out, ArtifactOf(a).URL)
	}
	return out
}

// legacyError is the one text that the legacy endpoints have for a failure.
func legacyError(f run.Failure) *string {
	if f.Message != "" {
		return &f.Message
	}
	return str(f.Code)
}
