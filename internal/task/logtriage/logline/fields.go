package logline

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// maxFields bounds how many fields of an object are looked at.
const maxFields = 200

// parseJSON reads an object with fields for message, level and time under their
// usual names. nested says that a message may be a log line by itself, as in
// Docker's files.
func (p *Parser) parseJSON(b []byte, nested bool) (Line, bool) {
	var message, failure []byte
	l := Line{Dated: true, Headed: true, Severity: Info}
	levelled, wrapped := false, false
	ok := eachField(b, func(key, value []byte) {
		var buf [longestWord]byte
		switch string(lower(buf[:0], key)) {
		case "message", "msg", "@message", "event", "text", "body":
			if message == nil && len(value) > 0 && value[0] == '"' {
				message = unquote(value)
			}
		case "log":
			if message == nil && len(value) > 0 && value[0] == '"' {
				message, wrapped = unquote(value), true
			}
		case "error", "err", "exception":
			if len(value) > 0 && value[0] == '"' {
				failure = unquote(value)
			}
		case "level", "lvl", "severity", "loglevel", "log_level", "levelname", "log.level":
			if s, known := fieldLevel(value); known && !levelled {
				l.Severity, levelled = s, true
			}
		case "time", "timestamp", "ts", "@timestamp", "t", "date", "datetime":
			if at, known := p.fieldTime(value); known && l.Time.IsZero() {
				l.Time = at
			}
		}
	})
	if !ok {
		return Line{}, false
	}
	if message == nil {
		message = b
	}
	if nested && wrapped {
		inner := p.parse(message, false)
		if l.Time.IsZero() {
			l.Time = inner.Time
		}
		if !levelled {
			l.Severity = inner.Severity
		}
		// A line in a container's file begins an event only if its text does.
		l.Dated, l.Headed, l.Indented, l.Text = inner.Dated, inner.Headed, inner.Indented, inner.Text
		return l, true
	}
	message = bytes.TrimSpace(message)
	if !levelled {
		l.Severity, _ = severityIn(message)
		if len(failure) > 0 {
			l.Severity = max(l.Severity, Error)
		}
	}
	if len(failure) > 0 {
		p.joined = append(append(append(p.joined[:0], message...), " error="...), failure...)
		message = p.joined
	}
	l.Text = message
	return l, true
}

func fieldLevel(value []byte) (Severity, bool) {
	if len(value) > 1 && value[0] == '"' {
		return levelOf(value[1 : len(value)-1])
	}
	n, err := strconv.ParseInt(string(value[:min(len(value), 8)]), 10, 64)
	if err != nil {
		return Info, false
	}
	return levelNumber(n)
}

func (p *Parser) fieldTime(value []byte) (time.Time, bool) {
	if len(value) > 1 && value[0] == '"' {
		text := value[1 : len(value)-1]
		at, n, ok := p.stamp(text, &header{})
		return at, ok && n > 0
	}
	whole, _, _ := bytes.Cut(value, []byte("."))
	n, err := strconv.ParseInt(string(whole[:min(len(whole), 20)]), 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return instant(n)
}

// unquote is the text of a JSON string; of one that is none, what is between
// the quotes.
func unquote(value []byte) []byte {
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return inner
	}
	// An escaped control character is one all the same.
	return Clean(make([]byte, 0, len(s)), []byte(s))
}

// eachField calls f with the fields of the object b: names without quotes, values
// as they stand. It is several times faster than package json because it looks
// into nothing; it reports whether b had the form of an object.
func eachField(b []byte, f func(key, value []byte)) bool {
	i := space(b, 1)
	for n := 0; i < len(b) && b[i] != '}'; n++ {
		if n == maxFields {
			return true
		}
		end := stringEnd(b, i)
		if end < 0 {
			return false
		}
		key := b[i+1 : end-1]
		i = space(b, end)
		if i >= len(b) || b[i] != ':' {
			return false
		}
		i = space(b, i+1)
		if end = valueEnd(b, i); end < 0 {
			return false
		}
		f(key, b[i:end])
		i = space(b, end)
		if i < len(b) && b[i] == ',' {
			i = space(b, i+1)
			continue
		}
		return i < len(b) && b[i] == '}' && i == len(b)-1
	}
	return i == len(b)-1
}

// stringEnd returns the index after the string that begins at i, -1 if none does.
func stringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// valueEnd returns the index after the value that begins at i, -1 if none does.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	if b[i] == '"' {
		return stringEnd(b, i)
	}
	depth := 0
	for j := i; j < len(b); j++ {
		switch b[j] {
		case '"':
			if j = stringEnd(b, j); j < 0 {
				return -1
			}
			j--
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return max(j, i)
			}
			if depth--; depth == 0 {
				return j + 1
			}
		case ',', ' ':
			if depth == 0 {
				return j
			}
		}
	}
	return -1
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	return i
}
