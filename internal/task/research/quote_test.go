package research

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/llm/ask"
)

func withCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, cancel
}

func TestFind(t *testing.T) {
	t.Parallel()
	const text = "The “old” harbour\n  burned — twice — in 1702.\tRecon-\nstruction took 20 years. Straße Ünï."
	for quote, want := range map[string]string{
		`the "old" harbour burned`:     "The “old” harbour\n  burned",
		"“burned - twice - in 1702.”":  "burned — twice — in 1702",
		"reconstruction took 20 years": "Recon-\nstruction took 20 years",
		"...took 20 years...":          "took 20 years",
		"STRASSE":                      "",
		"straße ünï":                   "Straße Ünï",
		"the harbour burned":           "",
		"1702":                         "", // too short to point anywhere
		"":                             "",
		"   ":                          "",
		"took 20 years. Straße Ünï. And more text": "",
	} {
		from, to, ok := find([]rune(text), quote)
		if got := string([]rune(text)[from:to]); ok != (want != "") || got != want {
			t.Errorf("%q: %q, %v", quote, got, ok)
		}
	}
}

// TestFindWhatIsThere: a piece of a text is found, however its white space is
// changed, and what is found is a piece of the text.
func TestFindWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []rune(rapid.StringOf(rapid.RuneFrom([]rune("abcdeAB  \n-—“'.ä日😀"))).Draw(t, "text"))
		from := rapid.IntRange(0, len(text)).Draw(t, "from")
		to := rapid.IntRange(from, len(text)).Draw(t, "to")
		words, _ := normal([]rune(strings.Trim(string(text[from:to]), "\"'“”„«»…. \n")))
		start, end, ok := find(text, strings.Join(strings.Fields(string(text[from:to])), "  "))
		if ok && (start < 0 || end > len(text) || start >= end) {
			t.Fatalf("found %d to %d of %d", start, end, len(text))
		}
		plain := !strings.ContainsAny(string(text), "-—")
		if !ok && plain && len(words) >= minQuote {
			t.Fatalf("%q is not found in %q", string(text[from:to]), string(text))
		}
	})
}

// TestSplit: chunks are in order, have no gap but white space, and keep to the size.
func TestSplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"word ", "Sentence ends. ", "\n\n", "\n", "日本語", strings.Repeat("x", 300), "    "})
		text := []rune(strings.Join(rapid.SliceOfN(piece, 0, 400).Draw(t, "pieces"), ""))
		size := int64(rapid.IntRange(1, 200).Draw(t, "size"))
		at := 0
		for _, c := range split(3, text, size) {
			if strings.TrimSpace(string(text[at:c.start])) != "" {
				t.Fatalf("%q is in no chunk", string(text[at:c.start]))
			}
			if c.source != 3 || string(text[c.start:c.end]) != string(c.text) || c.end <= c.start {
				t.Fatalf("chunk %d to %d", c.start, c.end)
			}
			if got := ask.Estimate(string(c.text)); got > size && len(c.text) > 1 {
				t.Fatalf("%d tokens, allowed %d", got, size)
			}
			at = c.end
		}
		if strings.TrimSpace(string(text[at:])) != "" {
			t.Fatal("the end is in no chunk")
		}
	})
}

func TestPlace(t *testing.T) {
	t.Parallel()
	lines := lineStarts([]rune("a\nbc\n\nd"))
	for offset, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 2, 5: 3, 6: 4} {
		if page, line := place(nil, lines, offset); line != want || page != 0 {
			t.Errorf("offset %d: line %d, page %d", offset, line, page)
		}
	}
	if page, _ := place([]int{0, 10, 10, 20}, lines, 12); page != 3 {
		t.Errorf("page %d", page)
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	for tokens, want := range map[int]int64{0: 1664, 1000: minChunk, 2048: minChunk, 8192: maxChunk, 1 << 20: maxChunk} {
		if got := budget(tokens); got != want {
			t.Errorf("context %d: %d, want %d", tokens, got, want)
		}
	}
}

// FuzzAnswer: no answer of a model makes a report that cites what is not there.
func FuzzAnswer(f *testing.F) {
	f.Add(`{"findings":[{"text":"a","quote":"Merchants paid","question":1}],"open_questions":["q"],"tags":["t"]}`, "See [1] and [7]. [1, 2]")
	f.Add(`{"findings":[{"text":"[3](x) <b>","quote":"the harbour burned in 1702 and","question":"2"}]}`, "</think>[0]")
	f.Add(`{"findings":[]}`, "\\[1] [\\1]")
	f.Fuzz(func(t *testing.T, answer, summary string) {
		var got said
		text := []rune(note)
		if !utf8.ValidString(answer) || readSaid([]byte(answer), &got) != nil {
			return
		}
		r := Report{Version: Version, Topic: summary, Basis: BasisSources, Sources: []Source{{ID: "s1", Name: "[n] " + answer}}}.full()
		for i, said := range got.Findings {
			if from, to, ok := find(text, said.Quote); ok {
				id, quote := "s1", string(text[from:to])
				r.Findings = append(r.Findings, Finding{ID: i + 1, Text: short(said.Text, maxText), SourceID: &id, Quote: &quote, Start: &from, End: &to})
			}
		}
		r.Summary = cleanSummary(summary, len(r.Findings))
		cites(t, markdown(r), r)
	})
}

// TestPlainIsNeitherLinkNorCommand: what a stranger's page says is only shown.
func TestPlainIsNeitherLinkNorCommand(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"see www.evil.example":             `see www\.evil.example`,
		"a\x1b]0;owned\x07b\x1b[2Jc\u009b": `a\]0;ownedb\[2Jc`,
		"\u202egnp.exe\u2066":              "gnp.exe",
		"![x](http://evil.example/a.png)":  `\!\[x\](http\://evil.example/a.png)`,
	} {
		if got := plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
