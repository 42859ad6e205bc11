package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/store"
)

// DateRange is a period of dates, both included.
type DateRange struct {
	From string `json:"from" example:"2015-01-01"`
	To   string `json:"to" example:"2027-12-31"`
}

// Calendar knows when something is open: an exchange, or a country at work.
type Calendar struct {
	Mic          string      `json:"mic" doc:"its code: a market identifier code, the code of a country or region, or a name such as 24/5" example:"XNYS"`
	Name         string      `json:"name" example:"New York Stock Exchange"`
	Aliases      []string    `json:"aliases" nullable:"false" doc:"other codes of it"`
	Timezone     *string     `json:"timezone" doc:"zone of its hours; null: that of who asks" example:"America/New_York"`
	ValidFrom    *string     `json:"valid_from" doc:"first date with rules; null: it has always had them"`
	ValidThrough *string     `json:"valid_through" doc:"last date with rules: later ones follow the week and the regular hours only; null: for ever"`
	Verified     []DateRange `json:"verified" nullable:"false" doc:"periods whose dates were announced; the others follow rules and may still change"`
	Sources      []string    `json:"sources" nullable:"false" doc:"what the facts rest on"`
	Overrides    int         `json:"overrides" doc:"number of dates that this tenant has overridden"`
	Version      string      `json:"version" doc:"changes with the data and with the overrides"`
}

// CalendarList is all calendars.
type CalendarList struct {
	Items      []Calendar `json:"items" nullable:"false"`
	NextCursor *string    `json:"next_cursor" doc:"always null: they fit one page"`
}

// CalendarOf shows a calendar with the number of its overrides.
func CalendarOf(c *calendar.Calendar, overrides int) Calendar {
	out := Calendar{
		Mic: c.Code(), Name: c.Name(), Aliases: append([]string{}, c.Aliases()...), Verified: []DateRange{},
		Sources: append([]string{}, c.Sources()...), Overrides: overrides, Version: c.Version(),
		ValidFrom: validDate(c.ValidFrom()), ValidThrough: validDate(c.ValidThrough()),
	}
	if !c.Floating() {
		out.Timezone = str(c.Location().String())
	}
	for _, r := range c.VerifiedRanges() {
		out.Verified = append(out.Verified, DateRange{r.From.String(), r.To.String()})
	}
	return out
}

// validDate is nil for a date beyond which no calendar goes.
func validDate(d calendar.Date) *string {
	if y := d.Year(); y < 1900 || y > 2199 {
		return nil
	}
	return str(d.String())
}

// CalendarSession is one day of a market. Times are in UTC.
type CalendarSession struct {
	Date       string     `json:"date" doc:"local date of its close" example:"2026-11-27"`
	Open       time.Time  `json:"open"`
	Close      time.Time  `json:"close"`
	BreakStart *time.Time `json:"break_start" doc:"null: there is no break"`
	BreakEnd   *time.Time `json:"break_end"`
	EarlyClose bool       `json:"early_close" doc:"it ends before the usual time"`
	LateOpen   bool       `json:"late_open"`
	Verified   bool       `json:"verified" doc:"the exchange has announced it, or an override says it"`
	Overridden bool       `json:"overridden" doc:"an override of this tenant made it what it is"`
	Reason     *string    `json:"reason" doc:"why the hours are not the regular ones; null: they are"`
}

// CalendarSessions lists sessions by date.
type CalendarSessions struct {
	Items      []CalendarSession `json:"items" nullable:"false"`
	Closed     []CalendarClosure `json:"closed" nullable:"false" doc:"days off that have a reason, by date"`
	NextCursor *string           `json:"next_cursor" doc:"always null: the period bounds the list"`
}

// CalendarClosure is a day without a session, for a reason.
type CalendarClosure struct {
	Date     string `json:"date" example:"2026-12-25"`
	Reason   string `json:"reason" example:"Christmas Day"`
	Verified bool   `json:"verified" doc:"the exchange has announced it, or an override says it"`
}

// CalendarSessionOf shows a session.
func CalendarSessionOf(s calendar.Session) CalendarSession {
	return CalendarSession{
		Date: s.Date.String(), Open: s.Open.UTC(), Close: s.Close.UTC(), BreakStart: moment(s.BreakStart), BreakEnd: moment(s.BreakEnd),
		EarlyClose: s.EarlyClose, LateOpen: s.LateOpen, Verified: s.Verified, Overridden: s.Overridden, Reason: str(s.Reason),
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// CalendarOverrideInput says what one date is.
type CalendarOverrideInput struct {
	Date       string  `json:"date" format:"date" example:"2026-12-24"`
	Kind       string  `json:"kind" enum:"closed,open,hours" doc:"closed; open: the regular hours, also on a day off; hours: those given"`
	Open       *string `json:"open,omitempty" nullable:"true" maxLength:"5" doc:"local time of the calendar; one that is not before close is of the evening before" example:"09:30"`
	Close      *string `json:"close,omitempty" nullable:"true" maxLength:"5" example:"14:00"`
	BreakStart *string `json:"break_start,omitempty" nullable:"true" maxLength:"5"`
	BreakEnd   *string `json:"break_end,omitempty" nullable:"true" maxLength:"5"`
	Reason     *string `json:"reason,omitempty" nullable:"true" maxLength:"200" doc:"for people"`
}

// CalendarOverride is what users say of one date. It beats what is shipped.
type CalendarOverride struct {
	Date       string    `json:"date"`
	Kind       string    `json:"kind" doc:"closed, open or hours"`
	Open       *string   `json:"open" doc:"local time of the calendar"`
	Close      *string   `json:"close"`
	BreakStart *string   `json:"break_start"`
	BreakEnd   *string   `json:"break_end"`
	Reason     *string   `json:"reason"`
	Source     *string   `json:"source" doc:"where it came from: json, csv or ical"`
	UpdatedBy  string    `json:"updated_by"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// CalendarOverrideList is all overrides of a calendar.
type CalendarOverrideList struct {
	Items      []CalendarOverride `json:"items" nullable:"false"`
	NextCursor *string            `json:"next_cursor" doc:"always null: they fit one page"`
}

// CalendarOverrideOf shows an override.
func CalendarOverrideOf(o store.Override) CalendarOverride {
	return CalendarOverride{
		Date: o.Date.String(), Kind: string(o.Kind), Open: str(o.Open), Close: str(o.Close), BreakStart: str(o.BreakStart), BreakEnd: str(o.BreakEnd),
		Reason: str(o.Reason), Source: str(o.Source), UpdatedBy: o.UpdatedBy, UpdatedAt: o.UpdatedAt.UTC(),
	}
}

// Override is what the input says.
func (in CalendarOverrideInput) Override() (calendar.Override, error) {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	o := calendar.Override{
		Kind: calendar.OverrideKind(in.Kind), Open: text(in.Open), Close: text(in.Close), BreakStart: text(in.BreakStart), BreakEnd: text(in.BreakEnd),
		Reason: text(in.Reason),
	}
	var err error
	o.Date, err = calendar.ParseDate(in.Date)
	return o, err
}

// SessionChange is a date whose session opens, closes or pauses differently.
type SessionChange struct {
	Date string           `json:"date"`
	Old  *CalendarSession `json:"old" doc:"null: there was no session"`
	New  *CalendarSession `json:"new" doc:"null: there is none any more"`
}

// CalendarChange is what a change of overrides does.
type CalendarChange struct {
	Mic       string          `json:"mic"`
	DryRun    bool            `json:"dry_run" doc:"nothing was stored"`
	Overrides int             `json:"overrides" doc:"number of dates that are overridden now"`
	Changes   []SessionChange `json:"changes" nullable:"false" doc:"sessions that it changes, by date"`
	Fires     *FireChanges    `json:"fires" doc:"what it does to schedules; null unless this is a dry run, by somebody who may read schedules"`
}

// SessionChangeOf shows a difference.
func SessionChangeOf(c calendar.Change) SessionChange {
	show := func(s *calendar.Session) *CalendarSession {
		if s == nil {
			return nil
		}
		out := CalendarSessionOf(*s)
		return &out
	}
	return SessionChange{Date: c.Date.String(), Old: show(c.Old), New: show(c.New)}
}
