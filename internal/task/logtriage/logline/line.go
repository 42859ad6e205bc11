// Package logline reads single lines of logs: when they were written, how bad
// they are, what they say, and what of it varies from line to line.
//
// A line goes through four steps, each of which is a function of bytes that
// knows no file and no model:
//
//	Clean     valid UTF-8 without control characters and terminal sequences
//	Masker    credentials replaced by <secret>
//	Parser    time and severity found, their place in the line cut off
//	Template  what varies (numbers, addresses, paths, ...) replaced by its kind
//
// Joiner then tells which lines belong to the one before them, so that a stack
// trace is one event. Everything is deterministic, works in one pass and is
// bounded by the length of the line, because whoever can make a program log
// something decides what is read here.
package logline

import (
	"bytes"
	"time"
)

// Severity is how bad a line is. The zero value is Debug; larger is worse.
type Severity int

// The severities. A line that says nothing of its own is Info.
const (
	Debug Severity = iota
	Info
	Warning
	Error
	Fatal
)

// Severities is how many there are.
const Severities = int(Fatal) + 1

var severityNames = [Severities]string{"debug", "info", "warning", "error", "fatal"}

// String is the name in reports: debug, info, warning, error, fatal.
func (s Severity) String() string { return severityNames[s] }

// SeverityOf finds the severity of a name in a report.
func SeverityOf(name string) (Severity, bool) {
	for i, n := range severityNames {
		if n == name {
			return Severity(i), true
		}
	}
	return 0, false
}

// Line is what a line says. Text is valid until the parser's next call.
type Line struct {
	// Time is when the line was written, in UTC; zero = it does not say.
	Time     time.Time
	Severity Severity
	// Dated says that the text itself has a time (not only what a container engine
	// put before it) or is an object, Headed that it has a time or a level, Indented
	// that it begins with a space.
	Dated, Headed, Indented bool
	// Text is the message without the leading time.
	Text []byte
}

// Parser reads lines. It is not safe for concurrent use.
type Parser struct {
	// Zone is that of times which name none; nil = UTC.
	Zone *time.Location
	// Now completes dates without a year: they are not later than a day after it.
	Now time.Time
	// Container says that each line begins with a time that a container engine put
	// there.
	Container bool

	joined []byte
}

// Parse reads a line that went through Clean and a Masker.
func (p *Parser) Parse(line []byte) Line {
	at, rest := p.outer(line)
	l := p.parse(rest, true)
	if l.Time.IsZero() {
		l.Time = at
	}
	return l
}

// outer cuts what a container engine puts before a line: the time, and in the
// files of Kubernetes (CRI logging) the stream and a tag.
func (p *Parser) outer(line []byte) (time.Time, []byte) {
	if len(line) < 21 || line[10] != 'T' || !isDigit(line[0]) {
		return time.Time{}, line
	}
	at, n, ok := p.stamp(line, &header{})
	if !ok || n >= len(line) || line[n] != ' ' {
		return time.Time{}, line
	}
	if p.Container {
		return at, line[n+1:]
	}
	if rest := line[n+1:]; len(rest) > 8 && (string(rest[:7]) == "stdout " || string(rest[:7]) == "stderr ") &&
		(rest[7] == 'F' || rest[7] == 'P') && rest[8] == ' ' {
		return at, rest[9:]
	}
	return time.Time{}, line
}

func (p *Parser) parse(line []byte, nested bool) Line {
	trimmed := bytes.TrimSpace(line)
	if len(trimmed) > 1 && trimmed[0] == '{' && trimmed[len(trimmed)-1] == '}' {
		if l, ok := p.parseJSON(trimmed, nested); ok {
			return l
		}
	}
	h := p.header(line)
	dated := !h.at.IsZero()
	l := Line{Time: h.at, Text: bytes.TrimSpace(line[h.n:]), Dated: dated, Headed: dated}
	l.Indented = len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
	if h.levelled {
		l.Severity, l.Headed = h.severity, true
		return l
	}
	s, explicit := severityIn(l.Text)
	if h.access {
		if status, ok := accessStatus(line); ok {
			s = status
		}
	}
	if !explicit && h.clock {
		explicit = true // a time of day without a date begins an event too
	}
	l.Severity, l.Headed = s, l.Headed || explicit
	return l
}

// accessStatus judges a line of an access log, "GET / HTTP/1.1" 200 12, by its
// status.
func accessStatus(line []byte) (Severity, bool) {
	_, rest, ok := bytes.Cut(line, []byte(`" `))
	if !ok || len(rest) < 3 || !digits(rest[:3]) || len(rest) > 3 && rest[3] != ' ' {
		return Info, false
	}
	switch {
	case rest[0] == '5':
		return Error, true
	case rest[0] == '4':
		return Warning, true
	}
	return Info, true
}
