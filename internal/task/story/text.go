package story

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/runsheet/runsheet/internal/llm/ask"
)

// maxAnswer bounds what is looked at of one answer, in bytes.
const maxAnswer = 256 << 10

// sameRune is how often a character may stand beside itself.
const sameRune = 30

var (
	// ansi are the control sequences of terminals (ECMA-48): CSI, OSC, and the short
	// ones.
	ansi = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[ -/]*[0-~])|\u009b[0-?]*[ -/]*[@-~]")
	// thoughts are what some models say before they answer.
	thoughts = regexp.MustCompile(`(?s)^\s*<think>.*?(</think>|$)`)
	blank    = regexp.MustCompile(`\n{3,}`)
	spaces   = regexp.MustCompile(`[ \t]+`)
)

// clean takes from a text what is no text: control characters, sequences for
// terminals, marks that reverse the direction of writing, broken UTF-8.
func clean(s string) string {
	s = ansi.ReplaceAllString(ask.Cut(s, maxAnswer), "")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n\n", "\t", " ", "\u0085", "\n").Replace(s)
	var out strings.Builder
	var last rune
	same := 0
	for i, r := range s {
		if unprintable(r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			continue
		}
		if same++; r != last {
			last, same = r, 1
		}
		if same <= sameRune {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func unprintable(r rune) bool {
	switch {
	case r == '\n':
		return false
	case unicode.IsControl(r), r == '\uFEFF', r == '\u061C', r == '\u200E', r == '\u200F',
		r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069', r >= 0xE0000 && r <= 0xE007F,
		unicode.Is(unicode.Noncharacter_Code_Point, r):
		return true
	}
	return false
}

// line is a text in one line.
func line(s string) string {
	return strings.TrimSpace(spaces.ReplaceAllString(strings.ReplaceAll(clean(s), "\n", " "), " "))
}

// label is one line for a title or a heading, without marks of Markdown around it.
func label(s string, limit int) string {
	s = strings.TrimSpace(strings.Trim(line(s), "#*_\"“”`- "))
	if r := []rune(s); len(r) > limit {
		s = strings.TrimSpace(string(r[:limit])) + "…"
	}
	return s
}

// prose is the text of a story in an answer: without a heading, which the models
// like to repeat, and without what Markdown would make something else of.
func prose(answer, heading string) string {
	s := strings.TrimSpace(clean(thoughts.ReplaceAllString(answer, "")))
	if rest, ok := strings.CutPrefix(s, "```"); ok {
		_, rest, _ = strings.Cut(rest, "\n")
		s, _, _ = strings.Cut(rest, "```")
	}
	var out []string
	for l := range strings.Lines(s) {
		l = strings.TrimRight(spaces.ReplaceAllString(l, " "), " \n")
		bare := strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(l), "#"))
		switch {
		case len(out) == 0 && (bare == "" || strings.HasPrefix(l, "#") || heading != "" && strings.EqualFold(label(bare, 1000), heading)):
			continue
		case bare != "" && strings.Trim(bare, "-=") == "":
			l = "" // a rule would make a heading of the line before
		case strings.HasPrefix(l, "#"):
			l = bare
		case strings.HasPrefix(strings.TrimSpace(l), "```"):
			l = ""
		}
		out = append(out, l)
	}
	return strings.TrimSpace(blank.ReplaceAllString(strings.Join(out, "\n"), "\n\n"))
}

// span is a part of a text, in bytes.
type span struct{ from, to int }

// words are the places of the words of a text by UAX #29: what stands between
// spaces and punctuation marks, and each character of scripts that have no spaces
// (Chinese, kanji, hiragana, Thai), while a run of katakana is one. Korean has
// spaces.
func words(s string) []span {
	var out []span
	rest, state, at := s, -1, 0
	var w string
	for len(rest) > 0 {
		w, rest, state = uniseg.FirstWordInString(rest, state)
		if strings.ContainsFunc(w, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			out = append(out, span{at, at + len(w)})
		}
		at += len(w)
	}
	return out
}

func count(s string) int { return len(words(s)) }

// sentences are the places of the sentences of a text by UAX #29, each with the
// space after it. The end of a line ends one, too.
func sentences(s string) []span {
	var out []span
	rest, state, at := s, -1, 0
	var one string
	for len(rest) > 0 {
		one, rest, state = uniseg.FirstSentenceInString(rest, state)
		out = append(out, span{at, at + len(one)})
		at += len(one)
	}
	return out
}

// ended reports whether a text ends with the end of a sentence.
func ended(s string) bool {
	s = strings.TrimRightFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Pe, unicode.Pf, unicode.Quotation_Mark) || r == '*' || r == '_'
	})
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && (unicode.Is(unicode.Sentence_Terminal, r) || r == '…')
}

// finished is a text without the sentence that it breaks off in. It stays whole
// if that is a large part of it.
func finished(s string) string {
	s = strings.TrimSpace(s)
	if ended(s) {
		return s
	}
	for _, one := range slices.Backward(sentences(s)) {
		if cut := strings.TrimSpace(s[:one.to]); ended(cut) {
			if 10*count(cut) >= 6*count(s) {
				return cut
			}
			break
		}
	}
	return s
}

// shorten cuts a text with more than high words: at the end of a sentence between
// low and high, the one nearest to target, and if there is none after a word.
func shorten(s string, low, target, high int) string {
	all := words(s)
	if len(all) <= high {
		return s
	}
	for _, parts := range [][]span{sentences(s), stops(s)} {
		best, found, n := 0, -1, 0
		for _, one := range parts {
			for n < len(all) && all[n].to <= one.to {
				n++
			}
			if n > high {
				break
			}
			if n >= low && (found < 0 || abs(n-target) < abs(found-target)) && ended(s[:one.to]) {
				best, found = one.to, n
			}
		}
		if found > 0 {
			return strings.TrimSpace(s[:best])
		}
	}
	if target < 1 {
		return ""
	}
	return strings.TrimSpace(s[:all[target-1].to]) + "…"
}

// stops are the places of what ends with a full stop or its like and a space. It
// is for texts with no capital letters, where UAX #29 sees no sentences; in others
// it would take abbreviations for them.
func stops(s string) []span {
	var out []span
	from := 0
	for i, r := range s {
		if unicode.IsSpace(r) && i > from && ended(s[from:i]) {
			out = append(out, span{from, i})
			from = i
		}
	}
	return append(out, span{from, len(s)})
}

func abs(n int) int { return max(n, -n) }

// unloop takes out what a model says again and again: a group of sentences that
// follows itself twice, and a group of words that does so five times.
func unloop(s string) string {
	all := sentences(s)
	said := make([]string, len(all))
	for i, one := range all {
		said[i] = strings.ToLower(strings.TrimSpace(s[one.from:one.to]))
	}
	s = without(s, all, loops(said, 12, 3, func(period, times int) bool {
		return times*period >= 12 || longEnough(said, period)
	}))
	each := words(s)
	said = make([]string, len(each))
	for i, w := range each {
		said[i] = strings.ToLower(s[w.from:w.to])
	}
	for i := range each { // the space and the marks after a word go with it
		if i+1 < len(each) {
			each[i].to = each[i+1].from
		} else {
			each[i].to = len(s)
		}
	}
	return strings.TrimSpace(without(s, each, loops(said, 32, 6, func(period, times int) bool { return times*period >= 12 })))
}

// longEnough keeps "No! No! No!" from being taken for a loop.
func longEnough(said []string, period int) bool {
	n := 0
	for _, one := range said {
		n += len(one)
	}
	return len(said) > 0 && period*n/len(said) >= 16
}

// loops marks the repetitions in a list: groups of up to longest elements that
// follow each other at least times times, as far as enough agrees.
func loops(said []string, longest, times int, enough func(period, times int) bool) []bool {
	drop := make([]bool, len(said))
	for period := 1; period <= longest; period++ {
		for i := 0; i+period < len(said); {
			run := 0
			for i+run+period < len(said) && said[i+run] == said[i+run+period] && !drop[i+run] && !drop[i+run+period] {
				run++
			}
			if n := run/period + 1; n >= times && enough(period, n) {
				for j := i + period; j < i+n*period; j++ {
					drop[j] = true
				}
			}
			i += run + 1
		}
	}
	return drop
}

func without(s string, parts []span, drop []bool) string {
	var out strings.Builder
	at := 0
	for i, p := range parts {
		if drop[i] {
			out.WriteString(s[at:p.from])
			at = p.to
		}
	}
	out.WriteString(s[at:])
	return out.String()
}

// join puts the continuation of a text behind it.
func join(text, more string) string {
	switch {
	case text == "" || more == "":
		return text + more
	case ended(text):
		return text + "\n\n" + more
	}
	last, _ := utf8.DecodeLastRuneInString(text)
	first, _ := utf8.DecodeRuneInString(more)
	if unicode.In(last, unicode.Han, unicode.Hiragana, unicode.Katakana) && unicode.In(first, unicode.Han, unicode.Hiragana, unicode.Katakana) {
		return text + more
	}
	return text + " " + more
}

// head is the beginning of a text that has about so many tokens.
func head(s string, tokens int) string {
	if ask.Estimate(s) <= int64(tokens) {
		return s
	}
	n, quarters := 0, 0
	for i, r := range s {
		if quarters++; r >= 0x1100 {
			quarters += 3
		}
		if quarters > 4*tokens {
			break
		}
		n = i + utf8.RuneLen(r)
	}
	return strings.TrimSpace(s[:n])
}

// tail is the end of a text that has about so many tokens, from the beginning of a
// sentence if that leaves half of it.
func tail(s string, tokens int) string {
	if ask.Estimate(s) <= int64(tokens) {
		return s
	}
	quarters, from := 0, len(s)
	for from > 0 {
		r, n := utf8.DecodeLastRuneInString(s[:from])
		if quarters++; r >= 0x1100 {
			quarters += 3
		}
		if quarters > 4*tokens {
			break
		}
		from -= n
	}
	s = s[from:]
	if all := sentences(s); len(all) > 1 && all[0].to < len(s)/2 {
		s = s[all[0].to:]
	}
	return strings.TrimSpace(s)
}
