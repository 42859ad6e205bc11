package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/run"
)

// DirectiveAllow is what work under a directive may read.
type DirectiveAllow struct {
	Files      []string `json:"files" doc:"patterns of absolute paths: * and ? within a name, ** for any number of folders; a pattern that ends with / or /** allows everything below it"`
	Hosts      []string `json:"hosts" doc:"names that URLs may have; *.example.org is every name below it; with :port only for another port than the scheme's"`
	Containers []string `json:"containers" doc:"names of containers whose log may be read, * and ? as in a path"`
}

// DirectiveAllowInput is what work under a directive may read; nothing if absent.
type DirectiveAllowInput struct {
	Files      []string `json:"files,omitempty" maxItems:"200" doc:"patterns of absolute paths: * and ? within a name, ** for any number of folders; a pattern that ends with / or /** allows everything below it" example:"[\"/var/log/app/**\"]"`
	Hosts      []string `json:"hosts,omitempty" maxItems:"200" doc:"names that URLs may have; *.example.org is every name below it; with :port only for another port than the scheme's" example:"[\"example.org\"]"`
	Containers []string `json:"containers,omitempty" maxItems:"200" doc:"names of containers whose log may be read, * and ? as in a path" example:"[\"web-*\"]"`
}

// DirectiveLimits bound what one run may cost; null is no limit.
type DirectiveLimits struct {
	Tokens     *int64    `json:"tokens" doc:"of prompts and completions of one run; null: no limit"`
	CallTokens *int64    `json:"call_tokens" doc:"that one call may make; null: what the work needs"`
	Time       *Duration `json:"time" nullable:"true" doc:"that one run may take; null: no limit but the job's own"`
}

// DirectiveLimitsInput bound what one run may cost; 0 or absent is no limit.
type DirectiveLimitsInput struct {
	Tokens     int64     `json:"tokens,omitempty" minimum:"0" maximum:"1000000000000" doc:"of prompts and completions of one run"`
	CallTokens int64     `json:"call_tokens,omitempty" minimum:"0" maximum:"1000000000" doc:"that one call may make"`
	Time       *Duration `json:"time,omitempty" doc:"that one run may take"`
}

// DirectiveInput creates a directive, or is what a merge patch applies to.
type DirectiveInput struct {
	Name          string                `json:"name" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x20\\x7f/]([^\\x00-\\x1f\\x7f/]*[^\\x00-\\x20\\x7f/])?$" doc:"unique among the directives; accepted wherever a directive_id is" example:"careful-writer"`
	Description   string                `json:"description,omitempty" maxLength:"2000"`
	SystemPrompt  string                `json:"system_prompt,omitempty" maxLength:"32768" doc:"put before every question, 32 KiB at most. It is stored and shown to whoever may read directives: it is no place for secrets"`
	Server        string                `json:"server,omitempty" maxLength:"60" pattern:"^[^\\x00-\\x20\\x7f]*$" doc:"name of the LLM server; the first that has the model if absent"`
	Model         string                `json:"model,omitempty" maxLength:"200" pattern:"^[^\\x00-\\x20\\x7f]*$" doc:"used where params name none; the server's default if absent" example:"qwen3:30b"`
	Temperature   *float64              `json:"temperature,omitempty" minimum:"0" maximum:"2" doc:"used where params have none; the model's own if absent"`
	ContextTokens int                   `json:"context_tokens,omitempty" minimum:"0" maximum:"10000000" doc:"size of the context window; the model's own if 0"`
	Allow         *DirectiveAllowInput  `json:"allow,omitempty" doc:"what work may read; nothing if absent"`
	Limits        *DirectiveLimitsInput `json:"limits,omitempty" doc:"what one run may cost; no limits if absent"`
	Archived      bool                  `json:"archived,omitempty" doc:"readable, but nothing is done under it: jobs that are bound to it and have not begun fail"`
}

// Directive is a named, versioned set of instructions and permissions for work
// with language models.
type Directive struct {
	DirectiveID   string          `json:"directive_id" example:"dir_01jh0000000000000000000000"`
	Version       int             `json:"version" doc:"each change adds one and reaches later jobs only"`
	Name          string          `json:"name" example:"careful-writer"`
	Description   string          `json:"description"`
	SystemPrompt  string          `json:"system_prompt"`
	Server        *string         `json:"server" doc:"null: the first LLM server that has the model"`
	Model         *string         `json:"model" doc:"null: the server's default"`
	Temperature   *float64        `json:"temperature" doc:"null: the model's own"`
	ContextTokens *int            `json:"context_tokens" doc:"null: the model's own"`
	Allow         DirectiveAllow  `json:"allow"`
	Limits        DirectiveLimits `json:"limits"`
	Archived      bool            `json:"archived"`
	CreatedBy     string          `json:"created_by" doc:"who made the directive; of a version: who made this one"`
	CreatedAt     time.Time       `json:"created_at"`
	UpdatedAt     time.Time       `json:"updated_at" doc:"when this version was made"`
}

// DirectiveList is one page.
type DirectiveList struct {
	Items      []Directive `json:"items"`
	NextCursor *string     `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// DirectiveRef names the version of a directive.
type DirectiveRef struct {
	DirectiveID string `json:"directive_id" example:"dir_01jh0000000000000000000000"`
	Name        string `json:"name" doc:"that it had then"`
	Version     int    `json:"version"`
}

// DirectiveSnapshot is what a version of a directive says, for ever.
type DirectiveSnapshot struct {
	DirectiveID   string          `json:"directive_id" example:"dir_01jh0000000000000000000000"`
	Version       int             `json:"version"`
	Name          string          `json:"name"`
	Description   string          `json:"description"`
	SystemPrompt  string          `json:"system_prompt"`
	Server        *string         `json:"server" doc:"null: the first LLM server that has the model"`
	Model         *string         `json:"model" doc:"null: the server's default"`
	Temperature   *float64        `json:"temperature" doc:"null: the model's own"`
	ContextTokens *int            `json:"context_tokens" doc:"null: the model's own"`
	Allow         DirectiveAllow  `json:"allow"`
	Limits        DirectiveLimits `json:"limits"`
}

func directiveRef(d run.Directive) *DirectiveRef {
	if d.ID == "" {
		return nil
	}
	return &DirectiveRef{DirectiveID: d.ID, Name: d.Name, Version: d.Version}
}

func positive[N int | int64](n N) *N {
	if n == 0 {
		return nil
	}
	return &n
}

// DirectiveOf shows d.
func DirectiveOf(d directive.Directive) Directive {
	s := SnapshotOf(d)
	return Directive{
		DirectiveID: s.DirectiveID, Version: s.Version, Name: s.Name, Description: s.Description, SystemPrompt: s.SystemPrompt,
		Server: s.Server, Model: s.Model, Temperature: s.Temperature, ContextTokens: s.ContextTokens, Allow: s.Allow, Limits: s.Limits,
		Archived: d.Archived, CreatedBy: d.CreatedBy, CreatedAt: d.CreatedAt.UTC(), UpdatedAt: d.UpdatedAt.UTC(),
	}
}

// SnapshotOf shows what a version says.
func SnapshotOf(d directive.Directive) DirectiveSnapshot {
	c := d.Content
	return DirectiveSnapshot{
		DirectiveID: d.ID, Version: d.Version, Name: d.Name, Description: d.Description, SystemPrompt: c.System,
		Server: str(c.Server), Model: str(c.Model), Temperature: c.Temperature, ContextTokens: positive(c.ContextTokens),
		Allow:  DirectiveAllow{Files: list(c.Allow.Files), Hosts: list(c.Allow.Hosts), Containers: list(c.Allow.Containers)},
		Limits: DirectiveLimits{Tokens: positive(c.Limits.Tokens), CallTokens: positive(c.Limits.CallTokens), Time: DurationOf(c.Limits.Time())},
	}
}

// DirectiveInputOf is the input that would make d: what a merge patch changes.
func DirectiveInputOf(d directive.Directive) DirectiveInput {
	c := d.Content
	return DirectiveInput{
		Name: d.Name, Description: d.Description, SystemPrompt: c.System, Server: c.Server, Model: c.Model,
		Temperature: c.Temperature, ContextTokens: c.ContextTokens, Archived: d.Archived,
		Allow:  &DirectiveAllowInput{Files: c.Allow.Files, Hosts: c.Allow.Hosts, Containers: c.Allow.Containers},
		Limits: &DirectiveLimitsInput{Tokens: c.Limits.Tokens, CallTokens: c.Limits.CallTokens, Time: DurationOf(c.Limits.Time())},
	}
}

// Content converts the input.
func (in DirectiveInput) Content() directive.Content {
	c := directive.Content{
		System: in.SystemPrompt, Server: in.Server, Model: in.Model, Temperature: in.Temperature, ContextTokens: in.ContextTokens,
	}
	if a := in.Allow; a != nil {
		c.Allow = directive.Allow{Files: a.Files, Hosts: a.Hosts, Containers: a.Containers}
	}
	if l := in.Limits; l != nil {
		c.Limits = directive.Limits{Tokens: l.Tokens, CallTokens: l.CallTokens, TimeMS: l.Time.Or(0).Milliseconds()}
	}
	return c
}

// LLMCall is one question to a language model: what it cost, never what was said.
type LLMCall struct {
	Server           string    `json:"server" doc:"name of the LLM server"`
	Model            string    `json:"model" example:"qwen3:30b"`
	Stage            string    `json:"stage" doc:"the part of the work that it was for"`
	Outcome          string    `json:"outcome" doc:"ok, or the code of what went wrong"`
	PromptTokens     *int64    `json:"prompt_tokens" doc:"null is unknown, which is not 0"`
	CompletionTokens *int64    `json:"completion_tokens" doc:"null is unknown, which is not 0"`
	StartedAt        time.Time `json:"started_at"`
	LoadMs           *int64    `json:"load_ms" doc:"loading the model; null is unknown"`
	PromptMs         *int64    `json:"prompt_ms" doc:"reading the prompt; null is unknown"`
	CompletionMs     *int64    `json:"completion_ms" doc:"making the text; null is unknown"`
	TotalMs          int64     `json:"total_ms" doc:"what the caller waited"`
}

// LLMCallList is all calls of a run.
type LLMCallList struct {
	Items      []LLMCall `json:"items"`
	NextCursor *string   `json:"next_cursor" doc:"always null: the list is complete"`
}

// LLMCallOf shows c.
func LLMCallOf(c run.Call) LLMCall {
	return LLMCall{
		Server: c.Server, Model: c.Model, Stage: c.Stage, Outcome: c.Outcome, PromptTokens: c.Prompt, CompletionTokens: c.Completion,
		StartedAt: c.StartedAt.UTC(), LoadMs: positive(c.Load.Milliseconds()), PromptMs: positive(c.Reading.Milliseconds()),
		CompletionMs: positive(c.Writing.Milliseconds()), TotalMs: c.Total.Milliseconds(),
	}
}
