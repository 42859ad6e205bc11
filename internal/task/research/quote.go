package research

import (
	"slices"
	"sort"
	"strings"
	"unicode"
)

// Bounds of quotes, in characters.
const (
	minQuote = 6
	maxQuote = 600
)

// find returns where a quote stands in text, as offsets in characters. White space,
// case, dashes, hyphens at line ends, and the shapes of quotation marks are not
// compared: models change them, and what is shown is the source's own wording. A
// quote that is too short to point anywhere is not found.
func find(text []rune, quote string) (start, end int, ok bool) {
	want, _ := normal([]rune(strings.Trim(strings.TrimSpace(quote), "\"'“”„«»…. ")))
	if len(want) < minQuote {
		return 0, 0, false
	}
	have, at := normal(text)
	i := index(have, want)
	if i < 0 {
		return 0, 0, false
	}
	start, end = at[i], at[i+len(want)-1]+1
	if end-start > maxQuote {
		end = start + maxQuote
		for end > start+1 && unicode.IsSpace(text[end-1]) {
			end--
		}
	}
	return start, end, true
}

// normal returns text as it is compared, and for each of its characters the offset
// that it had.
func normal(text []rune) (out []rune, at []int) {
	out, at = make([]rune, 0, len(text)), make([]int, 0, len(text))
	broken := false // in the gap behind a hyphen at the end of a line
	for i, r := range text {
		switch {
		case unicode.IsSpace(r):
			if broken || len(out) == 0 || out[len(out)-1] == ' ' {
				continue
			}
			r = ' '
		case r == '\u00ad' || r == '\u200b' || r == '\ufeff': // not seen
			continue
		case strings.ContainsRune("“”„«»″", r):
			r = '"'
		case strings.ContainsRune("‘’‚′`", r):
			r = '\''
		case strings.ContainsRune("-‐‑‒–—−", r):
			broken = i > 0 && unicode.IsLetter(text[i-1]) && i+1 < len(text) && (text[i+1] == '\n' || text[i+1] == '\r')
			continue
		default:
			r = unicode.ToLower(r)
		}
		broken = false
		out, at = append(out, r), append(at, i)
	}
	if n := len(out); n > 0 && out[n-1] == ' ' {
		out, at = out[:n-1], at[:n-1]
	}
	return out, at
}

// index is the first place of want in have, -1 if there is none. Chunks and quotes
// are short.
func index(have, want []rune) int {
	for i := 0; i+len(want) <= len(have); i++ {
		if have[i] == want[0] && slices.Equal(have[i:i+len(want)], want) {
			return i
		}
	}
	return -1
}

// place says on which page (from 1; 0 = there are none) and line (from 1) of a text an
// offset lies. pages and lines are where they begin.
func place(pages, lines []int, offset int) (page, line int) {
	return sort.SearchInts(pages, offset+1), sort.SearchInts(lines, offset+1)
}

// lineStarts are the offsets at which the lines of a text begin.
func lineStarts(text []rune) []int {
	out := []int{0}
	for i, r := range text {
		if r == '\n' {
			out = append(out, i+1)
		}
	}
	return out
}
