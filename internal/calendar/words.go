package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/fault"
)

// word is one word of a line; text is what stood in quotes.
type word struct {
	text   string
	quoted bool
}

// words is a line that is read from left to right.
type words struct {
	file string
	line int
	rest []word
}

// fail returns a fault that names file and line.
func (w *words) fail(format string, args ...any) error {
	return lineFault(w.file, w.line, format, args...)
}

// maxQuoted is how many characters of a wrong text a fault repeats: the file may
// be a megabyte without a blank.
const maxQuoted = 40

// quoted is s in quotes for a fault, cut when it is long.
func quoted(s string) string {
	n := 0
	for i := range s {
		if n == maxQuoted {
			return strconv.Quote(s[:i]) + "..."
		}
		n++
	}
	return strconv.Quote(s)
}

func lineFault(file string, line int, format string, args ...any) error {
	return fault.Newf(fault.InvalidInput, "%s:%d: %s", file, line, fmt.Sprintf(format, args...))
}

// split divides a line into words.
func (w *words) split(line string) error {
	w.rest = nil
	if !utf8.ValidString(line) {
		return w.fail("not valid UTF-8")
	}
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			return nil
		}
		if line[0] == '"' {
			text, rest, found := strings.Cut(line[1:], `"`)
			if !found {
				return w.fail("a quote does not end")
			}
			if strings.TrimSpace(text) != text || text == "" || strings.ContainsFunc(text, unicode.IsControl) {
				return w.fail("a text in quotes is empty, begins or ends with a blank, or has control characters")
			}
			w.rest, line = append(w.rest, word{text, true}), rest
			if line != "" && !strings.ContainsAny(line[:1], " \t#") {
				return w.fail("no blank after a quote")
			}
			continue
		}
		end := strings.IndexAny(line, " \t\"#")
		if end < 0 {
			end = len(line)
		}
		if end < len(line) && line[end] == '"' {
			return w.fail("no blank before a quote")
		}
		w.rest, line = append(w.rest, word{line[:end], false}), line[end:]
	}
}

// peek returns the next plain word; "" if there is none or it is quoted.
func (w *words) peek() string {
	if len(w.rest) == 0 || w.rest[0].quoted {
		return ""
	}
	return w.rest[0].text
}

// next takes the next plain word, as peek.
func (w *words) next() string {
	s := w.peek()
	if s != "" {
		w.rest = w.rest[1:]
	}
	return s
}

// accept takes the next word if it is s.
func (w *words) accept(s string) bool {
	if s == "" || w.peek() != s {
		return false
	}
	w.rest = w.rest[1:]
	return true
}

// text takes a text in quotes.
func (w *words) text() (string, error) {
	if len(w.rest) == 0 || !w.rest[0].quoted {
		return "", w.fail("a text in double quotes is missing here: %s", w.here())
	}
	s := w.rest[0].text
	w.rest = w.rest[1:]
	return s, nil
}

// end fails if words are left.
func (w *words) end() error {
	if len(w.rest) > 0 {
		return w.fail("not understood: %s", w.here())
	}
	return nil
}

func (w *words) here() string {
	if len(w.rest) == 0 {
		return "end of line"
	}
	return quoted(w.rest[0].text)
}

// date takes a date.
func (w *words) date() (Date, error) {
	d, err := ParseDate(w.peek())
	if err != nil {
		return 0, w.fail("%s is no date of the form 2006-01-02", w.here())
	}
	w.next()
	return d, nil
}

// dates takes one or more dates, in rising order and each once.
func (w *words) dates() ([]Date, error) {
	var all []Date
	for {
		if w.peek() == "" && len(all) > 0 {
			return all, nil
		}
		if s := w.peek(); len(all) > 0 && (len(s) != len(time.DateOnly) || s[0] < '0' || s[0] > '9' || strings.Contains(s, "..")) {
			return all, nil
		}
		d, err := w.date()
		if err != nil {
			return nil, err
		}
		if len(all) > 0 && d <= all[len(all)-1] {
			return nil, w.fail("%v stands after %v", d, all[len(all)-1])
		}
		all = append(all, d)
	}
}

// span takes a range of dates or years; without one it returns always.
func (w *words) span() (span, error) {
	s := w.peek()
	if s == "" || !strings.Contains(s, "..") && !isYear(s) {
		return always, nil
	}
	from, to, ranged := strings.Cut(s, "..")
	if !ranged {
		to = from
	}
	sp := always
	for _, end := range []struct {
		text       string
		into       *Date
		month, day int
	}{{from, &sp.from, 1, 1}, {to, &sp.to, 12, 31}} {
		d, err := ParseDate(end.text)
		switch {
		case end.text == "":
		case isYear(end.text):
			y, _ := strconv.Atoi(end.text)
			*end.into = NewDate(y, time.Month(end.month), end.day)
		case err == nil:
			*end.into = d
		default:
			return sp, w.fail("%s is no range of dates or years such as 2022.. or ..2021-06-30", quoted(s))
		}
	}
	if from == "" && to == "" || sp.from > sp.to {
		return sp, w.fail("the range %s is empty or has no end", quoted(s))
	}
	w.next()
	return sp, nil
}

// isYear reports whether s is a year from 1900 to 2199.
func isYear(s string) bool {
	y, err := strconv.Atoi(s)
	return err == nil && len(s) == 4 && y >= 1900 && y <= 2199
}

// minutes takes local times of the form 09:30-16:00, after an optional "eve".
func (w *words) minutes() (from, to int, err error) {
	eve := w.accept("eve")
	a, b, ok := strings.Cut(w.peek(), "-")
	from, ok1 := clockTime(a)
	to, ok2 := clockTime(b)
	if !ok || !ok1 || !ok2 {
		return 0, 0, w.fail("%s are no times of the form 09:30-16:00", w.here())
	}
	if eve {
		from -= 24 * 60
	}
	if from >= to {
		return 0, 0, w.fail("%s: ends before it begins", w.here())
	}
	w.next()
	return from, to, nil
}

// minute takes one local time.
func (w *words) minute() (int, error) {
	m, ok := clockTime(w.peek())
	if !ok {
		return 0, w.fail("%s is no time of the form 13:00", w.here())
	}
	w.next()
	return m, nil
}

// clockTime reads 00:00 to 24:00 as minutes after midnight.
func clockTime(s string) (int, bool) {
	if s == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != 5 {
		return 0, false
	}
	return t.Hour()*60 + t.Minute(), true
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

var months = map[string]time.Month{
	"jan": time.January, "feb": time.February, "mar": time.March, "apr": time.April,
	"may": time.May, "jun": time.June, "jul": time.July, "aug": time.August,
	"sep": time.September, "oct": time.October, "nov": time.November, "dec": time.December,
}

// weekdays takes days of the week while there are any; 0 = there was none.
func (w *words) weekdays() days {
	var set days
	for {
		d, ok := weekdays[w.peek()]
		if !ok {
			return set
		}
		set |= 1 << d
		w.next()
	}
}

// monthDay takes a month and a day such as "jan 1".
func (w *words) monthDay() (time.Month, int, error) {
	m, err := w.month()
	if err != nil {
		return 0, 0, err
	}
	day, bad := strconv.Atoi(w.peek())
	if bad != nil || len(w.peek()) > 2 || day < 1 || NewDate(2024, m, day) >= NewDate(2024, m+1, 1) {
		return 0, 0, w.fail("%s is no day of the month", w.here())
	}
	w.next()
	return m, day, nil
}

func (w *words) month() (time.Month, error) {
	m, ok := months[w.peek()]
	if !ok {
		return 0, w.fail("%s is no month such as jan", w.here())
	}
	w.next()
	return m, nil
}
