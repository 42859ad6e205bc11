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

// StoryRequest asks for a story at once. Each field but directive_id is the param
// of that name of the job type story, whose schema says more.
type StoryRequest struct {
	Topic         string   `json:"topic,omitempty" doc:"what it is about; the model chooses if absent" example:"a lighthouse keeper who finds letters to himself"`
	Genre         string   `json:"genre,omitempty" example:"horror"`
	Style         string   `json:"style,omitempty" doc:"how it is told"`
	Language      string   `json:"language,omitempty" doc:"that of the topic if absent" example:"English"`
	Length        *int     `json:"length,omitempty" doc:"in words" example:"1200"`
	Sections      *int     `json:"sections,omitempty" doc:"how many; by the length if absent"`
	Model         string   `json:"model,omitempty" doc:"the directive's, or the server's default, if absent" example:"qwen3:30b"`
	Seed          *int64   `json:"seed,omitempty" doc:"makes the story repeatable"`
	Temperature   *float64 `json:"temperature,omitempty"`
	ResearchRunID string   `json:"research_run_id,omitempty" doc:"a run of type research whose findings are used as material"`
	DirectiveID   string   `json:"directive_id,omitempty" maxLength:"100" doc:"id or name of the directive to work under, which needs the scope templates:write or directives:write"`
}

// StoryAnswer is the answer to a StoryRequest.
type StoryAnswer struct {
	DirectAnswer
	Story string `json:"story" doc:"the story, as story.md has it"`
}

// ResearchSource is something to read: a file, a page or a text.
type ResearchSource struct {
	Path string `json:"path,omitempty" doc:"of a file on the server, which the directive must allow"`
	URL  string `json:"url,omitempty" doc:"whose host the directive must allow"`
	Text string `json:"text,omitempty" doc:"the text itself"`
	Name string `json:"name,omitempty" doc:"how the report calls it"`
}

// ResearchRequest asks for research at once. Each field but directive_id is the
// param of that name of the job type research, whose schema says more.
type ResearchRequest struct {
	Topic       string           `json:"topic" example:"heat pumps in old houses"`
	Questions   []string         `json:"questions,omitempty" doc:"what is to be answered"`
	Sources     []ResearchSource `json:"sources,omitempty" doc:"what is read; without any, the claims are the model's own"`
	Language    string           `json:"language,omitempty" doc:"of the report; that of the topic if absent" example:"English"`
	Model       string           `json:"model,omitempty" doc:"the directive's, or the server's default, if absent" example:"qwen3:30b"`
	Seed        *int64           `json:"seed,omitempty" doc:"makes the answers repeatable"`
	Temperature *float64         `json:"temperature,omitempty"`
	MaxFindings *int             `json:"max_findings,omitempty" doc:"at most so many findings"`
	DirectiveID string           `json:"directive_id,omitempty" maxLength:"100" doc:"id or name of the directive to work under, which needs the scope templates:write or directives:write"`
}

// ResearchAnswer is the answer to a ResearchRequest.
type ResearchAnswer struct {
	DirectAnswer
	Report   Object `json:"report" doc:"as research.json has it"`
	Markdown string `json:"markdown" doc:"as research.md has it"`
}
