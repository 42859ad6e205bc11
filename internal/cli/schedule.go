package cli

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

func (a *app) scheduleCommand() *cobra.Command {
	return a.noun("schedule", "Start jobs at certain times",
		a.scheduleAdd(), a.scheduleList(), a.scheduleGet(), a.scheduleEdit(), a.scheduleRemove(), a.scheduleNext(), a.scheduleFires(), a.scheduleRunNow(),
		a.schedulePause("disable", "pause"), a.scheduleResume("enable", "resume"), a.scheduleHistory(), a.scheduleBackfill(), a.scheduleSkipNext(), a.scheduleVersions())
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
	anchor, on, subject, delay            string
	at, excludeDates, excludeCalendars    []string
	excludeCron                           []string
	count                                 int
	allowNever, duringBreaks, strict, kor bool
	afterCompletion, firing               bool
}

func (t *timingFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&t.cron, "cron", nil, "cron `expression`; several are united")
	f.BoolVar(&t.quartz, "quartz", false, "the expressions are in the Quartz dialect")
	f.StringVar(&t.every, "every", "", "`duration` from one to the next, such as 90m")
	f.StringVar(&t.anchor, "anchor", "", "with --every: a `time` to count from, RFC 3339 (the beginning of 1970)")
	f.BoolVar(&t.afterCompletion, "after-completion", false, "with --every: count from the end of the run before")
	f.StringVar(&t.event, "event", "", "market `event`, such as MARKET_OPEN, MARKET_CLOSE or SESSION_END_OF_MONTH; needs --calendar")
	f.StringVar(&t.offset, "offset", "", "`duration` from the event, such as -10m")
	f.StringVar(&t.repeat, "repeat", "", "with --event MARKET_OPEN: every such `duration` up to the close")
	f.BoolVar(&t.duringBreaks, "during-breaks", false, "with --repeat: in breaks, too")
	f.StringArrayVar(&t.at, "at", nil, "a `time`, with an offset or local; repeatable")
	f.StringVar(&t.zone, "timezone", "", "IANA `zone` of local times (UTC; of a new schedule the server's default)")
	f.StringVar(&t.calendar, "calendar", "", "fire only on open days of this calendar: a `code` such as XNYS, or US for working days, or JSON such as {\"all_of\":[\"XNYS\",\"XTSE\"]}")
	f.StringVar(&t.onNonSession, "on-non-session", "", "on a day off: skip, next_session or previous_session")
	f.StringVar(&t.onlyIn, "only-in", "", "only in session, regular_hours or outside_hours")
	f.StringSliceVar(&t.excludeDates, "exclude", nil, "local `dates` to leave out")
	f.StringArrayVar(&t.excludeCron, "exclude-cron", nil, "`expression` whose times are left out; repeatable")
	f.StringSliceVar(&t.excludeCalendars, "exclude-calendar", nil, "`calendars` on whose open days it does not fire; to leave out the holidays of a country, use --calendar US")
	f.StringVar(&t.gap, "dst-gap", "", "times that a change of the clock leaves out: auto or skip")
	f.StringVar(&t.overlap, "dst-overlap", "", "times that occur twice: auto, first, second or both")
	f.BoolVar(&t.strict, "strict", false, "skip dates that the calendar does not reach")
	f.BoolVar(&t.allowNever, "allow-never", false, "accept what never fires")
	complete(c, "on-non-session", "skip", "next_session", "previous_session")
	complete(c, "only-in", "session", "regular_hours", "outside_hours")
	complete(c, "dst-gap", "auto", "skip")
	complete(c, "dst-overlap", "auto", "first", "second", "both")
	complete(c, "event", "MARKET_OPEN", "MARKET_CLOSE", "BREAK_START", "BREAK_END", "SESSION_START_OF_WEEK", "SESSION_END_OF_WEEK", "SESSION_START_OF_MONTH", "SESSION_END_OF_MONTH")
}

// kinds are the types of trigger that the flags speak of.
func (t *timingFlags) kinds() (out []string) {
	for _, k := range []struct {
		given bool
		kind  string
	}{{len(t.cron) > 0, "CRON"}, {t.every != "", "INTERVAL"}, {t.event != "", "EVENT"}, {len(t.at) > 0, "AT"}, {t.on != "", "ON"}} {
		if k.given {
			out = append(out, k.kind)
		}
	}
	return out
}

// one checks that the flags speak of one type of trigger.
func (t *timingFlags) one(of string) error {
	switch len(t.kinds()) {
	case 0:
		return usagef("say when: one of %s", of)
	case 1:
		return nil
	}
	return usagef("say when in one way: only one of %s", of)
}

// input is what the flags say, as the API would get it.
func (t *timingFlags) input() (wire.TimingInput, error) {
	in := wire.TimingInput{
		Timezone: t.zone, OnNonSession: t.onNonSession, OnlyIn: t.onlyIn, DSTGap: t.gap, DSTOverlap: t.overlap, Strict: t.strict,
		Calendar: calendarFlag(t.calendar),
	}
	if err := t.one("--cron, --every, --at, --event"); err != nil {
		return in, err
	}
	in.Trigger.Type = t.kinds()[0]
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
	if t.anchor != "" {
		at, wrong := time.Parse(time.RFC3339Nano, t.anchor)
		if wrong != nil {
			err = usagef("--anchor %q must be a time such as 2026-01-31T12:00:00Z", t.anchor)
		}
		x.Anchor = &at
	}
	if t.afterCompletion {
		x.Mode = string(schedule.AfterCompletion)
	}
	if t.on != "" {
		x.Event, x.Subject, x.Delay = t.on, t.subject, duration("delay", t.delay)
	}
	x.Interval, x.Offset, x.Every = duration("every", t.every), duration("offset", t.offset), duration("repeat", t.repeat)
	x.At, x.DuringBreaks = t.at, t.duringBreaks
	if t.event != "" {
		x.Event = t.event
	}
	if len(t.cron) > 0 {
		x.Expression, x.Expressions = t.cron[0], t.cron[1:]
		if len(t.cron) == 1 {
			x.Expressions = nil
		}
	}
	if t.quartz {
		x.Dialect = string(schedule.Quartz)
	}
	if t.excludeDates != nil || t.excludeCalendars != nil || t.excludeCron != nil {
		in.Exclude = &wire.ExcludeInput{Dates: t.excludeDates, Cron: t.excludeCron}
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

// maxNext bounds a list of times, maxNextServer one that the server makes.
const (
	maxNext       = 100_000
	maxNextServer = 1000
)

func (a *app) scheduleNext() *cobra.Command {
	var t timingFlags
	c := &cobra.Command{
		Use: "next SCHEDULE | --cron EXPR [flags]", Aliases: []string{"preview"}, Short: "Show when a schedule fires, or would; the latter needs no server", Args: cobra.MaximumNArgs(1),
		Long: `Next lists the times after --from, those that a calendar takes away too, with the
reason. With the id or name of a schedule, the server is asked. Without, flags say
when, and no server is needed: calendars are those of this program, without packs
and overrides.`,
		Example: `  runsheet schedule next nightly --count 3
  runsheet schedule next --cron '0 9 * * MON-FRI' --timezone Asia/Seoul
  runsheet schedule next --cron '30 2 * * *' --timezone Europe/Berlin --from 2026-03-28T00:00:00Z --count 3
  runsheet schedule next --event MARKET_CLOSE --offset -10m --calendar XNYS`,
		ValidArgsFunction: a.completeSchedules(),
		RunE: func(c *cobra.Command, args []string) error {
			if t.count < 1 || t.count > maxNext {
				return usagef("--count must be 1 to %d", maxNext)
			}
			from := a.Clock.Now()
			if t.from != "" {
				at, err := parseTime("from", t.from)
				if err != nil {
					return err
				}
				from = at
			}
			if len(args) == 1 {
				return a.nextOf(c, args[0], &t, from)
			}
			in, err := t.input()
			if err != nil {
				return err
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
			items, err := pages(&t, from, func(from time.Time) ([]wire.Nominal, error) {
				found, err := timetable.Preview(trigger, from, t.count, nil)
				items := make([]wire.Nominal, 0, len(found))
				for _, n := range found {
					items = append(items, wire.NominalOf(n))
				}
				return items, err
			}, func(n wire.Nominal) (time.Time, bool) { return n.NominalAt, n.Skip == nil })
			if err != nil {
				return err
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
	f.BoolVar(&t.firing, "firing", false, "only those that fire, without what a calendar, an exclusion or skip-next takes away")
	f.StringVar(&t.seed, "schedule-id", "", "`id` that H in an expression is made from")
	f.BoolVar(&t.kor, "ko", false, "describe it in Korean, as with a Korean LANG")
	return c
}

// nextOf asks the server about a schedule.
func (a *app) nextOf(c *cobra.Command, idOrName string, t *timingFlags, from time.Time) error {
	var other string
	c.Flags().Visit(func(f *pflag.Flag) {
		if c.LocalNonPersistentFlags().Lookup(f.Name) != nil && f.Name != "from" && f.Name != "count" && f.Name != "firing" {
			other = f.Name
		}
	})
	if other != "" {
		return usagef("--%s says when something fires, which %s says itself", other, idOrName)
	}
	if t.count > maxNextServer {
		return usagef("--count must be 1 to %d when the server is asked", maxNextServer)
	}
	cl, err := a.connect(c)
	if err != nil {
		return err
	}
	items, err := pages(t, from, func(from time.Time) ([]client.ScheduleNominal, error) {
		return cl.ScheduleNext(c.Context(), idOrName, from, t.count)
	}, func(n client.ScheduleNominal) (time.Time, bool) { return n.NominalAt, n.Skip == nil })
	if err != nil {
		return err
	}
	if a.json == nil && !a.quiet {
		if s, err := cl.Schedule(c.Context(), idOrName); err == nil {
			a.talk("%s", whyNot(s, len(items)))
		}
	}
	return printList(a, view[client.ScheduleNominal]{
		id:      func(n client.ScheduleNominal) string { return n.NominalAt.Format(time.RFC3339Nano) },
		columns: []string{"LOCAL", "UTC", "DUE", "MARKS", "SKIPPED"}, status: -1, spare: []string{"DUE", "MARKS"},
		row: func(n client.ScheduleNominal) []string {
			due := ""
			if n.DueAt != nil && !n.DueAt.Equal(n.NominalAt) {
				due = n.DueAt.Format(time.RFC3339Nano)
			}
			return []string{n.Local, n.NominalAt.Format(time.RFC3339Nano), due, strings.Join(n.Marks, " "), deref(n.Skip)}
		},
	}, items)
}

// whyNot says what a list of the next times does not: that a schedule does not fire.
func whyNot(s client.Schedule, listed int) string {
	switch {
	case s.State == "paused":
		return "paused, so none of them fires before: runsheet schedule enable " + s.Name
	case s.State == "finished":
		return "finished, so it fires no more"
	case listed == 0:
		return "no time is planned: " + s.Summary
	}
	return s.Summary
}

// maxAsks bounds how often pages asks for more.
const maxAsks = 50

// pages lists the first times after from. With --firing it leaves out what does not
// fire and asks again until there are enough.
func pages[N any](t *timingFlags, from time.Time, load func(from time.Time) ([]N, error), of func(N) (at time.Time, fires bool)) ([]N, error) {
	var out []N
	for range maxAsks {
		page, err := load(from)
		if err != nil || !t.firing {
			return page, err
		}
		for _, n := range page {
			at, fires := of(n)
			if from = at; fires {
				out = append(out, n)
			}
			if len(out) == t.count {
				return out, nil
			}
		}
		if len(page) < t.count {
			break
		}
	}
	return out, nil
}

// parseTime reads a time of a flag. A date alone would leave open whose midnight is
// meant, so the answer says how to write one.
func parseTime(flag, text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		if _, e := time.Parse(time.DateOnly, text); e == nil {
			return at, &usage{
				text: "--" + flag + " " + strconv.Quote(text) + " has no time of day and no offset",
				hint: "for its midnight in UTC write " + text + "T00:00:00Z, for another zone an offset, such as " + text + "T00:00:00+09:00",
			}
		}
		return at, usagef("--%s %q must be a time such as 2026-01-31T12:00:00Z", flag, text)
	}
	return at, nil
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
