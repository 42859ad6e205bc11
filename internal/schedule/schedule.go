// Package schedule says when things are to happen, and nothing else: it turns
// the description of a trigger (Spec) into a Trigger whose Next and Prev yield
// its nominals. The law is docs/schedules.md.
//
// It is pure: no clock, no I/O but the zone files that package time reads, no
// shared state. A Trigger is immutable, so any number of goroutines may use it.
// Exchange calendars come in through the interfaces Days and Sessions; who
// decides whether a nominal fires, waits or is missed is the planner.
//
//	trigger, err := schedule.Compile(schedule.Spec{
//		Kind: schedule.KindCron, Zone: seoul,
//		Cron: schedule.CronSpec{Expressions: []string{"0 9 * * MON-FRI"}},
//	}, schedule.Calendars{})
//	nominal, ok := trigger.Next(now)
//
// Cron is searched by arithmetic on the fields of local times; the zone's
// changes of the clock come in only where a local time becomes an instant
// (zone.go).
package schedule

import "time"

// Kind is what makes a trigger's nominals.
type Kind string

// The kinds, as the API writes them.
const (
	KindCron     Kind = "CRON"
	KindInterval Kind = "INTERVAL"
	KindAt       Kind = "AT"
	KindEvent    Kind = "EVENT"
	KindOn       Kind = "ON"
)

// Spec describes a trigger. Of Cron, Interval, At, Event and On only the one
// that Kind names is read.
type Spec struct {
	Kind Kind
	// Zone is where local times and dates are; nil = what CRON_TZ= in the first
	// expression names, else UTC.
	Zone *time.Location
	// DST is for KindCron and the local times of KindAt.
	DST DST

	Cron     CronSpec
	Interval IntervalSpec
	At       AtSpec
	Event    EventSpec
	On       OnSpec

	// StartAt is inclusive, EndAt exclusive; zero = no bound.
	StartAt, EndAt time.Time
	Exclude        Exclude

	// Calendar names what Calendars.Days is; only Describe reads the name.
	Calendar string
	// OnNonSession says what happens to nominals on dates that are not in
	// Calendars.Days; "" = skip.
	OnNonSession OnNonSession
	// OnlyIn keeps nominals inside or outside of Calendars.Hours; "" = anywhere.
	OnlyIn OnlyIn
	// Strict skips nominals on dates that the calendar does not know for sure.
	Strict bool
}

// CronSpec is for KindCron: the union of expressions. "@every d" becomes an
// interval from the Unix epoch, "@reboot" only sets Trigger.Reboot.
type CronSpec struct {
	Expressions []string
	Dialect     Dialect
	// HashSeed is the schedule's id; see Options.
	HashSeed string
}

// Mode says what an interval counts from.
type Mode string

// The modes. FixedRate, "": nominals are Anchor + k * Every, elapsed time.
// AfterCompletion: each is Every after the end of the run before; the trigger
// has no nominals of its own then, see Trigger.AfterRun.
const (
	FixedRate       Mode = ""
	AfterCompletion Mode = "after_completion"
)

// IntervalSpec is for KindInterval.
type IntervalSpec struct {
	// Every is at least a second, in whole milliseconds.
	Every time.Duration
	// Anchor is one of the nominals; zero = the Unix epoch.
	Anchor time.Time
	Mode   Mode
}

// AtSpec is for KindAt: instants, and local times in the spec's zone, at least
// one in all. A local time that does not exist is the first instant after the
// gap, one that occurs twice is the first, unless DST says otherwise.
type AtSpec struct {
	Instants []time.Time
	Locals   []LocalTime
}

// OnSpec is for KindOn: something happens inside of Runsheet. Such a trigger
// has no nominals.
type OnSpec struct {
	// Event is the event's type, such as job.run.completed; Subject the id of
	// what it has to be about, "" = anything.
	Event, Subject string
	// Delay passes between the event and the nominal.
	Delay time.Duration
}

// Exclude takes nominals away. They are still yielded, as skipped.
type Exclude struct {
	// Dates are local to the spec's zone.
	Dates []Date
	// Cron lists expressions, in the spec's dialect and zone: a nominal is
	// excluded when the fields of one match its local time. An expression
	// without seconds matches whole minutes.
	Cron []string
	// Calendars names what Calendars.Exclude holds; only Describe reads them.
	Calendars []string
}

// OnNonSession is what happens to a nominal on a date that the calendar does
// not have.
type OnNonSession string

// The answers. A moved nominal keeps its local time; nominals that meet at one
// instant are one.
const (
	SkipNominal     OnNonSession = ""
	NextSession     OnNonSession = "next_session"
	PreviousSession OnNonSession = "previous_session"
)

// OnlyIn is a part of the day.
type OnlyIn string

// The parts. InSession is from open to close with the breaks, InRegularHours
// without them, OutsideHours all the rest. An open is inside, a close outside.
const (
	Anywhere       OnlyIn = ""
	InSession      OnlyIn = "session"
	InRegularHours OnlyIn = "regular_hours"
	OutsideHours   OnlyIn = "outside_hours"
)

// Marks tell what is special about a nominal. The zero value is nothing.
type Marks uint16

// The marks.
const (
	// DSTMoved: its written local time does not exist on that day, or some time
	// that does not exist was merged into it.
	DSTMoved Marks = 1 << iota
	// DSTRepeated: its local time occurs twice on that day.
	DSTRepeated
	// SessionMoved: it was moved to a session from a date that is none.
	SessionMoved
	// EarlyClose: the session of its date closes early.
	EarlyClose
	// Unverified: the calendar does not know its date for sure yet.
	Unverified
)

// Strings returns the marks' names: dst_moved and so on.
func (m Marks) Strings() []string {
	names := []string{}
	for n, name := range []string{"dst_moved", "dst_repeated", "session_moved", "early_close", "unverified"} {
		if m>>n&1 == 1 {
			names = append(names, name)
		}
	}
	return names
}

// Skip is why a nominal does not fire; "" = it does.
type Skip string

// The reasons that a trigger knows. A schedule has more.
const (
	SkipHoliday    Skip = "holiday"          // its date is a holiday of the calendar
	SkipNonSession Skip = "non_session"      // its date is no session of the calendar
	SkipHours      Skip = "only_in"          // outside the hours that only_in asks for
	SkipExcluded   Skip = "excluded"         // a date, calendar or expression excludes it
	SkipExpired    Skip = "calendar_expired" // strict, and the calendar does not reach its date
)

// Nominal is an instant that a trigger yields.
type Nominal struct {
	// At is in UTC.
	At time.Time
	// Zone is the schedule's.
	Zone  *time.Location
	Marks Marks
	Skip  Skip
}

// Local writes the instant as the clocks in its zone show it, in the manner of
// RFC 3339; old offsets with seconds keep them.
func (n Nominal) Local() string {
	t := n.At.In(n.Zone)
	layout := "2006-01-02T15:04:05.999-07:00"
	if _, offset := t.Zone(); offset%60 != 0 {
		layout += ":00"
	}
	return t.Format(layout)
}
