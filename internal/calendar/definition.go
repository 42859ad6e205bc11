package calendar

import (
	"time"
)

// definition is what a data file says.
type definition struct {
	mic, name string
	aliases   []string
	loc       *time.Location
	valid     span
	verified  []span
	sources   []string
	weeks     []week
	hours     []hours
	breaks    []hours
	tables    map[string]*table
	rules     []rule
}

// table is a list of dates that no rule gives, such as those of a lunar year.
type table struct {
	dates []Date
	used  bool
	line  int
}

// span is a range of dates, both ends included.
type span struct{ from, to Date }

var always = span{minDate, maxDate}

func (s span) has(d Date) bool { return s.from <= d && d <= s.to }

// days is a set of days of the week, bit 0 = Sunday.
type days uint8

const allDays days = 0x7f

func (s days) has(w time.Weekday) bool { return s&(1<<w) != 0 }

// week says on which days there are sessions within its span.
type week struct {
	days days
	span span
}

// clocks are local times in minutes after midnight of the session's date; an
// opening on the evening before is negative. No break: both ends are 0.
type clocks struct{ open, close, breakStart, breakEnd int }

// hours gives opening and closing (as open and close) of some days of the week
// within a span, or their break. none: there is no break.
type hours struct {
	days        days
	span        span
	open, close int
	none        bool
}

// effect is what an exception does to a day.
type effect string

const (
	closed  effect = "closed"
	session effect = "session"
	open    effect = "open"
	early   effect = "early"
	late    effect = "late"
)

// base is the form of a rule's date.
type base string

const (
	baseFixed    base = "fixed"
	baseNth      base = "nth"
	baseLast     base = "last"
	baseBefore   base = "before"
	baseFrom     base = "from"
	baseEaster   base = "easter"
	baseOrthodox base = "orthodox"
	baseTable    base = "table"
	baseOn       base = "on"
)

// observe is how a rule's date moves when it meets a day off.
type observe string

const (
	observeAsIs       observe = ""
	observeNearest    observe = "nearest"
	observeMonday     observe = "monday"
	observeSunday     observe = "sunday"
	observeFree       observe = "free"
	observeSundayFree observe = "sunday-free"
	observePrevious   observe = "previous"
	observeNext       observe = "next"
)

// rule is one exception.
type rule struct {
	line   int
	effect effect
	clocks clocks // of early (close), late (open) and session
	reason string

	base    base
	month   time.Month
	day     int // of the month; n of nth
	weekday time.Weekday
	dates   []Date // of table and on

	shifts  []int
	observe observe
	only    days
	span    span
	except  []span
}

// adhoc reports whether the rule lists its dates itself.
func (r *rule) adhoc() bool { return r.base == baseOn }
