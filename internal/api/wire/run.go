package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/run"
)

// Progress is what an attempt says of itself.
type Progress struct {
	Stage string `json:"stage"`
	Done  int64  `json:"done"`
	Total *int64 `json:"total" doc:"null if the end is not known"`
}

// TokenCounts are the LLM tokens of one model; null is unknown, which is not 0.
type TokenCounts struct {
	Prompt     *int64 `json:"prompt"`
	Completion *int64 `json:"completion"`
}

// Tokens are LLM token counts; null is unknown, which is not 0.
type Tokens struct {
	Prompt     *int64                 `json:"prompt"`
	Completion *int64                 `json:"completion"`
	ByModel    map[string]TokenCounts `json:"by_model"`
}

// Artifact is a file that a run produced.
type Artifact struct {
	ArtifactID string    `json:"artifact_id" example:"art_01jh0000000000000000000000"`
	RunID      string    `json:"run_id"`
	Name       string    `json:"name" example:"out/result.csv"`
	SizeBytes  int64     `json:"size_bytes"`
	SHA256     string    `json:"sha256" doc:"lower-case hex"`
	MediaType  string    `json:"media_type"`
	URL        string    `json:"url" doc:"where the content is"`
	CreatedAt  time.Time `json:"created_at"`
}

// ArtifactList is all artifacts of a run.
type ArtifactList struct {
	Items      []Artifact `json:"items"`
	NextCursor *string    `json:"next_cursor" doc:"always null: the list is complete"`
}

// Run is one execution attempt of a job, or a direct request.
type Run struct {
	RunID           string              `json:"run_id" example:"run_01jh0000000000000000000000"`
	JobID           *string             `json:"job_id" doc:"null for a direct request" example:"job_01jh0000000000000000000000"`
	Name            string              `json:"name" doc:"the job's"`
	JobType         string              `json:"job_type" example:"command"`
	TemplateID      *string             `json:"template_id"`
	TemplateVersion *int                `json:"template_version"`
	Directive       *DirectiveRef       `json:"directive" doc:"the version that it works under; null: none"`
	Snapshot        *DirectiveSnapshot  `json:"directive_snapshot" doc:"what that version says; only in the answer to GET of one run, for who may read directives"`
	Status          *string             `json:"status" enum:"COMPLETED,FAILED,SKIPPED" doc:"null while it executes"`
	Active          bool                `json:"active" doc:"true while it executes"`
	Attempt         int                 `json:"attempt" doc:"counts the runs of the job, from 1"`
	Trigger         string              `json:"trigger" enum:"api,manual,schedule,retry,direct,workflow,group" doc:"what put the job into the queue"`
	CreatedBy       string              `json:"created_by" doc:"who"`
	RetryOf         *string             `json:"retry_of" doc:"the run that this job repeats"`
	GroupID         *string             `json:"group_id" doc:"the group that the job is a member of"`
	WaitedFor       []string            `json:"waited_for" doc:"of a direct request: the jobs and direct requests that ran when it arrived"`
	Params          Object              `json:"params" doc:"as they were used"`
	Labels          map[string]string   `json:"labels"`
	CreatedAt       time.Time           `json:"created_at" doc:"of the job"`
	QueuedAt        time.Time           `json:"queued_at"`
	StartedAt       *time.Time          `json:"started_at" doc:"null if it never started: the job was skipped while it waited"`
	FinishedAt      *time.Time          `json:"finished_at"`
	QueueWaitMs     int64               `json:"queue_wait_ms" doc:"from queued_at to started_at, or to when the job was skipped"`
	DurationMs      *int64              `json:"duration_ms" doc:"from start to end; null while it executes, and if it never started"`
	InstanceID      *string             `json:"instance_id"`
	Pid             *int                `json:"pid" doc:"the operating system's process, if there was one"`
	ExitCode        *int                `json:"exit_code"`
	Error           *Error              `json:"error"`
	Reason          *string             `json:"reason" doc:"why it was skipped"`
	Progress        *Progress           `json:"progress" doc:"null if nothing was said"`
	Tokens          Tokens              `json:"tokens"`
	Outputs         map[string]string   `json:"outputs" doc:"named results"`
	Artifacts       map[string]Artifact `json:"artifacts" doc:"by name"`
	LogURL          string              `json:"log_url"`
	LogBytes        int64               `json:"log_bytes"`
	LogTruncated    bool                `json:"log_truncated" doc:"the log reached its cap and lost its middle"`
	ReportMarkdown  *string             `json:"report_markdown" doc:"link to the artifact report.md"`
	ReportJSON      *string             `json:"report_json" doc:"link to the artifact report.json"`
	ScheduleFire
}

// RunList is one page.
type RunList struct {
	Items      []Run             `json:"items"`
	NextCursor *string           `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
	Histogram  *RunHistogram     `json:"histogram,omitempty" doc:"with include=histogram"`
	Typical    []TypicalDuration `json:"typical,omitempty" doc:"of the kinds of runs on the page, with include=typical"`
}

// ArtifactOf shows a.
func ArtifactOf(a run.Artifact) Artifact {
	return Artifact{
		ArtifactID: a.ID, RunID: a.RunID, Name: a.Name, SizeBytes: a.Size, SHA256: a.SHA256,
		MediaType: a.MediaType, URL: "/api/artifacts/" + a.ID, CreatedAt: a.CreatedAt.UTC(),
	}
}

// RunOf shows r with its artifacts.
func RunOf(r run.Run, artifacts []run.Artifact) Run {
	w := Run{
		RunID: r.ID, JobID: str(r.JobID), Name: r.JobName, JobType: r.JobType, TemplateID: str(r.TemplateID),
		Active: !r.State.Terminal(), Attempt: r.Attempt, Trigger: r.Trigger, CreatedBy: r.CreatedBy,
		RetryOf: str(r.RetryOf), Params: r.Params, Labels: labels(r.Labels), CreatedAt: r.CreatedAt.UTC(),
		QueuedAt: r.QueuedAt.UTC(), FinishedAt: instant(r.FinishedAt),
		QueueWaitMs: r.QueueWait().Milliseconds(), InstanceID: str(r.Instance), ExitCode: r.Result.ExitCode,
		Reason: str(r.Reason), Tokens: tokens(r.Result.Tokens), Outputs: labels(r.Result.Outputs),
		Artifacts: map[string]Artifact{}, LogURL: "/api/job-runs/" + r.ID + "/logs",
		LogBytes: r.Result.LogBytes, LogTruncated: r.Result.LogTruncated,
		GroupID: str(r.GroupID), WaitedFor: list(r.WaitedFor), Directive: directiveRef(r.Directive),
	}
	if r.Started() {
		w.StartedAt = instant(r.StartedAt)
	}
	if r.TemplateID != "" {
		w.TemplateVersion = &r.TemplateVersion
	}
	if !w.Active {
		w.Status = str(string(r.State))
	}
	if !w.Active && r.Started() {
		ms := r.Duration().Milliseconds()
		w.DurationMs = &ms
	}
	if r.Process.Pid != 0 {
		w.Pid = &r.Process.Pid
	}
	if r.Failure != (run.Failure{}) {
		w.Error = &Error{Code: r.Failure.Code, Message: r.Failure.Message}
	}
	w.Progress = progress(r.Result.Progress)
	for _, a := range artifacts {
		w.Artifacts[a.Name] = ArtifactOf(a)
		switch a.Name {
		case "report.md":
			w.ReportMarkdown = str("/api/artifacts/" + a.ID)
		case "report.json":
			w.ReportJSON = str("/api/artifacts/" + a.ID)
		}
	}
	return w
}

// tokens shows counts. Where the sum of all models was not given, it is made if
// every model's count is known.
func tokens(t *run.Tokens) Tokens {
	w := Tokens{ByModel: map[string]TokenCounts{}}
	if t == nil {
		return w
	}
	w.Prompt, w.Completion = t.Prompt, t.Completion
	if w.Prompt == nil {
		w.Prompt = sum(t.ByModel, func(c run.ModelTokens) *int64 { return c.Prompt })
	}
	if w.Completion == nil {
		w.Completion = sum(t.ByModel, func(c run.ModelTokens) *int64 { return c.Completion })
	}
	for m, c := range t.ByModel {
		w.ByModel[m] = TokenCounts{Prompt: c.Prompt, Completion: c.Completion}
	}
	return w
}

func progress(p run.Progress) *Progress {
	if p == (run.Progress{}) {
		return nil
	}
	out := &Progress{Stage: p.Stage, Done: p.Done}
	if p.Total > 0 {
		out.Total = &p.Total
	}
	return out
}

func sum(by map[string]run.ModelTokens, of func(run.ModelTokens) *int64) *int64 {
	var total int64
	for _, c := range by {
		n := of(c)
		if n == nil {
			return nil
		}
		total += *n
	}
	if len(by) == 0 {
		return nil
	}
	return &total
}
