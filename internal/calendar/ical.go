package calendar

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// maxEventDays bounds the days of one iCal event.
const maxEventDays = 366

// icalReader reads the events of an iCal file (RFC 5545) as overrides.
//
// An event of whole days closes them. An event with times is a session with
// these hours, on the date of its end. The property X-RUNSHEET-KIND, or a
// category OPEN or CLOSED, says otherwise for whole days. Cancelled events are
// left out. Recurring events are refused, not misread: they have to be exported
// as single events.
type icalReader struct {
	file  string
	loc   *time.Location
	line  int
	stack []string
	event *icalEvent
	list  []Override
}

// icalEvent is what is known of the event that is being read.
type icalEvent struct {
	line       int
	start, end icalTime
	seen       []string
	summary    string
	kind       OverrideKind
	cancelled  bool
	days       int // of DURATION
	lasts      time.Duration
}

// icalTime is a date or a local time of the calendar.
type icalTime struct {
	date   Date
	minute int
	timed  bool
	set    bool
}

func readICal(file string, data []byte, loc *time.Location) ([]Override, error) {
	r := &icalReader{file: file, loc: loc}
	lines := strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); {
		r.line = i + 1
		text := []byte(lines[i])
		// A line that begins with a blank goes on with the one before.
		for i++; i < len(lines) && lines[i] != "" && (lines[i][0] == ' ' || lines[i][0] == '\t'); i++ {
			text = append(text, lines[i][1:]...)
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if err := r.property(string(text)); err != nil {
			return nil, err
		}
	}
	if len(r.stack) > 0 {
		return nil, r.fail("the file ends within %s", quoted(r.stack[len(r.stack)-1]))
	}
	return r.list, nil
}

func (r *icalReader) fail(format string, args ...any) error {
	return lineFault(r.file, r.line, format, args...)
}

// property reads one unfolded line.
func (r *icalReader) property(text string) error {
	name, params, value, ok := splitProperty(text)
	if !ok {
		return r.fail("this is no property of the form NAME:value")
	}
	switch name {
	case "BEGIN":
		return r.begin(strings.ToUpper(value))
	case "END":
		return r.finish(strings.ToUpper(value))
	}
	if len(r.stack) == 0 {
		return r.fail("%s stands outside of VCALENDAR", quoted(name))
	}
	if r.event == nil || r.stack[len(r.stack)-1] != "VEVENT" {
		return nil // of the calendar, a zone, an alarm
	}
	return r.ofEvent(name, params, value)
}

func (r *icalReader) begin(what string) error {
	if (len(r.stack) == 0) != (what == "VCALENDAR") {
		return r.fail("%s begins here", quoted(what))
	}
	if len(r.stack) > 4 {
		return r.fail("too deep")
	}
	if what == "VEVENT" {
		if r.event != nil {
			return r.fail("an event begins within another")
		}
		r.event = &icalEvent{line: r.line}
	}
	r.stack = append(r.stack, what)
	return nil
}

func (r *icalReader) finish(what string) error {
	if len(r.stack) == 0 || r.stack[len(r.stack)-1] != what {
		return r.fail("%s ends here, but it did not begin", quoted(what))
	}
	r.stack = r.stack[:len(r.stack)-1]
	if what != "VEVENT" {
		return nil
	}
	e := r.event
	r.event = nil
	return r.add(e)
}

// ofEvent reads a property of an event.
func (r *icalReader) ofEvent(name string, params map[string]string, value string) (err error) {
	e := r.event
	switch name {
	case "RRULE", "RDATE", "EXRULE", "RECURRENCE-ID":
		return r.fail("%s: recurring events are not read; export them as single events", name)
	case "DTSTART", "DTEND", "DURATION", "SUMMARY", "STATUS", "X-RUNSHEET-KIND":
		if slices.Contains(e.seen, name) {
			return r.fail("%s stands here a second time", name)
		}
		e.seen = append(e.seen, name)
	}
	switch name {
	case "DTSTART":
		e.start, err = r.time(params, value)
	case "DTEND":
		e.end, err = r.time(params, value)
	case "DURATION":
		err = r.duration(e, value)
	case "SUMMARY":
		e.summary = unescape(value)
	case "STATUS":
		e.cancelled = strings.EqualFold(value, "CANCELLED")
	case "X-RUNSHEET-KIND":
		e.kind = OverrideKind(strings.ToLower(value))
		if e.kind != OverrideClosed && e.kind != OverrideOpen {
			return r.fail("X-RUNSHEET-KIND: %s is neither closed nor open", quoted(value))
		}
	case "CATEGORIES":
		for c := range strings.SplitSeq(value, ",") {
			if k := OverrideKind(strings.ToLower(strings.TrimSpace(c))); e.kind == "" && (k == OverrideClosed || k == OverrideOpen) {
				e.kind = k
			}
		}
	}
	return err
}

// time reads DATE and DATE-TIME values as what clocks of the calendar show.
func (r *icalReader) time(params map[string]string, value string) (icalTime, error) {
	if params["VALUE"] == "DATE" || len(value) == len("20060102") {
		t, err := time.Parse("20060102", value)
		if err != nil {
			return icalTime{}, r.fail("%s is no date of the form 20060102", quoted(value))
		}
		return icalTime{date: DateOf(t), set: true}, nil
	}
	loc := r.loc
	if text, utc := strings.CutSuffix(value, "Z"); utc {
		value, loc = text, time.UTC
	} else if zone := params["TZID"]; zone != "" {
		var err error
		if loc, err = time.LoadLocation(strings.TrimPrefix(zone, "/")); err != nil || zone == "Local" {
			return icalTime{}, r.fail("TZID %s is no IANA zone", quoted(zone))
		}
	}
	t, err := time.ParseInLocation("20060102T150405", value, loc)
	if err != nil {
		return icalTime{}, r.fail("%s is no time of the form 20060102T150405", quoted(value))
	}
	t = t.In(r.loc)
	if t.Second() != 0 {
		return icalTime{}, r.fail("%s: sessions begin and end on whole minutes", quoted(value))
	}
	return icalTime{date: DateOf(t), minute: t.Hour()*60 + t.Minute(), timed: true, set: true}, nil
}

// duration reads the forms P2D, P1W, PT6H30M and P1DT2H.
func (r *icalReader) duration(e *icalEvent, value string) error {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(value, "+"), "P")
	date, clock, timed := strings.Cut(rest, "T")
	n, digits := 0, 0
	for _, c := range date {
		switch {
		case c >= '0' && c <= '9' && digits < 4:
			n, digits = n*10+int(c-'0'), digits+1
		case c == 'W' && digits > 0:
			e.days, n, digits = e.days+7*n, 0, 0
		case c == 'D' && digits > 0:
			e.days, n, digits = e.days+n, 0, 0
		default:
			ok = false
		}
	}
	if timed && ok {
		var err error
		e.lasts, err = time.ParseDuration(strings.ToLower(clock))
		ok = err == nil && e.lasts >= 0 && e.lasts%time.Minute == 0
	}
	if !ok || digits > 0 || rest == "" || timed && clock == "" {
		return r.fail("%s is no duration of the form P2D or PT6H30M", quoted(value))
	}
	return nil
}

// add turns an event into overrides.
func (r *icalReader) add(e *icalEvent) error {
	at := r.line
	r.line = e.line
	defer func() { r.line = at }()
	if e.cancelled {
		return nil
	}
	if !e.start.set {
		return r.fail("the event has no DTSTART")
	}
	if slices.Contains(e.seen, "DURATION") {
		if e.end.set {
			return r.fail("the event has DTEND and DURATION")
		}
		e.end = e.start
		e.end.date += Date(e.days)
		minute := e.end.minute + int(e.lasts/time.Minute)
		e.end.date, e.end.minute = e.end.date+Date(minute/1440), minute%1440
		if e.lasts > 0 && !e.start.timed {
			return r.fail("DURATION has hours, but DTSTART is a date")
		}
	}
	if len(e.summary) > maxReason {
		e.summary = strings.ToValidUTF8(e.summary[:maxReason], "")
	}
	if e.start.timed {
		return r.addHours(e)
	}
	if !e.end.set {
		e.end = e.start
		e.end.date++
	}
	if e.end.timed || e.end.date <= e.start.date || e.end.date-e.start.date > maxEventDays {
		return r.fail("the event does not end 1 to %d days after its start", maxEventDays)
	}
	kind := OverrideClosed
	if e.kind != "" {
		kind = e.kind
	}
	for d := e.start.date; d < e.end.date; d++ {
		if err := r.push(Override{Date: d, Kind: kind, Reason: e.summary}); err != nil {
			return err
		}
	}
	return nil
}

func (r *icalReader) addHours(e *icalEvent) error {
	if e.kind != "" {
		return r.fail("an event with times has no kind: it is a session with these hours")
	}
	if !e.end.set || !e.end.timed {
		return r.fail("the event has no time of its end")
	}
	// A session that ends at midnight is of the day before.
	if e.end.minute == 0 && e.end.date > e.start.date {
		e.end.date, e.end.minute = e.end.date-1, 1440
	}
	length := int(e.end.date-e.start.date)*1440 + e.end.minute - e.start.minute
	if e.end.date-e.start.date > 1 || length <= 0 || length > 1440 {
		return r.fail("the session does not end within 24 hours")
	}
	return r.push(Override{
		Date: e.end.date, Kind: OverrideHours, Reason: e.summary,
		Open: clockText(e.start.minute), Close: clockText(e.end.minute),
	})
}

func (r *icalReader) push(o Override) error {
	if slices.ContainsFunc(r.list, func(had Override) bool { return had.Date == o.Date }) {
		return r.fail("a second event of %v", o.Date)
	}
	if r.list = append(r.list, o); len(r.list) > MaxOverrides {
		return fault.Newf(fault.InvalidInput, "%s: more than %d overrides", r.file, MaxOverrides)
	}
	return nil
}

// clockText writes minutes after midnight as 09:30.
func clockText(minute int) string {
	if minute == 24*60 {
		return "24:00"
	}
	return time.Time{}.Add(time.Duration(minute) * time.Minute).Format("15:04")
}

// splitProperty divides NAME;PARAM=value;PARAM="a;b":value. Names come back in
// upper case.
func splitProperty(text string) (name string, params map[string]string, value string, ok bool) {
	var head []string
	quoted, from := false, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ';' || c == ':':
			head, from = append(head, text[from:i]), i+1
		}
		if !quoted && text[i] == ':' {
			value, ok = text[from:], true
			break
		}
	}
	if !ok || head[0] == "" || strings.ContainsAny(head[0], " \t") {
		return "", nil, "", false
	}
	params = map[string]string{}
	for _, p := range head[1:] {
		key, v, has := strings.Cut(p, "=")
		if !has {
			return "", nil, "", false
		}
		params[strings.ToUpper(key)] = strings.Trim(v, `"`)
	}
	return strings.ToUpper(head[0]), params, strings.TrimSpace(value), true
}

// unescape undoes the escapes of a text.
func unescape(s string) string {
	return strings.TrimSpace(strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(s))
}
