package research

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// Names of the artifacts.
const (
	jsonName     = "research.json"
	markdownName = "research.md"
)

// fallbackTemperature holds where neither params nor directive say one: what is
// asked for are facts.
const fallbackTemperature = 0.2

// work is one attempt.
type work struct {
	t     *Task
	a     task.Attempt
	h     task.Host
	p     params
	asker *ask.Asker

	docs    []*document
	chunks  []chunk
	resumed bool // an earlier attempt got as far as asking
	reused  int  // answers that it kept

	found   []Finding
	open    []string
	tags    []string
	counts  Chunks
	notes   []Note
	limited bool // the directive allows no more questions
}

// Run makes one attempt.
func (t *Task) Run(ctx context.Context, a task.Attempt, h task.Host) error {
	_, _, err := t.do(ctx, a, h)
	return err
}

// Answer answers a direct request.
func (t *Task) Answer(ctx context.Context, a task.Attempt, h task.Host, out task.Sink) (json.RawMessage, error) {
	report, markdown, err := t.do(ctx, a, h)
	if err != nil {
		return nil, err
	}
	// Only now is it known which of the model's words stay.
	for part := range strings.SplitAfterSeq(markdown, "\n\n") {
		out.Token(part)
	}
	return fields(report, markdown)
}

func (t *Task) do(ctx context.Context, a task.Attempt, h task.Host) (json.RawMessage, string, error) {
	p, err := t.params(a)
	if err != nil {
		return nil, "", err
	}
	fallback := fallbackTemperature
	w := &work{t: t, a: a, h: h, p: p, asker: ask.New(t.o.Chat, t.o.Clock, a, h, ask.Defaults{
		Model: p.Model, System: system, Temperature: p.Temperature, Fallback: &fallback, Seed: p.Seed,
	})}
	report, err := w.report(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, "", err
	}
	b, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return nil, "", err
	}
	b = append(b, '\n')
	text := markdown(report)
	if err := w.store(ctx, jsonName, "application/json", b); err != nil {
		return nil, "", err
	}
	if err := w.store(ctx, markdownName, "text/markdown; charset=utf-8", []byte(text)); err != nil {
		return nil, "", err
	}
	h.Output("findings", strconv.Itoa(len(report.Findings)))
	h.Output("sources", strconv.Itoa(len(report.Sources)))
	h.Output("chunks", strconv.Itoa(report.Chunks.Asked))
	fmt.Fprintf(h.Log(), "%d findings from %d chunks, %d unusable answers, %d quotes not found, %d answers of an earlier attempt\n",
		len(report.Findings), report.Chunks.Asked, report.Chunks.Unusable, report.Chunks.Dropped, w.reused)
	return b, text, nil
}

// params reads the params, which Guide has completed unless the job is older than
// it. What is wrong is not told, because it may quote a direct request.
func (t *Task) params(a task.Attempt) (params, error) {
	invalid := func(why string) (params, error) {
		return params{}, task.Fatal(string(fault.InvalidInput), errors.New(why))
	}
	raw, err := ask.Model(a.Params, a.Directive, t.o.DefaultModel)
	if err != nil {
		return invalid("the params name no model, and the server has no default")
	}
	p, err := decode(raw)
	if err != nil || p.check(t.o.Client) != nil {
		return invalid("the params are not valid")
	}
	if p.Topic == "" {
		return invalid("the params have no topic")
	}
	return p, nil
}

// report does the work.
func (w *work) report(ctx context.Context) (Report, error) {
	if err := w.read(ctx); err != nil {
		return Report{}, err
	}
	w.cut()
	if err := w.snapshot(ctx); err != nil {
		return Report{}, err
	}
	basis := BasisSources
	var err error
	if len(w.p.Sources) == 0 {
		basis = BasisModel
		err = w.claim(ctx)
	} else {
		err = w.mapAll(ctx)
	}
	if err != nil {
		return Report{}, err
	}
	w.h.Progress(run.Progress{Stage: "reduce"})
	list, err := w.reduce(ctx, unique(w.found))
	if err != nil {
		return Report{}, err
	}
	for i := range list {
		list[i].ID = i + 1
	}
	summary, err := w.summarise(ctx, list)
	if err != nil {
		return Report{}, err
	}
	w.remark(basis, len(list))
	r := Report{
		Version: Version, Topic: w.p.Topic, Questions: w.p.Questions, Language: w.p.Language, Basis: basis, Summary: summary,
		Findings: list, OpenQuestions: w.openQuestions(list), Tags: frequent(w.tags, 20),
		Model: w.p.Model, Chunks: w.counts, Notes: w.notes,
	}
	for _, d := range w.docs {
		r.Sources = append(r.Sources, d.entry)
	}
	return r.full(), nil
}

// full has empty lists in place of none: that is how the schema wants it.
func (r Report) full() Report {
	r.Questions = some(r.Questions)
	r.Findings = some(r.Findings)
	r.OpenQuestions = some(r.OpenQuestions)
	r.Tags = some(r.Tags)
	r.Sources = some(r.Sources)
	r.Notes = some(r.Notes)
	return r
}

// cut makes chunks of all sources.
func (w *work) cut() {
	size := budget(w.asker.ContextTokens()) - ask.Estimate(w.p.aim())
	for i, d := range w.docs {
		w.chunks = append(w.chunks, split(i, d.text, max(size, minChunk))...)
	}
	w.counts.Total = len(w.chunks)
	if len(w.chunks) > maxChunks {
		w.chunks = w.chunks[:maxChunks]
		w.note(noteTooMuch, "", fmt.Sprintf("the sources have %d chunks, and only the first %d were read", w.counts.Total, maxChunks))
	}
}

// remark adds the notes that depend on the whole.
func (w *work) remark(basis string, findings int) {
	if basis == BasisModel {
		w.note(noteNoSources, "", "no sources were given: all findings are claims of the model that nothing backs")
	}
	if n := w.counts.Unusable; n > 0 {
		w.note(noteUnusable, "", fmt.Sprintf("the model gave no usable answer for %d of %d chunks", n, w.counts.Asked))
	}
	if n := w.counts.Dropped; n > 0 {
		w.note(noteDropped, "", fmt.Sprintf("%d findings were dropped, because what they quote is not in the source", n))
	}
	if w.limited {
		w.note(noteLimit, "", fmt.Sprintf("a limit of the directive was reached: %d of %d chunks were read", w.counts.Asked, w.counts.Total))
	}
	if findings == 0 {
		w.note(noteNothing, "", "nothing was found")
	}
}

func (w *work) note(code, sourceID, text string) {
	w.notes = append(w.notes, Note{Code: code, Text: text, SourceID: sourceID})
}

// openQuestions are the asked ones that no finding answers, then the model's.
func (w *work) openQuestions(list []Finding) []string {
	answered := map[int]bool{}
	for _, f := range list {
		if f.Question != nil {
			answered[*f.Question] = true
		}
	}
	var out []string
	for i, q := range w.p.Questions {
		if !answered[i+1] {
			out = append(out, q)
		}
	}
	for _, q := range frequent(w.open, 20) {
		if !slices.ContainsFunc(out, func(have string) bool { return strings.EqualFold(have, q) }) && len(out) < 40 {
			out = append(out, q)
		}
	}
	return out
}

// frequent are at most n of the texts, each once, the most frequent first, then in
// order of appearance. Case is not compared.
func frequent(texts []string, n int) []string {
	count := map[string]int{}
	var out []string
	for _, t := range texts {
		if count[strings.ToLower(t)]++; count[strings.ToLower(t)] == 1 {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return count[strings.ToLower(b)] - count[strings.ToLower(a)] })
	return out[:min(len(out), n)]
}

// some is list, or an empty one that is not nil: null in JSON is no list.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
