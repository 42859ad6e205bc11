package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// Bounds of the work on one section.
const (
	// maxCalls is how often the model is asked for one section.
	maxCalls = 48
	// maxVain is how many answers that add nothing may follow each other.
	maxVain = 3
	// maxOmitted is how many sections may stay empty before the first that has text.
	maxOmitted = 3
	// outlineTokens bounds the answer with the outline; a section needs about 80.
	outlineTokens = 400
)

// writer writes one story.
type writer struct {
	p        params
	a        task.Attempt
	h        task.Host
	k        *ask.Asker
	clk      clock.Clock
	out      task.Sink // nil: nobody listens
	room     room
	material material

	outline outline
	done    []section
	state   saved
	limited bool // the directive allows no more

	rate  int64 // tokens a second, as last seen; 0 = not known
	shown time.Time
}

// write makes the outline and the sections, from where an earlier attempt was.
func (w *writer) write(ctx context.Context) error {
	if err := w.resume(ctx); err != nil {
		return err
	}
	if len(w.outline.Sections) == 0 {
		if err := w.plan(ctx); err != nil {
			return err
		}
	}
	for i := len(w.done); i < len(w.outline.Sections) && !w.limited; i++ {
		if err := w.section(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// plan makes the outline.
func (w *writer) plan(ctx context.Context) error {
	w.h.Progress(run.Progress{Stage: "outline"})
	least, most := w.p.bounds()
	var got outline
	err := w.k.Structured(ctx, ask.Question{
		Stage: "outline", Messages: w.askOutline(least, most), Format: format(least, most),
		MaxTokens: min(outlineTokens+80*most, w.room.answer), Seed: w.seed(0, 0),
	}, func(raw []byte) error {
		var err error
		got, err = readOutline(raw, least, most)
		return err
	})
	switch {
	case errors.Is(err, ask.ErrUnusable):
		got = fixedOutline(w.p, w.a.JobID == "")
	case err != nil:
		return err
	}
	raw, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		return err
	}
	w.outline, w.state.Outline = got, hash(raw)
	fmt.Fprintf(w.h.Log(), "outline: %d sections, fixed: %t\n", len(got.Sections), got.Fixed)
	return w.keep(ctx, outlineFile, "application/json", raw)
}

// section writes section i and makes it durable.
func (w *writer) section(ctx context.Context, i int) error {
	start, calls := w.clk.Now(), w.k.Spent().Calls
	g := w.goal(i)
	if w.out != nil {
		w.out.Token(w.heading(i))
	}
	text, err := w.compose(ctx, i, g)
	if err != nil {
		return err
	}
	text = shorten(text, g.low, g.target, g.high)
	one := section{piece: piece{Words: count(text)}, text: text}
	content := []byte(w.heading(i) + text + "\n")
	if text == "" {
		if w.limited {
			return nil
		}
		fmt.Fprintf(w.h.Log(), "section %d/%d: the model gave nothing, left out\n", i+1, len(w.outline.Sections))
		w.done = append(w.done, one)
		if i+1 >= maxOmitted && w.words() == 0 {
			return w.empty(ctx)
		}
		return w.save(ctx)
	}
	one.SHA256 = hash(content)
	w.done = append(w.done, one)
	if err := w.keep(ctx, sectionFile(i), markdown, content); err != nil {
		return err
	}
	fmt.Fprintf(w.h.Log(), "section %d/%d: %d words, %d calls, %s\n", i+1, len(w.outline.Sections), one.Words,
		w.k.Spent().Calls-calls, w.clk.Now().Sub(start).Round(time.Millisecond))
	if w.out != nil {
		w.out.Token("\n\n")
	}
	return nil
}

// empty is the end of a story of which there is no text at all. What the next
// attempt would find is taken back, so that it asks again.
func (w *writer) empty(ctx context.Context) error {
	w.done = nil
	if err := w.save(ctx); err != nil {
		return err
	}
	return task.Fail("llm_empty", errors.New("the model gave no text, however often it was asked"))
}

// goal is how many words a section is to have.
type goal struct{ low, target, high int }

// goal shares what is left of the length between the sections that are left. Only
// the last must meet it closely; the others leave room for whole sentences.
func (w *writer) goal(i int) goal {
	n := len(w.outline.Sections)
	left := max(w.p.Length-w.words(), 1)
	target := max(min(left/(n-i), 3*w.p.Length/n), 1)
	g := goal{target * 8 / 10, target, target * 12 / 10}
	if i == n-1 {
		g.low = max(target-w.p.Length/10, target/2)
		g.high = target + w.p.Length/10
	}
	return g
}

func (w *writer) words() int {
	n := 0
	for _, s := range w.done {
		n += s.Words
	}
	return n
}

// compose asks for the text of a section until it has its words, or the model has
// nothing to add.
func (w *writer) compose(ctx context.Context, i int, g goal) (string, error) {
	text, vain := "", 0
	heading := w.outline.Sections[i].Heading
	for call := range maxCalls {
		have := count(text)
		if enough := max(g.low, g.target*9/10); have >= enough || vain >= maxVain {
			break
		}
		w.progress(i, true)
		q := ask.Question{
			Stage: "section", Messages: w.askSection(i, g.target-have, text), Seed: w.seed(i+1, call),
			MaxTokens: min(max(3*(g.target-have), 64), w.room.answer),
		}
		q.OnToken, q.Shown = w.listen(i), w.out != nil
		answer, err := w.k.Ask(ctx, q)
		if ask.Limited(err) {
			w.limited = true
			return finished(text), nil
		}
		if err != nil {
			return "", err
		}
		w.measure(answer)
		more := prose(answer.Text, heading)
		if answer.Stop == llm.StopLength {
			more = finished(more)
		}
		if w.material.text != "" {
			more = uncited(more)
		}
		more = unloop(more)
		longer := unloop(join(text, more))
		if more == "" || w.told(more) || strings.Contains(text, more) || count(longer) <= have {
			vain++
			continue
		}
		text, vain = longer, 0
	}
	return text, nil
}

// told reports whether a finished section has the whole of a text.
func (w *writer) told(text string) bool {
	return slices.ContainsFunc(w.done, func(s section) bool { return strings.Contains(s.text, text) })
}

// seed gives each question its own seed: with the same one a model would give the
// same answer again. It depends on nothing that an earlier attempt has done.
func (w *writer) seed(part, call int) *int64 {
	if w.p.Seed == nil {
		return nil
	}
	s := (*w.p.Seed + int64(part)*1009 + int64(call)*31) & (1<<31 - 1)
	return &s
}

// listen hands text on as it comes, and shows how fast that is.
func (w *writer) listen(i int) func(string) {
	var strip stripper
	var first time.Time
	n := int64(0)
	return func(text string) {
		if w.out != nil {
			if text = strip.next(text); text != "" {
				w.out.Token(text)
			}
		}
		now := w.clk.Now()
		if n++; n == 1 {
			first = now
		} else if took := now.Sub(first); took >= time.Second {
			w.rate = int64(float64(n) / took.Seconds())
		}
		w.progress(i, false)
	}
}

// measure takes the speed that the server says, which is better than what can be
// seen from here.
func (w *writer) measure(a llm.Answer) {
	if a.Completion != nil && *a.Completion > 0 && a.Generate > 0 {
		w.rate = int64(float64(*a.Completion)/a.Generate.Seconds() + 0.5)
	}
}

// progress shows the section, the speed, and how many sections are finished, not
// for every token.
func (w *writer) progress(i int, now bool) {
	at := w.clk.Now()
	if !now && at.Sub(w.shown) < time.Second {
		return
	}
	w.shown = at
	n := len(w.outline.Sections)
	stage := fmt.Sprintf("section %d/%d", i+1, n)
	if w.rate > 0 {
		stage += fmt.Sprintf(", %d tokens/s", w.rate)
	}
	w.h.Progress(run.Progress{Stage: stage, Done: int64(i), Total: int64(n)})
}

// stripper is clean for text that comes in pieces. It is simpler: what would steer
// a terminal loses its first character and is then harmless.
type stripper struct{}

func (stripper) next(s string) string {
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, s)
}
