// Package calendar knows when exchanges trade: the sessions of a date or a
// period with their opening, closing and breaks as instants, and what a user
// adds to that. It is pure: values are immutable once made, nothing is read
// but the data given (or embedded below data/), and there is no clock.
//
// # Data files
//
// Each exchange has one text file, data/<mic>.cal, in the format described
// here; calendar packs carry files of the same format. A file is read line by
// line. "#" begins a comment. Words are divided by blanks; names stand in
// double quotes. Any fault is an error that names file and line.
//
//	runsheet-calendar 1                   first line: format and version
//	mic XNYS
//	name "New York Stock Exchange"
//	alias ARCX                            other codes; may repeat
//	zone America/New_York                 all times are of this zone; "floating" = of who asks
//	valid 2015-01-01..2030-12-31          rules apply within; outside only week and hours do
//	                                      "always" where nothing but week and hours is said
//	verified 2015-01-01..2027-12-31       announced officially; may repeat; the rest is computed
//	source "NYSE, Holidays and Trading Hours"     what the facts rest on; one or more
//
// Regular weeks and hours. A later line beats an earlier one on the days
// both cover:
//
//	week mon tue wed thu fri              days with sessions; required
//	week sun mon tue wed thu ..2026-01-04
//	hours 09:30-16:00                     required, for every day of the week
//	hours 09:00-15:00 ..2024-11-04        dated: RANGE is D..D, D.. or ..D, both ends included
//	hours sun 09:59-15:49 2015-01-01..2026-01-04     on some days of the week
//	hours eve 17:00-17:00                 opens on the evening before the session's date
//	break 11:30-12:30                     as hours; optional
//	break none 2016-01-01..               no break from then on
//
// Exceptions, one a line: EFFECT WHEN [CHANGES] "Reason".
//
//	closed jan 1 observe sunday "New Year's Day"
//	closed 3rd mon jan "Martin Luther King Jr. Day"
//	closed last mon may "Memorial Day"
//	closed mon before may 25 "Victoria Day"          the last Monday before
//	closed fri from jun 19 "Midsummer Eve"           the first Friday on or after
//	closed easter -2 "Good Friday"                   Western Easter Sunday, minus two days
//	closed orthodox +1 "Orthodox Easter Monday"
//	closed table seollal -1 0 +1 "Seollal"           dates of a table, here with their neighbours
//	closed on 2018-12-05 2025-01-09 "National Day of Mourning"
//	early 13:00 4th thu nov +1 "Day after Thanksgiving"
//	early 13:00 dec 24 if mon tue wed thu "Christmas Eve"
//	late 10:00 on 2023-01-02 "New Year opening"
//	session 10:00-16:30 on 2024-11-14 "College entrance test"
//	session 10:00-12:00 on 2026-02-07 "Saturday drill"
//	session 09:00-17:00 break 12:00-13:00 on 2020-02-03 "Special hours"
//	open on 2020-02-01 "Budget session"              regular hours on a day off
//
//	table seollal 2015-02-19 2016-02-08     stands above its rules; may repeat to go on
//
// The effects: closed (no session), early (closes then; a break which has not
// begun is dropped), late (opens then), session (these hours, also on a day
// off, without the regular break), open (regular hours on a day off).
//
// WHEN with "on" lists dates: such a line is ad hoc and beats every rule; one
// of its dates that changes nothing (a closure on a day off, early hours on a
// day without session) is an error, since it is nearly always a slip. All
// other forms are rules.
//
// CHANGES, in this order:
//
//	-2 | -1 0 +1              move by days; several make several days
//	if mon tue wed            only if it then falls on these days of the week
//	observe nearest           Saturday moves to Friday, Sunday to Monday
//	observe monday            Saturday and Sunday move to Monday
//	observe sunday            Sunday moves to Monday (Saturday stays, so it lapses on a day off)
//	observe free              on a day off or one closed by a line above: the next day that is neither
//	observe sunday-free       as free, but only if the day is a Sunday
//	observe previous          on a day without session: the last session before
//	observe next              on a day without session: the next session
//	RANGE                     only for dates within, before they are observed;
//	                          ends may be years: 2022.. ..2023 2020..2024 2021
//	except 2020 2022-05-02    not for dates in these years, not for these dates
//
// Closures are found first, in the order of the lines, then sessions and open,
// then early and late. Where two lines speak of one day, ad hoc beats rules,
// then closed beats session and open; early and late may meet, and of two
// early (late) the later line counts.
package calendar

import (
	"time"
)

// definition is what a data file says.
type definition struct {
	mic, name string
	aliases   []string
	loc       *time.Location
	floating  bool // the zone may be changed
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

// waysToObserve are those that a file can name.
var waysToObserve = []observe{observeNearest, observeMonday, observeSunday, observeFree, observeSundayFree, observePrevious, observeNext}

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
