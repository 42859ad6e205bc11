package logline

import (
	"bytes"
	"time"
)

// header is what stands before the message of a line.
type header struct {
	at time.Time
	n  int // bytes
	// access says that the time is written as in access logs, clock that there is a
	// time of day but no date.
	access, clock bool
	severity      Severity
	levelled      bool
}

// accessWithin bounds how far into a line the time of an access log is looked
// for: after an address and two names.
const accessWithin = 200

// header finds the time at the beginning of a line. It knows RFC 3339 and its
// relatives with a space or a comma (log4j, Python), Go's and nginx's slashes,
// syslog (RFC 3164 and 5424), apache's and ctime's, klog's, seconds or
// milliseconds since 1970, and the time of access logs behind their first fields.
func (p *Parser) header(line []byte) header {
	var h header
	i := skip(line, 0, ' ')
	if j, ok := priority(line, i, &h); ok {
		i = j
	}
	open := i
	if i < len(line) && line[i] == '[' {
		i++
	}
	if at, n, ok := p.stamp(line[i:], &h); ok {
		h.at, h.n = at, closed(line, i+n, i > open)
		return h
	}
	if n, ok := clockOnly(line[i:]); ok {
		h.n, h.clock = closed(line, i+n, i > open), true
		return h
	}
	if near := line[:min(len(line), accessWithin)]; !h.levelled {
		if j := bytes.IndexByte(near, '['); j >= 0 {
			if at, n, ok := p.access(line[j+1:]); ok {
				// The fields before it are of interest, the time is not.
				return header{at: at, access: true, n: closed(line, j+1+n, true)}
			}
		}
	}
	if h.levelled {
		h.n = open
	}
	return h
}

// priority reads syslog's <34>, with RFC 5424's version after it.
func priority(b []byte, i int, h *header) (int, bool) {
	if i >= len(b) || b[i] != '<' {
		return i, false
	}
	j := i + 1
	for j < len(b) && j < i+4 && isDigit(b[j]) {
		j++
	}
	if j == i+1 || j >= len(b) || b[j] != '>' {
		return i, false
	}
	pri := number(b[i+1 : j])
	if pri > 191 {
		return i, false
	}
	h.severity, h.levelled = [8]Severity{Fatal, Fatal, Fatal, Error, Warning, Info, Info, Debug}[pri%8], true
	if j++; j+1 < len(b) && b[j] == '1' && b[j+1] == ' ' {
		j += 2
	}
	return j, true
}

// closed returns the index after what closes a header.
func closed(b []byte, i int, bracket bool) int {
	if bracket && i < len(b) && b[i] == ']' {
		i++
	}
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == ':' || b[i] == '|') {
		i++
	}
	return i
}

// stamp reads a time with a date at the beginning of b and returns its length.
func (p *Parser) stamp(b []byte, h *header) (time.Time, int, bool) {
	if len(b) < 10 {
		return time.Time{}, 0, false
	}
	switch c := b[0]; {
	case isDigit(c) && digits(b[:4]) && (b[4] == '-' || b[4] == '/') && b[7] == b[4]:
		return p.yearFirst(b)
	case isDigit(c) && digits(b[:10]):
		return epoch(b)
	case isDigit(c):
		if at, n, ok := p.access(b); ok {
			return at, n, true
		}
		return p.dayFirst(b)
	case (c == 'I' || c == 'W' || c == 'E' || c == 'F') && digits(b[1:5]) && b[5] == ' ':
		return p.klog(b, h)
	}
	return p.monthFirst(b)
}

// yearFirst reads 2006-01-02T15:04:05.999999999Z07:00 and its relatives.
func (p *Parser) yearFirst(b []byte) (time.Time, int, bool) {
	if !digits(b[5:7]) || !digits(b[8:10]) || len(b) < 19 {
		return time.Time{}, 0, false
	}
	if c := b[10]; c != 'T' && c != ' ' && c != 't' && c != '_' && c != ':' && c != '-' {
		return time.Time{}, 0, false
	}
	return p.whole(date{number(b[:4]), number(b[5:7]), number(b[8:10])}, b, 11)
}

// dayFirst reads 02 Jan 2006 15:04:05.
func (p *Parser) dayFirst(b []byte) (time.Time, int, bool) {
	if len(b) < 20 || !digits(b[:2]) || b[2] != ' ' && b[2] != '-' || !digits(b[7:11]) {
		return time.Time{}, 0, false
	}
	month, ok := monthOf(b[3:6])
	if !ok {
		return time.Time{}, 0, false
	}
	return p.whole(date{number(b[7:11]), month, number(b[:2])}, b, 12)
}

// access reads 02/Jan/2006:15:04:05 -0700.
func (p *Parser) access(b []byte) (time.Time, int, bool) {
	if len(b) < 20 || b[2] != '/' || b[6] != '/' || b[11] != ':' || !digits(b[:2]) || !digits(b[7:11]) {
		return time.Time{}, 0, false
	}
	month, ok := monthOf(b[3:6])
	if !ok {
		return time.Time{}, 0, false
	}
	return p.whole(date{number(b[7:11]), month, number(b[:2])}, b, 12)
}

// klog reads E0102 15:04:05.000000.
func (p *Parser) klog(b []byte, h *header) (time.Time, int, bool) {
	at, n, ok := p.whole(date{0, number(b[1:3]), number(b[3:5])}, b, 6)
	if ok {
		h.levelled = true
		switch b[0] {
		case 'I':
			h.severity = Info
		case 'W':
			h.severity = Warning
		case 'E':
			h.severity = Error
		case 'F':
			h.severity = Fatal
		}
	}
	return at, n, ok
}

// monthFirst reads Jan _2 15:04:05 [2006], with a weekday before it or not.
func (p *Parser) monthFirst(b []byte) (time.Time, int, bool) {
	i := 0
	if len(b) > 4 && weekday(b[:3]) {
		i = skip(b, 3, ',')
		i = skip(b, i, ' ')
	}
	if len(b) < i+15 {
		return time.Time{}, 0, false
	}
	month, ok := monthOf(b[i : i+3])
	if !ok || b[i+3] != ' ' {
		return time.Time{}, 0, false
	}
	i = skip(b, i+3, ' ')
	j := i
	for j < len(b) && j < i+2 && isDigit(b[j]) {
		j++
	}
	if j == i || j == len(b) || b[j] != ' ' {
		return time.Time{}, 0, false
	}
	d := date{0, month, number(b[i:j])}
	// The year of ctime stands behind the time.
	k := j + 1
	if clock, n, ok := timeOfDay(b[k:]); ok {
		y := k + n
		if y+5 <= len(b) && b[y] == ' ' && digits(b[y+1:y+5]) && (y+5 == len(b) || !isDigit(b[y+5]) && b[y+5] != ':') {
			if year := number(b[y+1 : y+5]); year >= 1970 && year < 2200 {
				d.year = year
				at, ok := p.at(d, clock, p.zone())
				return at, y + 5, ok
			}
		}
	}
	return p.whole(d, b, k)
}

type date struct{ year, month, day int }

// whole reads time of day and zone from b[i:] and returns the instant and the
// length of everything.
func (p *Parser) whole(d date, b []byte, i int) (time.Time, int, bool) {
	clock, n, ok := timeOfDay(b[i:])
	if !ok {
		return time.Time{}, 0, false
	}
	i += n
	loc := p.zone()
	if l, n, ok := zoneOf(b[i:]); ok {
		loc, i = l, i+n
	}
	at, ok := p.at(d, clock, loc)
	return at, i, ok
}

func (p *Parser) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// at makes the instant. A date without a year is of the last year in which it is
// not later than tomorrow.
func (p *Parser) at(d date, clock time.Duration, loc *time.Location) (time.Time, bool) {
	if d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 || d.year != 0 && (d.year < 1970 || d.year >= 2200) {
		return time.Time{}, false
	}
	year := d.year
	if year == 0 {
		year = p.Now.In(loc).Year() + 1
	}
	h, m, s, ns := clock/time.Hour, clock/time.Minute%60, clock/time.Second%60, clock%time.Second
	for ; ; year-- {
		t := time.Date(year, time.Month(d.month), d.day, int(h), int(m), int(s), int(ns), loc).UTC()
		if d.year == 0 && (t.After(p.Now.Add(24*time.Hour)) || t.In(loc).Day() != d.day) && year > p.Now.Year()-8 {
			continue
		}
		return t, t.In(loc).Day() == d.day
	}
}

// timeOfDay reads 15:04:05 with a fraction behind a point or a comma.
func timeOfDay(b []byte) (time.Duration, int, bool) {
	if len(b) < 8 || b[2] != ':' || b[5] != ':' || !digits(b[:2]) || !digits(b[3:5]) || !digits(b[6:8]) {
		return 0, 0, false
	}
	h, m, s := number(b[:2]), number(b[3:5]), number(b[6:8])
	if h > 23 || m > 59 || s > 60 {
		return 0, 0, false
	}
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(min(s, 59))*time.Second
	i := 8
	if i+1 < len(b) && (b[i] == '.' || b[i] == ',') && isDigit(b[i+1]) {
		unit := 100 * time.Millisecond
		for i++; i < len(b) && isDigit(b[i]); i++ {
			d += time.Duration(b[i]-'0') * unit
			unit /= 10
		}
	}
	return d, i, true
}

// clockOnly reads a time of day that no date goes before, and returns its length.
func clockOnly(b []byte) (int, bool) {
	_, n, ok := timeOfDay(b)
	if !ok || n < len(b) && b[n] != ' ' && b[n] != ']' && b[n] != '\t' {
		return 0, false
	}
	return n, true
}

// zoneOf reads Z, +07:00, +0700, with a space before it or not, UTC or GMT.
func zoneOf(b []byte) (*time.Location, int, bool) {
	i := 0
	if len(b) > 0 && (b[0] == 'Z' || b[0] == 'z') {
		return time.UTC, 1, true
	}
	if len(b) > 0 && b[0] == ' ' {
		i = 1
	}
	if len(b) >= i+3 && (string(b[i:i+3]) == "UTC" || string(b[i:i+3]) == "GMT") {
		return time.UTC, i + 3, true
	}
	if len(b) < i+5 || b[i] != '+' && b[i] != '-' || !digits(b[i+1:i+3]) {
		return nil, 0, false
	}
	j := i + 3
	if b[j] == ':' {
		j++
	}
	if len(b) < j+2 || !digits(b[j:j+2]) {
		return nil, 0, false
	}
	off := number(b[i+1:i+3])*3600 + number(b[j:j+2])*60
	if off >= 24*3600 {
		return nil, 0, false
	}
	if off == 0 {
		return time.UTC, j + 2, true
	}
	if b[i] == '-' {
		off = -off
	}
	return time.FixedZone("", off), j + 2, true
}

// epoch reads seconds (with a fraction), milli-, micro- or nanoseconds since
// 1970, from 2001 to 2100.
func epoch(b []byte) (time.Time, int, bool) {
	i := 10
	for i < len(b) && i < 20 && isDigit(b[i]) {
		i++
	}
	n := i
	if i == 10 && i+1 < len(b) && b[i] == '.' {
		for n++; n < len(b) && isDigit(b[n]); n++ {
		}
	}
	if n < len(b) && b[n] != ' ' && b[n] != '\t' && b[n] != ']' && b[n] != ',' && b[n] != '|' {
		return time.Time{}, 0, false
	}
	v := int64(0)
	for _, c := range b[:min(i, 19)] {
		v = v*10 + int64(c-'0')
	}
	t, ok := instant(v)
	return t, n, ok
}

// instant reads a number of seconds, or of a smaller unit, since 1970.
func instant(v int64) (time.Time, bool) {
	switch {
	case v >= 1e9 && v < 4.1e9:
		return time.Unix(v, 0).UTC(), true
	case v >= 1e12 && v < 4.1e12:
		return time.UnixMilli(v).UTC(), true
	case v >= 1e15 && v < 4.1e15:
		return time.UnixMicro(v).UTC(), true
	case v >= 1e18 && v < 4.1e18:
		return time.Unix(0, v).UTC(), true
	}
	return time.Time{}, false
}

func monthOf(b []byte) (int, bool) {
	switch string(b) {
	case "Jan":
		return 1, true
	case "Feb":
		return 2, true
	case "Mar":
		return 3, true
	case "Apr":
		return 4, true
	case "May":
		return 5, true
	case "Jun":
		return 6, true
	case "Jul":
		return 7, true
	case "Aug":
		return 8, true
	case "Sep":
		return 9, true
	case "Oct":
		return 10, true
	case "Nov":
		return 11, true
	case "Dec":
		return 12, true
	}
	return 0, false
}

func weekday(b []byte) bool {
	switch string(b) {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits reports whether b consists of digits.
func digits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// number is the value of a few digits.
func number(b []byte) int {
	n := 0
	for _, c := range b {
		n = n*10 + int(c-'0')
	}
	return n
}

func skip(b []byte, i int, c byte) int {
	for i < len(b) && b[i] == c {
		i++
	}
	return i
}
