package research

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/task"
)

// mapped is what is kept of a chunk: findings whose quotes were found.
type mapped struct {
	Findings      []Finding `json:"findings"`
	OpenQuestions []string  `json:"open_questions"`
	Tags          []string  `json:"tags"`
	Dropped       int       `json:"dropped_findings"`
	Unusable      bool      `json:"unusable"`
}

// mapAll asks about each chunk, in order. A directive's limit ends it early.
func (w *work) mapAll(ctx context.Context) error {
	start := w.t.o.Clock.Now()
	for i, c := range w.chunks {
		w.progress("chunk", i+1, len(w.chunks))
		q := w.p.mapQuestion(string(c.text))
		var m mapped
		err := w.keep(ctx, fmt.Sprintf("chunks/%04d.json", i+1), q, &m, func() error {
			var err error
			m, err = w.mapOne(ctx, c, q)
			return err
		})
		if ask.Limited(err) && i > 0 {
			w.limited = true
			break
		}
		if err != nil {
			return err
		}
		w.take(c, m)
	}
	fmt.Fprintf(w.h.Log(), "chunks: %d in %s\n", w.counts.Asked, w.t.o.Clock.Now().Sub(start).Round(time.Millisecond))
	return nil
}

func (w *work) mapOne(ctx context.Context, c chunk, q ask.Question) (mapped, error) {
	var got said
	err := w.asker.Structured(ctx, q, func(b []byte) error { return readSaid(b, &got) })
	if errors.Is(err, ask.ErrUnusable) {
		return mapped{Unusable: true}, nil
	}
	if err != nil {
		return mapped{}, err
	}
	m := mapped{OpenQuestions: tidy(got.OpenQuestions, maxLine), Tags: tidy(got.Tags, maxTag)}
	id := w.docs[c.source].entry.ID
	for _, f := range got.Findings[:min(len(got.Findings), perChunk)] {
		text := short(f.Text, maxText)
		if text == "" {
			continue
		}
		from, to, ok := find(c.text, short(f.Quote, 3*maxQuote))
		if !ok {
			m.Dropped++
			continue
		}
		quote := string(c.text[from:to])
		from, to = from+c.start, to+c.start
		m.Findings = append(m.Findings, Finding{
			Text: text, SourceID: &id, Quote: &quote, Start: &from, End: &to, Question: w.question(f.Question),
		})
	}
	return m, nil
}

// question is the number of a question that exists, nil if it does not.
func (w *work) question(n number) *int {
	if n < 1 || int(n) > len(w.p.Questions) {
		return nil
	}
	i := int(n)
	return &i
}

// take adds what was found in a chunk. Findings that an earlier attempt kept are
// looked up again, so that a citation never rests on an artifact.
func (w *work) take(c chunk, m mapped) {
	w.counts.Asked++
	if m.Unusable {
		w.counts.Unusable++
	}
	w.counts.Dropped += m.Dropped
	d := w.docs[c.source]
	for _, f := range m.Findings {
		if f.Start == nil || f.End == nil || f.Quote == nil || *f.Start < 0 || *f.End > len(d.text) || *f.Start >= *f.End ||
			string(d.text[*f.Start:*f.End]) != *f.Quote || f.Question != nil && *f.Question > len(w.p.Questions) {
			w.counts.Dropped++
			continue
		}
		id := d.entry.ID
		f.SourceID = &id
		page, line := place(d.pages, d.lines, *f.Start)
		if f.Page, f.Line = nil, nil; page > 0 {
			f.Page = &page
		} else {
			f.Line = &line
		}
		w.found = append(w.found, f)
	}
	w.open = append(w.open, m.OpenQuestions...)
	w.tags = append(w.tags, m.Tags...)
}

// claim asks what the model knows by itself.
func (w *work) claim(ctx context.Context) error {
	w.progress("claims", 0, 0)
	q := w.p.claimQuestion()
	var m mapped
	err := w.keep(ctx, "claims.json", q, &m, func() error {
		var got said
		err := w.asker.Structured(ctx, q, func(b []byte) error { return readSaid(b, &got) })
		if err != nil && !errors.Is(err, ask.ErrUnusable) {
			return err
		}
		m = mapped{Unusable: err != nil, OpenQuestions: tidy(got.OpenQuestions, maxLine), Tags: tidy(got.Tags, maxTag)}
		for _, f := range got.Findings[:min(len(got.Findings), 40)] {
			if text := short(f.Text, maxText); text != "" {
				m.Findings = append(m.Findings, Finding{Text: text, Question: w.question(f.Question)})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range m.Findings { // whatever was kept: there is no source
		w.found = append(w.found, Finding{Text: f.Text, Question: f.Question})
	}
	w.open, w.tags = m.OpenQuestions, m.Tags
	if len(w.found) == 0 {
		return task.Fatal(string(fault.LLMUnusable), errors.New("without sources there is only what the model says, and its answers were not usable"))
	}
	return nil
}

// tidy are at most maxList of the texts, short ones on one line.
func tidy(texts []string, limit int) []string {
	var out []string
	for _, t := range texts {
		if t = short(strings.Trim(t, "#- \t"), limit); t != "" && len(out) < maxList {
			out = append(out, t)
		}
	}
	return out
}
