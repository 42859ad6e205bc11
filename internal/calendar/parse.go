package calendar

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// header is the first line of a data file.
const header = "runsheet-calendar 1"

// The bounds of a data file.
const (
	maxFile  = 1 << 20
	maxLines = 5000
)

// parser fills a definition from a file.
type parser struct {
	words
	def  definition
	seen map[string]bool
}

// parse reads a data file strictly. file is its name for errors.
func parse(file string, data []byte) (*definition, error) {
	if len(data) > maxFile {
		return nil, fault.Newf(fault.InvalidInput, "%s: larger than %d bytes", file, maxFile)
	}
	p := &parser{words: words{file: file}, seen: map[string]bool{}}
	p.def.tables = map[string]*table{}
	for text := range strings.Lines(string(data)) {
		p.line++
		text = strings.TrimRight(text, "\r\n")
		if p.line > maxLines {
			return nil, p.fail("more than %d lines", maxLines)
		}
		if p.line == 1 {
			if text != header {
				return nil, p.fail("the first line is not %q", header)
			}
			continue
		}
		if err := p.split(text); err != nil {
			return nil, err
		}
		if len(p.rest) == 0 {
			continue
		}
		if err := p.statement(); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

// statement reads one line that is not blank.
func (p *parser) statement() error {
	keyword := p.next()
	var err error
	switch keyword {
	case "mic", "zone", "name", "valid":
		if p.seen[keyword] {
			return p.fail("%s stands here a second time", keyword)
		}
		p.seen[keyword] = true
		err = p.head(keyword)
	case "alias", "verified", "source":
		err = p.list(keyword)
	case "week":
		err = p.week()
	case "hours", "break":
		err = p.hours(keyword == "break")
	case "table":
		err = p.table()
	case string(closed), string(session), string(open), string(early), string(late):
		err = p.rule(effect(keyword))
	default:
		return p.fail("unknown keyword %s", quoted(keyword))
	}
	if err != nil {
		return err
	}
	return p.end()
}

// head reads a line that stands once.
func (p *parser) head(keyword string) (err error) {
	switch keyword {
	case "mic":
		if p.def.mic, err = p.code(); err != nil {
			return err
		}
	case "name":
		p.def.name, err = p.text()
	case "zone":
		zone := p.peek()
		if zone == "floating" {
			p.def.loc, p.def.floating = time.UTC, true
			p.next()
			return nil
		}
		// "Local" and "" are the machine's zone, which no file may mean.
		if p.def.loc, err = time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
			return p.fail("%s is no IANA zone", p.here())
		}
		p.next()
	case "valid":
		p.def.valid, err = p.closedSpan()
	}
	return err
}

// list reads a line that may repeat.
func (p *parser) list(keyword string) error {
	switch keyword {
	case "alias":
		for {
			code, err := p.code()
			if err != nil {
				return err
			}
			if slices.Contains(p.def.aliases, code) {
				return p.fail("alias %s stands twice", code)
			}
			p.def.aliases = append(p.def.aliases, code)
			if p.peek() == "" {
				return nil
			}
		}
	case "verified":
		s, err := p.closedSpan()
		p.def.verified = append(p.def.verified, s)
		return err
	default:
		s, err := p.text()
		p.def.sources = append(p.def.sources, s)
		return err
	}
}

// code takes a market identifier code or another name of a calendar.
func (p *parser) code() (string, error) {
	s := p.peek()
	if !validCode(s) {
		return "", p.fail("%s is no code of 2 to 16 characters A-Z, 0-9, / and -", p.here())
	}
	p.next()
	return s, nil
}

// validCode reports whether s can name a calendar.
func validCode(s string) bool {
	return len(s) >= 2 && len(s) <= 16 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '/')
	})
}

// closedSpan takes a range with two ends of at most 200 years.
func (p *parser) closedSpan() (span, error) {
	if p.accept("always") {
		return always, nil
	}
	s, err := p.span()
	if err == nil && (s.from == minDate || s.to == maxDate || s.to-s.from > 200*366) {
		err = p.fail("a range with two ends such as 2015-01-01..2030-12-31 is missing")
	}
	return s, err
}

func (p *parser) week() error {
	set := p.weekdays()
	if set == 0 {
		return p.fail("%s is no day of the week such as mon", p.here())
	}
	s, err := p.span()
	p.def.weeks = append(p.def.weeks, week{set, s})
	return err
}

func (p *parser) hours(pause bool) (err error) {
	h := hours{days: p.weekdays()}
	if h.days == 0 {
		h.days = allDays
	}
	if pause && p.accept("none") {
		h.none = true
	} else if h.open, h.close, err = p.minutes(); err != nil {
		return err
	}
	if h.span, err = p.span(); err != nil {
		return err
	}
	if pause {
		p.def.breaks = append(p.def.breaks, h)
	} else {
		p.def.hours = append(p.def.hours, h)
	}
	return nil
}

func (p *parser) table() error {
	name := p.next()
	if name == "" {
		return p.fail("the table has no name")
	}
	t := p.def.tables[name]
	if t == nil {
		t = &table{line: p.line}
		p.def.tables[name] = t
	}
	if t.used {
		return p.fail("the table %s goes on below a rule that uses it", name)
	}
	dates, err := p.dates()
	if err != nil {
		return err
	}
	if n := len(t.dates); n > 0 && dates[0] <= t.dates[n-1] {
		return p.fail("%v stands after %v", dates[0], t.dates[n-1])
	}
	t.dates = append(t.dates, dates...)
	return nil
}

// rule reads the rest of an exception.
func (p *parser) rule(e effect) (err error) {
	r := rule{line: p.line, effect: e, only: allDays}
	switch e {
	case early:
		r.clocks.close, err = p.minute()
	case late:
		r.clocks.open, err = p.minute()
	case session:
		err = p.sessionHours(&r.clocks)
	case closed, open:
	}
	if err != nil {
		return err
	}
	if err = p.base(&r); err != nil {
		return err
	}
	if err = p.changes(&r); err != nil {
		return err
	}
	if r.reason, err = p.text(); err != nil {
		return err
	}
	p.def.rules = append(p.def.rules, r)
	return nil
}

func (p *parser) sessionHours(c *clocks) (err error) {
	if c.open, c.close, err = p.minutes(); err != nil || !p.accept("break") {
		return err
	}
	if c.breakStart, c.breakEnd, err = p.minutes(); err != nil {
		return err
	}
	if c.open >= c.breakStart || c.breakEnd >= c.close {
		return p.fail("the break is not within the session")
	}
	return nil
}

// base reads WHEN.
func (p *parser) base(r *rule) (err error) {
	first := p.peek()
	if n := ordinal(first); n > 0 {
		r.base, r.day = baseNth, n
		p.next()
		return p.weekdayOf(r)
	}
	if d, ok := weekdays[first]; ok {
		p.next()
		r.weekday = d
		switch {
		case p.accept("before"):
			r.base = baseBefore
		case p.accept("from"):
			r.base = baseFrom
		default:
			return p.fail("neither \"before\" nor \"from\" after the day of the week: %s", p.here())
		}
		r.month, r.day, err = p.monthDay()
		return err
	}
	if _, ok := months[first]; ok {
		r.base = baseFixed
		r.month, r.day, err = p.monthDay()
		return err
	}
	p.next()
	switch first {
	case "last":
		r.base = baseLast
		return p.weekdayOf(r)
	case "easter":
		r.base = baseEaster
	case "orthodox":
		r.base = baseOrthodox
	case "on":
		r.base = baseOn
		r.dates, err = p.dates()
	case "table":
		r.base = baseTable
		t := p.def.tables[p.peek()]
		if t == nil {
			return p.fail("no table %s above this line", p.here())
		}
		p.next()
		t.used, r.dates = true, t.dates
	default:
		return p.fail("%s does not say when", quoted(first))
	}
	return err
}

// weekdayOf takes "mon jan".
func (p *parser) weekdayOf(r *rule) (err error) {
	d, ok := weekdays[p.peek()]
	if !ok {
		return p.fail("%s is no day of the week such as mon", p.here())
	}
	p.next()
	r.weekday = d
	r.month, err = p.month()
	return err
}

// ordinal reads 1st to 5th; 0 = it is none.
func ordinal(s string) int {
	return max(0, slices.Index([]string{"", "1st", "2nd", "3rd", "4th", "5th"}, s))
}

// changes reads CHANGES.
func (p *parser) changes(r *rule) (err error) {
	for {
		s := p.peek()
		n, bad := strconv.Atoi(s)
		if bad != nil || s != "0" && s[0] != '+' && s[0] != '-' {
			break
		}
		if n < -366 || n > 366 || len(r.shifts) > 0 && n <= r.shifts[len(r.shifts)-1] {
			return p.fail("%s: moves by days are at most 366 and in rising order", p.here())
		}
		r.shifts = append(r.shifts, n)
		p.next()
	}
	if len(r.shifts) == 0 {
		r.shifts = []int{0}
	}
	if p.accept("if") {
		if r.only = p.weekdays(); r.only == 0 {
			return p.fail("%s is no day of the week such as mon", p.here())
		}
	}
	if p.accept("observe") {
		r.observe = observe(p.next())
		if !slices.Contains(waysToObserve, r.observe) {
			return p.fail("%s is no way to observe", quoted(string(r.observe)))
		}
	}
	if r.span, err = p.span(); err != nil {
		return err
	}
	if !p.accept("except") {
		return nil
	}
	for p.peek() != "" {
		s, err := p.exceptOne()
		if err != nil {
			return err
		}
		r.except = append(r.except, s)
	}
	if len(r.except) == 0 {
		return p.fail("except what?")
	}
	return nil
}

// exceptOne takes a year or a date.
func (p *parser) exceptOne() (span, error) {
	if isYear(p.peek()) {
		return p.span()
	}
	d, err := p.date()
	return span{d, d}, err
}

// finish checks what only the whole file shows.
func (p *parser) finish() (*definition, error) {
	d := &p.def
	for _, missing := range []struct {
		what string
		is   bool
	}{
		{"mic", d.mic == ""},
		{"name", d.name == ""},
		{"zone", d.loc == nil},
		{"valid", d.valid == span{}},
		{"week", len(d.weeks) == 0},
		{"hours", len(d.hours) == 0},
	} {
		if missing.is {
			return nil, p.fail("the file ends without a line %q", missing.what)
		}
	}
	if len(d.sources) == 0 {
		return nil, p.fail("the file names no source")
	}
	for name, t := range d.tables {
		if !t.used {
			return nil, lineFault(p.file, t.line, "no rule uses the table %s", quoted(name))
		}
	}
	if d.valid == always && len(d.rules) > 0 {
		return nil, lineFault(p.file, d.rules[0].line, "a calendar that is valid always has no exceptions")
	}
	for i := range d.rules {
		if r := &d.rules[i]; r.adhoc() && (len(r.shifts) > 1 || r.shifts[0] != 0 || r.observe != observeAsIs || r.only != allDays || r.span != always || r.except != nil) {
			return nil, lineFault(p.file, r.line, "dates given by \"on\" are not changed")
		}
	}
	return d, nil
}
