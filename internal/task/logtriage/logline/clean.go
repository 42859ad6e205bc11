package logline

import (
	"unicode"
	"unicode/utf8"
)

const escape = 0x1b

// Clean appends line to dst as valid UTF-8. Terminal sequences, NULs and
// invisible formatting characters (which can reorder what a person reads) are
// dropped, other control characters become spaces, and a run of bytes that are
// no UTF-8 becomes one U+FFFD.
func Clean(dst, line []byte) []byte {
	for i := 0; i < len(line); {
		j := i
		for j < len(line) && (line[j] >= 0x20 && line[j] < 0x7f || line[j] == '\t') {
			j++
		}
		dst = append(dst, line[i:j]...)
		if i = j; i == len(line) {
			break
		}
		switch c := line[i]; {
		case c == escape:
			i = skipEscape(line, i)
		case c == 0:
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, ' ')
			i++
		default:
			var n int
			dst, n = cleanRune(dst, line[i:])
			i += n
		}
	}
	return dst
}

func cleanRune(dst, src []byte) ([]byte, int) {
	r, n := utf8.DecodeRune(src)
	if r == utf8.RuneError && n == 1 {
		for n < len(src) && src[n] >= utf8.RuneSelf {
			if r, _ := utf8.DecodeRune(src[n:]); r != utf8.RuneError {
				break
			}
			n++
		}
		if last, _ := utf8.DecodeLastRune(dst); last != utf8.RuneError || len(dst) == 0 {
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		return dst, n
	}
	switch {
	case unicode.Is(unicode.Cf, r):
		return dst, n
	case unicode.IsControl(r), unicode.IsSpace(r):
		return append(dst, ' '), n
	}
	return append(dst, src[:n]...), n
}

// skipEscape returns the index after the terminal sequence that begins at i:
// CSI and OSC (ECMA-48, sections 5.4 and 8.3.89), else the two characters.
func skipEscape(b []byte, i int) int {
	if i++; i == len(b) {
		return i
	}
	switch b[i] {
	case '[':
		for i++; i < len(b) && b[i] >= 0x20 && b[i] <= 0x3f; i++ {
		}
	case ']':
		// Bounded: one that never ends must not hide the rest of a line.
		for j := i + 1; j < len(b) && j < i+256; j++ {
			if b[j] == '\a' {
				return j + 1
			}
			if b[j] == escape {
				return min(j+2, len(b))
			}
		}
	}
	return min(i+1, len(b))
}
