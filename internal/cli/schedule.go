package cli

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

func (a *app) scheduleCommand() *cobra.Command {
	return a.noun("schedule", "See when things happen", a.scheduleNext())
}

// shippedCalendars finds calendars of this program, without a server. One alone is
// read alone.
type shippedCalendars struct{}

// Resolve implements timetable.Finder.
func (shippedCalendars) Resolve(spec calendar.Spec) (*calendar.Calendar, error) {
	if spec.Code != "" {
		return calendar.Find(spec.Code)
	}
	set, err := calendar.Shipped()
	if err != nil {
		return nil, err
	}
	return set.Resolve(spec)
}

// timingFlags say when something fires.
type timingFlags struct {
	cron                                  []string
	quartz                                bool
	every, offset, repeat                 string
	event, zone, calendar, onNonSession   string
	onlyIn, gap, overlap, from, seed      string
	at, excludeDates, excludeCalendars    []string
	count                                 int
	allowNever, duringBreaks, strict, kor bool
}

func (t *timingFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&t.cron, "cron", nil, "cron `expression`; several are united")
	f.BoolVar(&t.quartz, "quartz", false, "the expressions are in the Quartz dialect")
	f.StringVar(&t.every, "every", "", "`time` from one to the next, such as 90m")
	f.StringVar(&t.event, "event", "", "market `event`, such as MARKET_OPEN, MARKET_CLOSE or SESSION_END_OF_MONTH; needs --calendar")
	f.StringVar(&t.offset, "offset", "", "`time` from the event, such as -10m")
	f.StringVar(&t.repeat, "repeat", "", "with --event MARKET_OPEN: every such `time` up to the close")
	f.BoolVar(&t.duringBreaks, "during-breaks", false, "with --repeat: in breaks, too")
	f.StringArrayVar(&t.at, "at", nil, "a `time`, with an offset or local; repeatable")
	f.StringVar(&t.zone, "timezone", "", "IANA `zone` of local times (UTC)")
	f.StringVar(&t.calendar, "calendar", "", "`code` of a calendar, such as XNYS, or JSON such as {\"all_of\":[\"XNYS\",\"XTSE\"]}")
	f.StringVar(&t.onNonSession, "on-non-session", "", "on a day off: skip, next_session or previous_session")
	f.StringVar(&t.onlyIn, "only-in", "", "only in session, regular_hours or outside_hours")
	f.StringSliceVar(&t.excludeDates, "exclude", nil, "local `dates` to leave out")
	f.StringSliceVar(&t.excludeCalendars, "exclude-calendar", nil, "`calendars` whose dates are left out")
	f.StringVar(&t.gap, "dst-gap", "", "times that a change of the clock leaves out: auto or skip")
	f.StringVar(&t.overlap, "dst-overlap", "", "times that occur twice: auto, first, second or both")
	f.BoolVar(&t.strict, "strict", false, "skip dates that the calendar does not reach")
	f.StringVar(&t.seed, "schedule-id", "", "`id` that H in an expression is made from")
}

// input is what the flags say, as the API would get it.
func (t *timingFlags) input() (wire.TimingInput, error) {
	in := wire.TimingInput{
		Timezone: t.zone, OnNonSession: t.onNonSession, OnlyIn: t.onlyIn, DSTGap: t.gap, DSTOverlap: t.overlap, Strict: t.strict,
		Calendar: calendarFlag(t.calendar),
	}
	kinds := 0
	for _, k := range []struct {
		given bool
		kind  string
	}{{len(t.cron) > 0, "CRON"}, {t.every != "", "INTERVAL"}, {t.event != "", "EVENT"}, {len(t.at) > 0, "AT"}} {
		if k.given {
			in.Trigger.Type = k.kind
			kinds++
		}
	}
	if kinds != 1 {
		return in, usagef("say when: one of --cron, --every, --event, --at")
	}
	var err error
	duration := func(flag, text string) *wire.Duration {
		if text == "" {
			return nil
		}
		d, wrong := clock.ParseDuration(text)
		if wrong != nil {
			err = usagef("--%s %q: %v", flag, text, wrong)
		}
		w := wire.Duration(d)
		return &w
	}
	x := &in.Trigger
	x.Interval, x.Offset, x.Every = duration("every", t.every), duration("offset", t.offset), duration("repeat", t.repeat)
	x.At, x.Event, x.DuringBreaks = t.at, t.event, t.duringBreaks
	if len(t.cron) > 0 {
		x.Expression, x.Expressions = t.cron[0], t.cron[1:]
		if len(t.cron) == 1 {
			x.Expressions = nil
		}
	}
	if t.quartz {
		x.Dialect = string(schedule.Quartz)
	}
	if t.excludeDates != nil || t.excludeCalendars != nil {
		in.Exclude = &wire.ExcludeInput{Dates: t.excludeDates}
		for _, c := range t.excludeCalendars {
			in.Exclude.Calendars = append(in.Exclude.Calendars, calendarFlag(c))
		}
	}
	return in, err
}

// calendarFlag reads a code, or JSON.
func calendarFlag(text string) wire.CalendarRef {
	if text == "" {
		return nil
	}
	if strings.HasPrefix(text, "{") && json.Valid([]byte(text)) {
		return wire.CalendarRef(text)
	}
	b, err := json.Marshal(text)
	if err != nil {
		panic("cli: a text has no JSON: " + err.Error())
	}
	return b
}

func nominalView() view[wire.Nominal] {
	return view[wire.Nominal]{
		id:      func(n wire.Nominal) string { return n.NominalAt.Format(time.RFC3339Nano) },
		columns: []string{"LOCAL", "UTC", "MARKS", "SKIPPED"}, status: -1, spare: []string{"MARKS"},
		row: func(n wire.Nominal) []string {
			return []string{n.Local, n.NominalAt.Format(time.RFC3339Nano), strings.Join(n.Marks, " "), deref(n.Skip)}
		},
	}
}

// maxNext bounds a list of times.
const maxNext = 100_000

func (a *app) scheduleNext() *cobra.Command {
	var t timingFlags
	c := &cobra.Command{
		Use: "next --cron EXPR [flags]", Short: "Show when something would fire; needs no server", Args: noArgs,
		Long: `Next lists the times after --from, those that a calendar takes away too, with the
reason. It works without a server: calendars are those of this program, without
packs and overrides.`,
		Example: `  runsheet schedule next --cron '0 9 * * MON-FRI' --timezone Asia/Seoul
  runsheet schedule next --cron '30 2 * * *' --timezone Europe/Berlin --from 2026-03-28T00:00:00Z --count 3
  runsheet schedule next --event MARKET_CLOSE --offset -10m --calendar XNYS`,
		RunE: func(*cobra.Command, []string) error {
			in, err := t.input()
			if err != nil {
				return err
			}
			if t.count < 1 || t.count > maxNext {
				return usagef("--count must be 1 to %d", maxNext)
			}
			from := a.Clock.Now()
			if t.from != "" {
				if from, err = time.Parse(time.RFC3339Nano, t.from); err != nil {
					return usagef("--from %q must be a time such as 2026-01-31T12:00:00Z", t.from)
				}
			}
			trigger, err := in.Compile(shippedCalendars{}, time.UTC, t.seed)
			if err != nil {
				return err
			}
			if !t.allowNever {
				if err := timetable.Never(trigger, from); err != nil {
					return err
				}
			}
			found, err := timetable.Preview(trigger, from, t.count, nil)
			if err != nil {
				return err
			}
			items := make([]wire.Nominal, 0, len(found))
			for _, n := range found {
				items = append(items, wire.NominalOf(n))
			}
			if a.json == nil && !a.quiet {
				language := schedule.English
				if t.kor || a.korean() {
					language = schedule.Korean
				}
				a.talk("%s", schedule.Describe(trigger.Spec(), language))
			}
			return printList(a, nominalView(), items)
		},
	}
	t.add(c)
	f := c.Flags()
	f.StringVar(&t.from, "from", "", "only after this `time`, RFC 3339 (now)")
	f.IntVar(&t.count, "count", 10, "this `number` of times")
	f.BoolVar(&t.allowNever, "allow-never", false, "accept what never fires")
	f.BoolVar(&t.kor, "ko", false, "describe it in Korean, as with a Korean LANG")
	return c
}

// korean reports whether the environment asks for Korean.
func (a *app) korean() bool {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v, ok := a.Env(name); ok && v != "" {
			return strings.HasPrefix(v, "ko")
		}
	}
	return false
}
