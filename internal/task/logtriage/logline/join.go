package logline

import "bytes"

// maxJoined bounds how many lines one event may have, so that a log without any
// recognisable beginning is not taken for one.
const maxJoined = 1000

// Joiner tells which lines belong to the event of the line before: the frames of
// stack traces as Java, Python, Go, JavaScript, .NET and Ruby print them, and
// indented lines in general. It is not safe for concurrent use; the zero value
// is ready.
type Joiner struct {
	lines  int  // of the event, 0 = there is none
	headed bool // its first line has a header
	python bool // inside of a traceback, whose end is the first line that is not indented
	after  bool // behind the end of a traceback
	golang bool // behind a panic, whose frames are not indented
}

// Join is what a line is to the event before it.
type Join int

// Begins starts an event, Continues belongs to the one before, Names belongs to
// it as well and says what went wrong (the last line of a Python traceback).
const (
	Begins Join = iota
	Continues
	Names
)

// Line judges a line that is not blank.
func (j *Joiner) Line(l Line) Join {
	how := j.judge(l)
	if how != Begins {
		j.lines++
		return how
	}
	*j = Joiner{
		lines: 1, headed: l.Headed,
		python: isTraceback(l.Text),
		golang: hasAny(l.Text, "panic: ", "fatal error: ", "goroutine ", "SIGSEGV", "unexpected fault address"),
	}
	return Begins
}

func (j *Joiner) judge(l Line) Join {
	if j.lines == 0 || j.lines >= maxJoined || l.Dated {
		return Begins
	}
	text := l.Text
	switch {
	case isTraceback(text) && (j.headed || j.after):
		j.python, j.after = true, false
		return Continues
	case j.python && !l.Indented:
		j.python, j.after = false, true
		return Names
	case j.after && hasAny(text, "During handling of the above exception", "The above exception was the direct cause"):
		return Continues
	case l.Indented:
		return Continues
	case hasAny(text, "Caused by: ", "Suppressed: ", "Wrapped by: ", "--- End of ", "Stack trace:", "... "):
		return Continues
	case j.golang && !l.Headed:
		return Continues
	case j.golang && hasAny(text, "goroutine ", "panic: ", "\tpanic: ", "[signal ", "exit status ", "created by "):
		return Continues
	}
	return Begins
}

func isTraceback(text []byte) bool {
	return bytes.HasPrefix(text, []byte("Traceback (most recent call last)")) ||
		bytes.HasSuffix(text, []byte("Traceback (most recent call last):"))
}

func hasAny(text []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if len(text) >= len(p) && string(text[:len(p)]) == p {
			return true
		}
	}
	return false
}
