package runlog

import (
	"io"
	"unicode/utf8"
)

// Stripper makes output of any program safe to show: it removes ANSI, OSC and
// the other control sequences of ECMA-48, control characters other than newline
// and tab, and the invisible characters that reorder text. Invalid UTF-8 becomes
// U+FFFD. Carriage returns become newlines, so that a progress bar leaves its
// steps and cannot overwrite a line. The zero value is ready; one Stripper
// belongs to one stream, whose chunks may be cut anywhere.
type Stripper struct {
	state stripState
	// rest is an unfinished UTF-8 sequence.
	rest [utf8.UTFMax]byte
	n    int
	// cr says that the last character was a carriage return.
	cr bool
}

type stripState uint8

const (
	inText   stripState = iota
	inEscape            // after ESC
	inNF                // after ESC and an intermediate
	inCSI               // after ESC [
	inString            // after ESC ] P X ^ _: until BEL or ST
	inStringEscape
)

// Strip appends what remains of src to dst and returns it. An unfinished
// sequence at the end of src is kept for the next call.
func (s *Stripper) Strip(dst, src []byte) []byte {
	for s.n > 0 && len(src) > 0 {
		s.rest[s.n] = src[0]
		s.n++
		src = src[1:]
		for s.n > 0 && (utf8.FullRune(s.rest[:s.n]) || s.n == utf8.UTFMax) {
			r, size := utf8.DecodeRune(s.rest[:s.n])
			dst = s.rune(dst, r)
			s.n = copy(s.rest[:], s.rest[size:s.n])
		}
	}
	for len(src) > 0 {
		if !utf8.FullRune(src) {
			s.n = copy(s.rest[:], src)
			break
		}
		r, size := utf8.DecodeRune(src)
		dst = s.rune(dst, r)
		src = src[size:]
	}
	return dst
}

// Flush appends what an unfinished character at the very end stands for.
func (s *Stripper) Flush(dst []byte) []byte {
	if s.n > 0 && s.state == inText {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	*s = Stripper{}
	return dst
}

func (s *Stripper) rune(dst []byte, r rune) []byte {
	cr := s.cr
	s.cr = false
	// These end every sequence. A newline does too, although terminals differ:
	// an OSC that is never ended must not hide the rest of the log.
	switch r {
	case '\n':
		s.state = inText
		if cr {
			return dst // it was written at the carriage return
		}
		return append(dst, '\n')
	case '\r':
		s.state, s.cr = inText, true
		return append(dst, '\n')
	case 0x18, 0x1a: // CAN, SUB
		s.state = inText
		return dst
	}
	switch s.state {
	case inText:
		return s.text(dst, r)
	case inEscape, inNF:
		s.escape(r)
	case inCSI:
		switch {
		case r == 0x1b:
			s.state = inEscape
		case r >= 0x40 && r <= 0x7e, r > 0x7f:
			s.state = inText
		}
	case inString:
		switch r {
		case 0x1b:
			s.state = inStringEscape
		case 0x07, 0x9c: // BEL, ST
			s.state = inText
		}
	case inStringEscape:
		if r == '\\' {
			s.state = inText
		} else {
			s.state = inEscape
			s.escape(r)
		}
	}
	return dst
}

func (s *Stripper) text(dst []byte, r rune) []byte {
	switch {
	case r == 0x1b:
		s.state = inEscape
	case r == 0x9b:
		s.state = inCSI
	case r == 0x90, r == 0x98, r == 0x9d, r == 0x9e, r == 0x9f:
		s.state = inString
	case r == '\t', r >= 0x20 && r < 0x7f:
		return append(dst, byte(r))
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL, C1
	case reorders(r):
	default:
		return utf8.AppendRune(dst, r)
	}
	return dst
}

// escape handles the character after ESC, or after its intermediates.
func (s *Stripper) escape(r rune) {
	switch {
	case r == 0x1b:
		s.state = inEscape
	case r >= 0x20 && r <= 0x2f:
		s.state = inNF
	case r == '[' && s.state == inEscape:
		s.state = inCSI
	case (r == ']' || r == 'P' || r == 'X' || r == '^' || r == '_') && s.state == inEscape:
		s.state = inString
	case r < 0x20: // a control character inside a sequence is obeyed by terminals, dropped here
	default:
		s.state = inText
	}
}

// reorders reports whether r changes the direction of text, which can make one
// text look like another (CVE-2021-42574).
func reorders(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c
}

// StripReader returns r without what Stripper removes.
func StripReader(r io.Reader) io.Reader { return &stripReader{r: r, raw: make([]byte, 8<<10)} }

type stripReader struct {
	r     io.Reader
	strip Stripper
	raw   []byte
	clean []byte // not yet returned
	store []byte
	err   error
}

// Read implements io.Reader.
func (s *stripReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.clean) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		n, err := s.r.Read(s.raw)
		s.store = s.strip.Strip(s.store[:0], s.raw[:n])
		if err != nil {
			s.err = err
			s.store = s.strip.Flush(s.store)
		}
		s.clean = s.store
	}
	n := copy(p, s.clean)
	s.clean = s.clean[n:]
	return n, nil
}
