package research

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/run"
)

// Bounds of choosing.
const (
	maxBatch  = 40
	maxLevels = 12
)

// unique drops findings that say or quote the same as one before.
func unique(list []Finding) []Finding {
	seen := map[string]bool{}
	var out []Finding
	for _, f := range list {
		text, _ := normal([]rune(f.Text))
		keys := []string{"text " + string(text)}
		if f.SourceID != nil {
			keys = append(keys, fmt.Sprintf("quote %s %d %d", *f.SourceID, *f.Start, *f.End))
		}
		known := false
		for _, k := range keys {
			known = known || seen[k]
			seen[k] = true
		}
		if !known {
			out = append(out, f)
		}
	}
	return out
}

// reduce chooses at most max_findings, the best first. Findings that do not fit
// into one question are chosen in batches, level by level; each level halves them
// until a last one reaches what is wanted, so the number of questions is bounded by
// the number of findings. The texts stay as they are: a sentence that the model
// writes anew has no quote.
func (w *work) reduce(ctx context.Context, list []Finding) ([]Finding, error) {
	want := w.p.MaxFindings
	for level := 1; len(list) > 1 && level <= maxLevels; level++ {
		batches := w.batches(list)
		last := len(batches) == 1 || len(list) <= 2*want
		var chosen [][]Finding
		for i, b := range batches {
			most := (len(b) + 1) / 2
			if last {
				most = min((want*len(b)+len(list)-1)/len(list), len(b))
			}
			best, err := w.choose(ctx, fmt.Sprintf("reduce/%d-%03d.json", level, i+1), b, max(most, 1))
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, best)
		}
		list = interleave(chosen)
		if last {
			break
		}
	}
	return list[:min(len(list), want)], nil
}

// batches cuts a list so that each part fits into a question.
func (w *work) batches(list []Finding) [][]Finding {
	size := max(budget(w.asker.ContextTokens())-ask.Estimate(w.p.aim()), minChunk)
	var out [][]Finding
	var room int64
	for _, f := range list {
		cost := ask.Estimate(f.Text) + 5
		if n := len(out); n == 0 || len(out[n-1]) >= maxBatch || room < cost && len(out[n-1]) > 1 {
			out = append(out, nil)
			room = size
		}
		room -= cost
		out[len(out)-1] = append(out[len(out)-1], f)
	}
	return out
}

// choose asks for the best of a batch. Without a usable answer it is the first
// ones, and the report says so.
func (w *work) choose(ctx context.Context, name string, batch []Finding, most int) ([]Finding, error) {
	first := batch[:min(most, len(batch))]
	if w.limited || len(batch) == 1 {
		return first, nil
	}
	q := w.p.keepQuestion(batch, most)
	var choice []int
	err := w.keep(ctx, name, q, &choice, func() error {
		choice = nil
		err := w.asker.Structured(ctx, q, func(b []byte) error {
			var err error
			choice, err = readKeep(b, len(batch), most)
			return err
		})
		if errors.Is(err, ask.ErrUnusable) {
			choice = nil
			return nil
		}
		return err
	})
	if ask.Limited(err) {
		w.limited = true
		return first, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, i := range choice {
		if i >= 0 && i < len(batch) {
			out = append(out, batch[i])
		}
	}
	if len(out) == 0 {
		w.unsorted()
		return first, nil
	}
	return out, nil
}

// unsorted notes once that findings were not chosen by the model.
func (w *work) unsorted() {
	for _, n := range w.notes {
		if n.Code == noteUnsorted {
			return
		}
	}
	w.note(noteUnsorted, "", "the model could not choose among the findings; they stand in the order of the sources")
}

// interleave takes the best of each list, then the second best, and so on.
func interleave(lists [][]Finding) []Finding {
	var out []Finding
	for rank := 0; ; rank++ {
		before := len(out)
		for _, l := range lists {
			if rank < len(l) {
				out = append(out, l[rank])
			}
		}
		if len(out) == before {
			return out
		}
	}
}

// references are numbers in brackets, [3] or [1, 2].
func references() *regexp.Regexp {
	return regexp.MustCompile(`\[\s*(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\s*\]`)
}

// summarise asks for a summary; "" if there is none.
func (w *work) summarise(ctx context.Context, list []Finding) (string, error) {
	if len(list) == 0 || w.limited {
		return "", nil
	}
	w.h.Progress(run.Progress{Stage: "summary"})
	fits := w.batches(list)[0]
	q := w.p.summaryQuestion(fits)
	var text string
	err := w.keep(ctx, "summary.json", q, &text, func() error {
		answer, err := w.asker.Ask(ctx, q)
		text = answer.Text
		return err
	})
	if ask.Limited(err) {
		w.limited = true
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return cleanSummary(text, len(fits)), nil
}

// cleanSummary bounds a summary and takes out references to findings that do not
// exist.
func cleanSummary(text string, findings int) string {
	if i := strings.LastIndex(text, "</think>"); i >= 0 {
		text = text[i+len("</think>"):]
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	var paragraphs []string
	for p := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if p = oneLine(p); p != "" {
			paragraphs = append(paragraphs, p)
		}
	}
	text = strings.Join(paragraphs, "\n\n")
	if r := []rune(text); len(r) > maxSummary {
		text = string(r[:maxSummary-1]) + "…"
	}
	return strings.TrimSpace(references().ReplaceAllStringFunc(text, func(ref string) string {
		var good []string
		for _, n := range numbers(ref) {
			if n >= 1 && n <= findings {
				good = append(good, strconv.Itoa(n))
			}
		}
		if len(good) == 0 {
			return ""
		}
		return "[" + strings.Join(good, ", ") + "]"
	}))
}

// numbers are those in a reference.
func numbers(ref string) []int {
	var out []int
	for s := range strings.FieldsFuncSeq(ref, func(r rune) bool { return r < '0' || r > '9' }) {
		if n, err := strconv.Atoi(s); err == nil {
			out = append(out, n)
		}
	}
	return out
}
