package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/calendar"
)

func (a *app) calendarCommand() *cobra.Command {
	return a.noun("calendar", "See when exchanges trade and countries work, and override dates",
		a.calendarList(), a.calendarGet(), a.calendarSessions(), a.calendarImport(), a.calendarOverride())
}

func calendarView() view[client.Calendar] {
	return view[client.Calendar]{
		id:      func(c client.Calendar) string { return c.Mic },
		columns: []string{"CALENDAR", "ZONE", "VALID THROUGH", "OVERRIDES", "NAME"}, status: -1, spare: []string{"OVERRIDES", "VALID THROUGH"},
		row: func(c client.Calendar) []string {
			return []string{c.Mic, deref(c.Timezone), deref(c.ValidThrough), strconv.Itoa(c.Overrides), c.Name}
		},
		detail: func(c client.Calendar) []pair {
			var verified []string
			for _, r := range c.Verified {
				verified = append(verified, r.From+".."+r.To)
			}
			return []pair{
				{"calendar", c.Mic},
				{"name", c.Name},
				{"aliases", strings.Join(c.Aliases, " ")},
				{"zone", deref(c.Timezone)},
				{"valid", deref(c.ValidFrom) + ".." + deref(c.ValidThrough)},
				{"verified", strings.Join(verified, " ")},
				{"overrides", strconv.Itoa(c.Overrides)},
				{"version", c.Version},
				{"sources", strings.Join(c.Sources, "; ")},
			}
		},
	}
}

// same makes the client's type of the API's.
func same[T any](in any) (out T) {
	b, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic("cli: the types of the API differ: " + err.Error())
	}
	return out
}

// either asks the server, or this program where none is to be asked, or none is
// there.
func either[T any](a *app, c *cobra.Command, offline bool, server func(context.Context, *client.Client) (T, error), own func() (T, error)) (T, error) {
	if !offline {
		cl, err := a.connect(c)
		if _, none := errors.AsType[*absent](err); err != nil && !none {
			return *new(T), err
		}
		if err == nil {
			return server(c.Context(), cl)
		}
		a.talk("no server is there: these are this program's calendars, without packs and overrides")
	}
	return own()
}

func (a *app) calendarList() *cobra.Command {
	offline := false
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List calendars", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			items, err := either(a, c, offline, func(ctx context.Context, cl *client.Client) ([]client.Calendar, error) { return cl.Calendars(ctx) },
				func() ([]client.Calendar, error) {
					set, err := calendar.Shipped()
					if err != nil {
						return nil, err
					}
					var out []client.Calendar
					for _, c := range set.All() {
						out = append(out, same[client.Calendar](wire.CalendarOf(c, 0)))
					}
					return out, nil
				})
			if err != nil {
				return err
			}
			return printList(a, calendarView(), items)
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "ask no server")
	return c
}

func (a *app) calendarGet() *cobra.Command {
	offline := false
	c := &cobra.Command{
		Use: "get CALENDAR", Aliases: []string{"show"}, Short: "Show a calendar and its sources", Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			item, err := either(a, c, offline, func(ctx context.Context, cl *client.Client) (client.Calendar, error) {
				return cl.Calendar(ctx, args[0])
			},
				func() (client.Calendar, error) {
					found, err := calendar.Find(args[0])
					if err != nil {
						return client.Calendar{}, err
					}
					return same[client.Calendar](wire.CalendarOf(found, 0)), nil
				})
			if err != nil {
				return err
			}
			return printOne(a, calendarView(), item)
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "ask no server")
	return c
}

func sessionView() view[client.CalendarSession] {
	return view[client.CalendarSession]{
		id:      func(s client.CalendarSession) string { return s.Date },
		columns: []string{"DATE", "OPEN", "CLOSE", "BREAK", "REMARKS"}, status: -1, spare: []string{"BREAK"}, note: true,
		row: func(s client.CalendarSession) []string {
			pause := ""
			if s.BreakStart != nil {
				pause = s.BreakStart.Format("15:04") + "-" + s.BreakEnd.Format("15:04")
			}
			var remarks []string
			for _, r := range []struct {
				is   bool
				text string
			}{{s.LateOpen, "opens late"}, {s.EarlyClose, "closes early"}, {s.Overridden, "override"}, {!s.Verified, "not verified"}, {s.Reason != nil, deref(s.Reason)}} {
				if r.is {
					remarks = append(remarks, r.text)
				}
			}
			return []string{s.Date, stamp(&s.Open), stamp(&s.Close), pause, strings.Join(remarks, ", ")}
		},
	}
}

func (a *app) calendarSessions() *cobra.Command {
	var (
		from, to string
		offline  bool
	)
	c := &cobra.Command{
		Use: "sessions CALENDAR", Short: "List sessions, in UTC", Args: oneArg,
		Example: "  runsheet calendar sessions XNYS --from 2026-11-23 --to 2026-11-30",
		RunE: func(c *cobra.Command, args []string) error {
			items, err := either(a, c, offline, func(ctx context.Context, cl *client.Client) ([]client.CalendarSession, error) {
				return cl.CalendarSessions(ctx, args[0], from, to)
			}, func() ([]client.CalendarSession, error) { return a.ownSessions(args[0], from, to) })
			if err != nil {
				return err
			}
			return printList(a, sessionView(), items)
		},
	}
	f := c.Flags()
	f.StringVar(&from, "from", "", "first `date` (today)")
	f.StringVar(&to, "to", "", "last `date` (a year later)")
	f.BoolVar(&offline, "offline", false, "ask no server")
	return c
}

func (a *app) ownSessions(code, from, to string) ([]client.CalendarSession, error) {
	found, err := calendar.Find(code)
	if err != nil {
		return nil, err
	}
	first := calendar.DateOf(a.Clock.Now().In(found.Location()))
	if from != "" {
		if first, err = calendar.ParseDate(from); err != nil {
			return nil, usagef("--from: %v", err)
		}
	}
	y, m, d := first.Split()
	last := calendar.NewDate(y+1, m, d)
	if to != "" {
		if last, err = calendar.ParseDate(to); err != nil {
			return nil, usagef("--to: %v", err)
		}
	}
	var out []client.CalendarSession
	for s := range found.Sessions(first, last) {
		out = append(out, same[client.CalendarSession](wire.CalendarSessionOf(s)))
	}
	return out, nil
}

func changeView() view[client.SessionChange] {
	times := func(s *client.CalendarSession) string {
		if s == nil {
			return "closed"
		}
		return s.Open.UTC().Format(time.RFC3339) + " to " + s.Close.UTC().Format("15:04")
	}
	return view[client.SessionChange]{
		id: func(c client.SessionChange) string { return c.Date }, columns: []string{"DATE", "WAS", "IS"}, status: -1,
		row: func(c client.SessionChange) []string { return []string{c.Date, times(c.Old), times(c.New)} },
	}
}

// fireUse explains --fires.
const fireUse = "only show which fires of schedules would change"

func fireView() view[client.FireChange] {
	return view[client.FireChange]{
		id: func(f client.FireChange) string { return f.ScheduleID }, columns: []string{"SCHEDULE", "FIRE", "CHANGE"}, status: -1,
		row: func(f client.FireChange) []string {
			change := f.Change
			switch {
			case f.MovedTo != nil:
				change += " to " + f.MovedTo.UTC().Format(time.RFC3339)
			case f.Reason != nil:
				change += ": " + *f.Reason
			}
			if f.Paused {
				change += " (paused)"
			}
			return []string{f.Schedule, f.NominalAt.UTC().Format(time.RFC3339), change}
		},
	}
}

// tell shows what a change of overrides does, or only what it does to fires.
func (a *app) tell(change client.CalendarChange, fires bool) error {
	if !a.quiet && a.json == nil {
		verb := "now has"
		if change.DryRun {
			verb = "would have"
		}
		a.talk("%s %s %d overridden dates; sessions that change: %d", change.Mic, verb, change.Overrides, len(change.Changes))
		if f := change.Fires; f != nil {
			least := ""
			if !f.Complete {
				least = "at least "
			}
			a.talk("fires that would change: %s%d, of %s%d schedules", least, len(f.Items), least, f.Schedules)
		}
	}
	if !fires {
		return printList(a, changeView(), change.Changes)
	}
	if change.Fires == nil {
		return errors.New("the server does not tell which fires change: the scope schedules:read is missing")
	}
	return printList(a, fireView(), change.Fires.Items)
}

func (a *app) calendarImport() *cobra.Command {
	var (
		o              client.OverrideChange
		replace, fires bool
	)
	c := &cobra.Command{
		Use: "import CALENDAR FILE|-", Short: "Override dates of a calendar by a file: CSV, JSON or iCal", Args: cobra.ExactArgs(2),
		Long: "Import overrides the dates of the file and shows the sessions that change. Other overrides stay, unless --replace is given.",
		Example: `  runsheet calendar import XNYS holidays.csv --dry-run
  runsheet calendar import XKRX closed.ics`,
		RunE: func(c *cobra.Command, args []string) error {
			file := args[1]
			if file != "-" {
				file = "@" + file
			}
			body, err := a.read(file)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			o.Merge, o.DryRun = !replace, o.DryRun || fires
			change, err := cl.PutOverrides(c.Context(), args[0], mediaOf(body), body, o)
			if err != nil {
				return err
			}
			return a.tell(change, fires)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.DryRun, "dry-run", false, "only show what would change")
	f.BoolVar(&fires, "fires", false, fireUse)
	f.BoolVar(&replace, "replace", false, "remove the overrides of all other dates")
	return c
}

// mediaOf is the content type of a file of overrides.
func mediaOf(body []byte) string {
	text := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte("[")), bytes.HasPrefix(text, []byte("{")):
		return "application/json"
	case bytes.HasPrefix(bytes.ToUpper(text[:min(len(text), 15)]), []byte("BEGIN:VCALENDAR")):
		return "text/calendar"
	}
	return "text/csv"
}

func (a *app) calendarOverride() *cobra.Command {
	return a.noun("override", "Say what single dates of a calendar are", a.overrideList(), a.overrideSet(), a.overrideRemove())
}

func (a *app) overrideList() *cobra.Command {
	v := view[client.CalendarOverride]{
		id:      func(o client.CalendarOverride) string { return o.Date },
		columns: []string{"DATE", "KIND", "HOURS", "BREAK", "BY", "REASON"}, status: -1, spare: []string{"BY", "BREAK"}, note: true,
		row: func(o client.CalendarOverride) []string {
			hours := func(from, to *string) string {
				if from == nil {
					return ""
				}
				return *from + "-" + deref(to)
			}
			return []string{o.Date, o.Kind, hours(o.Open, o.Close), hours(o.BreakStart, o.BreakEnd), o.UpdatedBy, deref(o.Reason)}
		},
	}
	return &cobra.Command{
		Use: "ls CALENDAR", Aliases: []string{"list"}, Short: "List the overrides of a calendar", Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			items, err := cl.CalendarOverrides(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printList(a, v, items)
		},
	}
}

func (a *app) overrideSet() *cobra.Command {
	var (
		in            client.CalendarOverrideInput
		hours, pause  string
		reason        string
		open, dry, no bool
		fires         bool
	)
	c := &cobra.Command{
		Use: "set CALENDAR DATE", Short: "Override one date: --closed, --open or --hours", Args: cobra.ExactArgs(2),
		Example: `  runsheet calendar override set XNYS 2026-12-24 --hours 09:30-12:00 --reason "early close"
  runsheet calendar override set KR 2026-05-04 --closed --fires`,
		RunE: func(c *cobra.Command, args []string) error {
			in.Date = args[1]
			switch {
			case hours != "" && !open && !no:
				in.Kind = "hours"
			case open && hours == "" && !no:
				in.Kind = "open"
			case no && hours == "" && !open:
				in.Kind = "closed"
			default:
				return usagef("say what the date is: one of --closed, --open, --hours")
			}
			for _, p := range []struct {
				text     string
				from, to **string
			}{{hours, &in.Open, &in.Close}, {pause, &in.BreakStart, &in.BreakEnd}} {
				if p.text == "" {
					continue
				}
				from, to, ok := strings.Cut(p.text, "-")
				if !ok {
					return usagef("%q must be two times such as 09:30-14:00", p.text)
				}
				*p.from, *p.to = &from, &to
			}
			in.Reason = text(reason)
			body, err := json.Marshal(in)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			change, err := cl.PutOverrides(c.Context(), args[0], "application/json", body, client.OverrideChange{DryRun: dry || fires, Merge: true})
			if err != nil {
				return err
			}
			return a.tell(change, fires)
		},
	}
	f := c.Flags()
	f.StringVar(&hours, "hours", "", "local `times` from the open to the close, such as 09:30-14:00")
	f.StringVar(&pause, "break", "", "local `times` of the break, such as 12:00-13:00")
	f.BoolVar(&open, "open", false, "regular hours, also on a day off")
	f.BoolVar(&no, "closed", false, "no session")
	f.StringVar(&reason, "reason", "", "a `sentence` for people")
	f.BoolVar(&dry, "dry-run", false, "only show what would change")
	f.BoolVar(&fires, "fires", false, fireUse)
	return c
}

func (a *app) overrideRemove() *cobra.Command {
	var (
		o   client.OverrideChange
		all bool
		yes bool

		fires bool
	)
	c := &cobra.Command{
		Use: "rm CALENDAR [DATE...]", Aliases: []string{"delete"}, Short: "Remove overrides", Args: someArgs,
		RunE: func(c *cobra.Command, args []string) error {
			o.Dates, o.DryRun = args[1:], o.DryRun || fires
			if len(o.Dates) == 0 && !all {
				return usagef("name dates, or say --all")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if !o.DryRun {
				if err := a.confirm(yes, "remove overrides of "+args[0]+"?"); err != nil {
					return err
				}
			}
			change, err := cl.DeleteOverrides(c.Context(), args[0], o)
			if err != nil {
				return err
			}
			return a.tell(change, fires)
		},
	}
	f := c.Flags()
	f.BoolVar(&all, "all", false, "all overrides of the calendar")
	f.BoolVar(&o.DryRun, "dry-run", false, "only show what would change")
	f.BoolVar(&fires, "fires", false, fireUse)
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
