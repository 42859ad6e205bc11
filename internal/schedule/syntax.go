package schedule

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/fault"
)

// SyntaxError tells where a cron expression is wrong. It unwraps to a fault
// with the code cron_invalid.
type SyntaxError struct {
	// Text is the whole expression; Parse leaves it to Compile, which may read
	// several.
	Text string
	// Column counts characters from 1. One past the end means that something is
	// missing there.
	Column int
	// Item is the text at fault; "" if it is missing.
	Item string
	// Kind tells the commonest errors apart. Field is the name of the field that Item
	// is no value of, with WrongValue only.
	Kind  SyntaxKind
	Field string
	// Reason says what is wrong with it, Suggestion what to write instead; the
	// latter may be "".
	Reason, Suggestion string
}

// SyntaxKind is what an expression is wrong by.
type SyntaxKind int

// The kinds.
const (
	WrongOther SyntaxKind = iota // anything else
	WrongValue                   // such as 24 in hours
	WrongRange                   // it begins after its end
	WrongMacro                   // there is no such word with @
)

// Error implements error.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("column %d: %s", e.Column, e.Reason)
	if e.Suggestion != "" {
		s += "; " + e.Suggestion
	}
	return s
}

// Unwrap returns the fault that the error is for the API.
func (e *SyntaxError) Unwrap() error {
	return fault.Newf(fault.CronInvalid, "column %d: %s", e.Column, e.Reason).WithHint(e.Suggestion)
}

// field numbers the seven places of an expression.
type field int

const (
	secondField field = iota
	minuteField
	hourField
	domField
	monthField
	dowField
	yearField
	fieldCount
)

// fieldRule is what a field may hold.
type fieldRule struct {
	name     string
	min, max int
	// size is how many different values there are.
	size  int
	names string // three letters each, the first one is number min
}

// noun is the name with its article.
func (r fieldRule) noun() string {
	if r.name == "hour" {
		return "an hour"
	}
	return "a " + r.name
}

// fieldRules has the rule of each field. The last weekday is 7, Sunday again.
var fieldRules = [fieldCount]fieldRule{
	secondField: {"second", 0, 59, 60, ""},
	minuteField: {"minute", 0, 59, 60, ""},
	hourField:   {"hour", 0, 23, 24, ""},
	domField:    {"day of the month", 1, 31, 31, ""},
	monthField:  {"month", 1, 12, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	dowField:    {"day of the week", 0, 7, 7, "SUNMONTUEWEDTHUFRISAT"},
	yearField:   {"year", firstYear, lastYear, lastYear - firstYear + 1, ""},
}

// itemKind is one of the forms that an item of a list can have.
type itemKind int

const (
	allItem     itemKind = iota // *, */step
	valueItem                   // a
	spanItem                    // a-b, a-b/step
	lastItem                    // L, L-a: day of the month
	lastWeekday                 // LW, L-aW
	nearItem                    // aW
	nthItem                     // a#b: day of the week
	lastDowItem                 // aL
)

// item is one element of a field's list. Weekdays are 0 to 6, or 7 as the end
// of a span.
type item struct {
	kind itemKind
	a, b int
	step int // 0 = none was written
}

// list is a field: at least one item.
type list []item

// unrestricted tells whether the field is exactly "*" or "?".
func (l list) unrestricted() bool { return len(l) == 1 && l[0] == item{} }

// wild tells whether the field begins with "*".
func (l list) wild() bool { return l[0].kind == allItem }

// String writes the field in the standard dialect.
func (l list) String() string {
	var b strings.Builder
	for n, i := range l {
		if n > 0 {
			b.WriteByte(',')
		}
		switch i.kind {
		case allItem:
			b.WriteByte('*')
		case valueItem:
			fmt.Fprintf(&b, "%d", i.a)
		case spanItem:
			fmt.Fprintf(&b, "%d-%d", i.a, i.b)
		case lastItem, lastWeekday:
			b.WriteByte('L')
			if i.a > 0 {
				fmt.Fprintf(&b, "-%d", i.a)
			}
			if i.kind == lastWeekday {
				b.WriteByte('W')
			}
		case nearItem:
			fmt.Fprintf(&b, "%dW", i.a)
		case nthItem:
			fmt.Fprintf(&b, "%d#%d", i.a, i.b)
		case lastDowItem:
			fmt.Fprintf(&b, "%dL", i.a)
		}
		if i.step > 0 {
			fmt.Fprintf(&b, "/%d", i.step)
		}
	}
	return b.String()
}

// each calls f with the numbers of a field that holds plain numbers only.
func (l list) each(f field, yield func(int)) {
	for _, i := range l {
		a, b, step := i.a, i.b, max(i.step, 1)
		switch i.kind {
		case allItem:
			a, b = fieldRules[f].min, fieldRules[f].max
		case valueItem:
			b = a
		case spanItem:
		case lastItem, lastWeekday, nearItem, nthItem, lastDowItem:
			continue
		}
		for n := a; n <= b; n += step {
			yield(n)
		}
	}
}

func (l list) set(f field) uint64 {
	var set uint64
	l.each(f, func(n int) { set |= 1 << n })
	return set
}

// domSet returns the days that a day-of-month field names in a month of the
// given length whose first day is the given weekday; bit 1 is the first day.
func (l list) domSet(length, firstWeekday int) uint64 {
	set := l.set(domField)
	for _, i := range l {
		day := 0
		switch i.kind {
		case lastItem:
			day = length - i.a
		case lastWeekday:
			day = nearestWeekday(length-i.a, length, firstWeekday)
		case nearItem:
			day = nearestWeekday(i.a, length, firstWeekday)
		case allItem, valueItem, spanItem, nthItem, lastDowItem:
		}
		if day > 0 {
			set |= 1 << day
		}
	}
	return set & monthMask(length)
}

// dowSet is domSet for a day-of-week field.
func (l list) dowSet(length, firstWeekday int) uint64 {
	var set uint64
	weekly := l.set(dowField)
	weekly |= weekly >> 7 // 7 is Sunday too
	for day := 1; day <= length; day++ {
		set |= (weekly >> ((firstWeekday + day - 1) % 7) & 1) << day
	}
	for _, i := range l {
		first := (i.a-firstWeekday+7)%7 + 1
		switch i.kind {
		case nthItem:
			set |= 1 << (first + 7*(i.b-1))
		case lastDowItem:
			set |= 1 << (first + (length-first)/7*7)
		case allItem, valueItem, spanItem, lastItem, lastWeekday, nearItem:
		}
	}
	return set & monthMask(length)
}

func monthMask(length int) uint64 { return 1<<(length+1) - 2 }

// nearestWeekday returns the day from Monday to Friday that is nearest to day
// in the same month; 0 if the month has no such day.
func nearestWeekday(day, length, firstWeekday int) int {
	if day < 1 || day > length {
		return 0
	}
	switch (firstWeekday + day - 1) % 7 {
	case 6:
		if day == 1 {
			return 3
		}
		return day - 1
	case 0:
		if day == length {
			return day - 2
		}
		return day + 1
	}
	return day
}

// column counts the characters before an offset, from 1.
func column(text string, offset int) int {
	return utf8.RuneCountInString(text[:min(offset, len(text))]) + 1
}
