package command

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/runsheet/runsheet/internal/run"
)

// The line protocol. A line of stdout that begins with "::" in its first column
// may be a message; CR before the newline is ignored. What does not fit is an
// ordinary line. Messages go to the log like every other line.
//
//	line       = "::progress" SP done [ "/" total ] [ SP stage ]
//	           | "::output" SP key "=" value
//	           | "::checkpoint" SP value
//	           | "::skip" [ SP reason ]
//	done,total = 1*18 DIGIT                   ; done <= total, total > 0
//	key        = ( ALPHA / "_" ) *127( ALPHA / DIGIT / "_" / "." / "-" )
//	stage, value, reason = the rest of the line
type verb string

const (
	verbProgress   verb = "progress"
	verbOutput     verb = "output"
	verbCheckpoint verb = "checkpoint"
	verbSkip       verb = "skip"
)

const (
	// maxLine is how much of a line is held: an output value of 64 KiB with its
	// key. A longer line is logged but is no message.
	maxLine   = 64<<10 + 1<<10
	maxStage  = 200  // bytes
	maxReason = 1000 // bytes
)

// message is a line that fits the protocol.
type message struct {
	verb     verb
	progress run.Progress
	key      string
	value    string // output, checkpoint, skip
}

var (
	progressForm = regexp.MustCompile(`^([0-9]{1,18})(?:/([0-9]{1,18}))?(?:[ \t]+(.*))?$`)
	outputForm   = regexp.MustCompile(`^(?s)([A-Za-z_][A-Za-z0-9_.-]{0,127})=(.*)$`)
)

// parseLine reads one line, with or without its newline.
func parseLine(line []byte) (message, bool) {
	if !bytes.HasPrefix(line, []byte("::")) || len(line) > maxLine {
		return message{}, false
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(line[2:]), "\n"), "\r")
	word, rest, _ := strings.Cut(s, " ")
	m := message{verb: verb(word)}
	switch m.verb {
	case verbProgress:
		return m.asProgress(strings.Trim(rest, " \t"))
	case verbOutput:
		f := outputForm.FindStringSubmatch(rest)
		if f == nil {
			return message{}, false
		}
		m.key, m.value = f[1], text(f[2])
		return m, true
	case verbCheckpoint:
		m.value = rest
		return m, rest != ""
	case verbSkip:
		m.value = clip(text(strings.TrimSpace(rest)), maxReason)
		return m, true
	}
	return message{}, false
}

func (m message) asProgress(s string) (message, bool) {
	f := progressForm.FindStringSubmatch(s)
	if f == nil {
		return message{}, false
	}
	p := run.Progress{Stage: clip(text(strings.TrimSpace(f[3])), maxStage)}
	p.Done, _ = strconv.ParseInt(f[1], 10, 64) // 18 digits fit
	if f[2] != "" {
		p.Total, _ = strconv.ParseInt(f[2], 10, 64)
		if p.Total == 0 || p.Done > p.Total {
			return message{}, false
		}
	}
	m.progress = p
	return m, true
}

// text makes s storable as text in every database.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// clip shortens s to n bytes without cutting a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// logger lets the two streams and the server's notes share a log.
type logger struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *logger) write(parts ...[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range parts {
		if len(p) > 0 {
			_, _ = l.w.Write(p) // it never fails, see task.Host
		}
	}
}

// note adds a line of the server's own.
func (l *logger) note(format string, args ...any) {
	l.write([]byte("runsheet: " + fmt.Sprintf(format, args...) + "\n"))
}

// stream passes output on to the log in whole lines, so that stdout and stderr
// do not tear each other's apart, and shows each line to line, if set. It holds
// at most maxLine bytes. It is safe for concurrent use.
type stream struct {
	log  *logger
	line func([]byte)
	tee  io.Writer // gets everything too; nil = nobody else does

	mu     sync.Mutex
	held   []byte // the line that is not complete
	logged int    // how much of held the log has
	aged   bool   // held was there at the last tick
	long   bool   // the line's beginning was let go
}

// Write implements io.Writer. It never fails.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(p)
	if s.tee != nil {
		_, _ = s.tee.Write(p) // it never fails, see Part
	}
	if end := bytes.LastIndexByte(p, '\n') + 1; end > 0 {
		s.log.write(s.held[s.logged:], p[:end])
		s.show(p[:end])
		p = p[end:]
	}
	s.held = append(s.held, p...)
	if len(s.held) > maxLine {
		s.log.write(s.held[s.logged:])
		s.held, s.logged, s.long = s.held[:0], 0, true
	}
	s.aged = false
	return n, nil
}

// show parses complete lines, the first of which began in held.
func (s *stream) show(lines []byte) {
	for len(lines) > 0 {
		n := bytes.IndexByte(lines, '\n') + 1
		l := lines[:n]
		if len(s.held) > 0 {
			l = append(s.held, l...)
		}
		if s.line != nil && !s.long {
			s.line(l)
		}
		s.held, s.logged, s.long = s.held[:0], 0, false
		lines = lines[n:]
	}
}

// tick logs an incomplete line that has not grown since the last tick, such as
// a prompt or a row of dots.
func (s *stream) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aged {
		s.log.write(s.held[s.logged:])
		s.logged = len(s.held)
	}
	s.aged = true
}

// end completes the last line.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) == 0 {
		return
	}
	s.log.write(s.held[s.logged:], []byte("\n"))
	if s.line != nil && !s.long {
		s.line(s.held)
	}
	s.held, s.logged, s.long = s.held[:0], 0, false
}
