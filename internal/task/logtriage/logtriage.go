// Package logtriage is the job type that finds out what is wrong in logs.
//
// It reads files and logs of containers that the directive's allow-list names,
// groups their lines by template (packages logline and drain), asks a language
// model for a likely cause and a next step for the worst groups, and writes the
// artifacts report.md and report.json. The counts never depend on the model: a
// weak one only leaves suggestions out.
//
// A source that the allow-list does not have is refused by its name before
// anything is read: when the job is added as far as names tell, and when it runs
// with links, patterns and containers resolved. A refusal is audited.
//
// Credentials are masked before anything else is done with a line. The model gets
// templates and a few masked samples, and its answers go into artifacts only:
// answers.json is what a later attempt of the job goes on from.
package logtriage

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/logtriage/docker"
)

// codeUnreadable is the failure code where no source could be read.
const codeUnreadable = "source_unreadable"

// usualTemperature keeps answers near to the lines.
const usualTemperature = 0.2

// Options configure the type.
type Options struct {
	// Chat asks the models; it must be given.
	Chat ask.Chat
	// Clock tells the time; the system's if nil.
	Clock clock.Clock
	// DefaultModel is asked where neither params nor directive name one; "" = none.
	DefaultModel string
	// ModelLocks gives the locks of a model besides its own; nil = none.
	ModelLocks func(model string) []string
	// Closed reports whether a file or a folder, by its path without links, is never
	// read, whatever a directive allows; nil = none.
	Closed func(real string) bool
	// DockerSocket is the Unix socket of the container engine; "" = docker.Socket.
	DockerSocket string
}

// Task is the job type. Its methods are safe for concurrent use.
type Task struct {
	o      Options
	engine *docker.Client
}

var (
	_ task.Task   = (*Task)(nil)
	_ task.Guided = (*Task)(nil)
)

//go:embed schema.json
var schema []byte

// New returns the job type. A missing Chat is an error of the programmer and
// panics.
func New(o Options) *Task {
	if o.Chat == nil {
		panic("logtriage: Chat must be given")
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Closed == nil {
		o.Closed = func(string) bool { return false }
	}
	return &Task{o: o, engine: docker.New(o.DockerSocket)}
}

// Type is "log_triage".
func (*Task) Type() string { return "log_triage" }

// Schema is the JSON Schema of params.
func (*Task) Schema() json.RawMessage { return schema }

// Check refuses sources and times that make no sense. Missing fields are no fault.
func (t *Task) Check(raw json.RawMessage) error {
	p, err := decode(raw)
	if err != nil {
		return err
	}
	return p.check(t.o.Clock.Now())
}

// Locks are the model's.
func (t *Task) Locks(raw json.RawMessage) []string { return ask.Locks(raw, t.o.ModelLocks) }

// OnCrash is retry: reading twice harms nobody, and answers are kept.
func (*Task) OnCrash() job.CrashPolicy { return job.CrashRetry }

// Guide completes the model and refuses sources that the directive does not name.
// Without a directive every source is refused.
func (t *Task) Guide(raw json.RawMessage, d *directive.Snapshot) (json.RawMessage, error) {
	p, err := decode(raw)
	if err != nil {
		return nil, err
	}
	allow := allowed(d)
	var found []directive.Outside
	for i, s := range p.Sources {
		// What has neither is refused by Check.
		if (s.Path != "" || s.Container != "") && !permitted(allow, s) {
			found = append(found, directive.Outside{At: i, Name: s.name()})
		}
	}
	if err := directive.Refuse(d, found); err != nil {
		return nil, err
	}
	out, err := ask.Model(raw, d, t.o.DefaultModel)
	if err != nil && p.AllowWithoutModel && p.Model == "" {
		return raw, nil
	}
	return out, err
}

func allowed(d *directive.Snapshot) directive.Allow {
	if d == nil {
		return directive.Allow{}
	}
	return d.Content.Allow
}

// state is the checkpoint: when the first attempt began, so that "24h" means the
// same in all of them.
type state struct {
	NowMS int64 `json:"now_ms"`
}

// Run makes one attempt.
func (t *Task) Run(ctx context.Context, a task.Attempt, h task.Host) error {
	if err := t.Check(a.Params); err != nil {
		return task.Fatal(string(fault.From(err).Code), errors.New(fault.From(err).Detail))
	}
	p, err := decode(a.Params)
	if err != nil || len(p.Sources) == 0 {
		return task.Fatal(string(fault.InvalidInput), errors.New("sources are missing"))
	}
	now, err := t.started(ctx, a, h)
	if err != nil {
		return err
	}
	// Its time under the directive begins before the reading.
	fallback := usualTemperature
	k := ask.New(t.o.Chat, t.o.Clock, a, h, ask.Defaults{
		Model: p.Model, System: system(p.Language), Temperature: p.Temperature, Fallback: &fallback, Seed: p.Seed,
	})
	c, err := t.collect(ctx, a, h, p, now)
	if err != nil {
		return err
	}
	all := c.clusters()
	shown := min(len(all), p.MaxClusters)
	said := recall(ctx, a, p)
	var notes []string
	switch {
	case shown == 0:
	case p.Model == "" && p.AllowWithoutModel:
		notes = append(notes, "No model is named: there are no suggestions.")
	default:
		if notes, err = t.interview(ctx, k, h, all[:shown], said, p.AllowWithoutModel); err != nil {
			return err
		}
	}
	r := newReport(c, p, all, shown, said.Clusters)
	r.Notes = append(r.Notes, notes...)
	r.Notes = append(r.Notes, generalNotes(r)...)
	return t.write(ctx, h, r)
}

// started is when the job's first attempt began.
func (t *Task) started(ctx context.Context, a task.Attempt, h task.Host) (time.Time, error) {
	var s state
	if json.Unmarshal(a.Checkpoint, &s) == nil && s.NowMS > 0 {
		return clock.FromMillis(s.NowMS), nil
	}
	now := t.o.Clock.Now().UTC().Truncate(time.Millisecond)
	b, err := json.Marshal(state{NowMS: clock.Millis(now)})
	if err != nil {
		return now, err
	}
	if err := h.Checkpoint(ctx, b); err != nil {
		if ctx.Err() != nil {
			return now, context.Cause(ctx)
		}
		return now, fmt.Errorf("save the beginning: %w", err)
	}
	return now, nil
}

// collect reads every source.
func (t *Task) collect(ctx context.Context, a task.Attempt, h task.Host, p params, now time.Time) (*collector, error) {
	r := resolver{allow: allowed(a.Directive), closed: t.o.Closed, engine: t.engine}
	if err := r.resolve(ctx, p.Sources); err != nil {
		return nil, err
	}
	if len(r.refused) > 0 {
		return nil, refuse(ctx, h, a.Directive, r.refused)
	}
	// Check has seen that these can be read.
	since, _ := instant(p.Since, now)
	until, _ := instant(p.Until, now)
	zone, err := p.zone()
	if err != nil {
		return nil, task.Fatal(string(fault.InvalidInput), err)
	}
	w := window{since: since, until: until}
	c := newCollector(now, zone, w)
	read := 0
	for i, in := range r.inputs {
		h.Progress(run.Progress{Stage: "reading", Done: int64(i), Total: int64(len(r.inputs))})
		src := c.add(in)
		if in.note != "" {
			continue
		}
		err := t.readInput(ctx, in, c, w, p)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			src.Notes = append(src.Notes, reason(err))
		default:
			read++
		}
	}
	fmt.Fprintf(h.Log(), "%d of %d sources read, %d lines, %d bytes, %d events\n", read, len(r.inputs), c.totals.Lines, c.totals.Bytes, c.totals.Events)
	if read == 0 {
		return nil, task.Fail(codeUnreadable, unreadable(c.sources))
	}
	return c, nil
}

// refuse has the refusals audited and ends the attempt.
func refuse(ctx context.Context, h task.Host, d *directive.Snapshot, names []string) error {
	for _, n := range names {
		if err := h.Refused(ctx, n); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("audit a refusal: %w", err)
		}
	}
	return task.Fatal(string(fault.SourceNotAllowed), errors.New(directive.Refusal(d, names)))
}

// unreadable says why the first of the sources could not be read.
func unreadable(sources []*reportSource) error {
	if len(sources) == 0 {
		return errors.New("there is no source")
	}
	text := "no source could be read: " + sources[0].Name + ": " + strings.Join(sources[0].Notes, ", ")
	if n := len(sources) - 1; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return errors.New(text)
}

// generalNotes are what a reader should know of the whole.
func generalNotes(r *report) []string {
	var out []string
	bad := 0
	for _, s := range r.Sources {
		if !s.Read {
			bad++
		}
	}
	if bad > 0 {
		out = append(out, fmt.Sprintf("%d of %d sources were not read: see the sources.", bad, len(r.Sources)))
	}
	if n := r.Totals.Ungrouped.Events; n > 0 {
		out = append(out, fmt.Sprintf("%d events are in no cluster, because there are too many different ones.", n))
	}
	if r.Totals.Lines == 0 {
		out = append(out, "The sources are empty.")
	} else if r.Totals.Events == 0 {
		out = append(out, "No line is within the window.")
	}
	return out
}

// write stores the report.
func (t *Task) write(ctx context.Context, h task.Host, r *report) error {
	h.Progress(run.Progress{Stage: "writing", Done: int64(len(r.Clusters)), Total: int64(len(r.Clusters))})
	j, err := r.json()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name, media string
		content     []byte
	}{{"report.json", "application/json", j}, {"report.md", "text/markdown; charset=utf-8", []byte(r.markdown())}} {
		if _, err := h.Artifact(ctx, f.name, f.media, bytes.NewReader(f.content)); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return task.Unstored(err)
		}
	}
	for name, n := range map[string]int64{
		"lines": r.Totals.Lines, "events": r.Totals.Events, "clusters": int64(r.Totals.Clusters),
		"fatal": r.Totals.Severities.Fatal, "errors": r.Totals.Severities.Error, "warnings": r.Totals.Severities.Warning,
	} {
		h.Output(name, strconv.FormatInt(n, 10))
	}
	return nil
}
