package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// maxSessionDays bounds a list of sessions: twenty years.
const maxSessionDays = 7305

func (s *service) calendarRoutes() []operation {
	const one = "/api/calendars/{mic}"
	changed := []answer{{Status: http.StatusOK, Doc: "the sessions that it changes", Body: wire.CalendarChange{}}}
	dry := flagParam("dry_run", "only tell what would change, also which fires of schedules")
	return []operation{
		{
			ID: "list_calendars", Method: http.MethodGet, Path: "/api/calendars", Scope: access.CalendarsRead, Tag: "calendars",
			Summary: "List calendars, by code", Answers: []answer{{Status: http.StatusOK, Doc: "all calendars", Body: wire.CalendarList{}}}, Handle: s.listCalendars,
		},
		{
			ID: "get_calendar", Method: http.MethodGet, Path: one, Scope: access.CalendarsRead, Tag: "calendars",
			Summary: "Read a calendar by its code or an alias", Doc: "The slash of 24/7 is written %2F, or as a hyphen.",
			Faults: []fault.Code{fault.NotFound}, Answers: []answer{{Status: http.StatusOK, Doc: "the calendar", Body: wire.Calendar{}}}, Handle: s.getCalendar,
		},
		{
			ID: "list_calendar_sessions", Method: http.MethodGet, Path: one + "/sessions", Scope: access.CalendarsRead, Tag: "calendars",
			Summary: "List the sessions of a period", Doc: "Overrides of this tenant count. The period is 20 years at most. " +
				"closed has the days without a session that have a reason, such as holidays; days of the week without sessions are in neither list.",
			Query: []param{
				dayParam("from", "first date; today without it"), dayParam("to", "last date; a year after from without it"),
				textParam("timezone", "zone of a calendar that has none of its own; UTC without it"),
			},
			Faults:  []fault.Code{fault.NotFound, fault.ZoneUnknown},
			Answers: []answer{{Status: http.StatusOK, Doc: "the sessions, by date", Body: wire.CalendarSessions{}}}, Handle: s.listMarketSessions,
		},
		{
			ID: "list_calendar_overrides", Method: http.MethodGet, Path: one + "/overrides", Scope: access.CalendarsRead, Tag: "calendars",
			Summary: "List the overrides of a calendar, by date", Faults: []fault.Code{fault.NotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "all overrides of the tenant", Body: wire.CalendarOverrideList{}}}, Handle: s.listOverrides,
		},
		{
			ID: "put_calendar_overrides", Method: http.MethodPut, Path: one + "/overrides", Scope: access.CalendarsWrite, Tag: "calendars",
			Summary: "Override dates of a calendar",
			Doc: "The list takes the place of all overrides that the calendar has; with merge=true those of other dates stay. " +
				"It is JSON, or a file as text/csv or text/calendar (iCal). All or none of it is stored.",
			Query: []param{dry, flagParam("merge", "keep the overrides of other dates")},
			Body:  wire.CalendarOverrideInput{}, Many: calendar.MaxOverrides, Media: []string{"text/csv", "text/calendar"},
			Faults: []fault.Code{fault.NotFound}, Answers: changed, Handle: s.putOverrides,
		},
		{
			ID: "delete_calendar_overrides", Method: http.MethodDelete, Path: one + "/overrides", Scope: access.CalendarsWrite, Tag: "calendars",
			Summary: "Remove overrides of a calendar",
			Query:   []param{dry, listParam("date", "dates; all without it")},
			Faults:  []fault.Code{fault.NotFound}, Answers: changed, Handle: s.deleteOverrides,
		},
	}
}

// overrideCounts counts a tenant's overrides by calendar.
func (s *service) overrideCounts(r *request) (map[string]int, error) {
	stored, err := s.Store.Calendars.Overrides(r.Context(), r.tenant())
	if err != nil {
		return nil, err
	}
	n := map[string]int{}
	for _, o := range stored.List {
		n[o.Calendar]++
	}
	return n, nil
}

func (s *service) listCalendars(r *request) (reply, error) {
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	counts, err := s.overrideCounts(r)
	if err != nil {
		return reply{}, err
	}
	out := wire.CalendarList{Items: []wire.Calendar{}}
	for _, c := range set.All() {
		out.Items = append(out.Items, wire.CalendarOf(c, counts[c.Code()]))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// calendar finds the calendar that the path names, with the tenant's overrides.
func (s *service) calendar(r *request) (*calendar.Calendar, error) {
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return nil, err
	}
	return calendarIn(set, r.PathValue("mic"))
}

// calendarIn finds a calendar by its code, whose slash may be a hyphen.
func calendarIn(set *calendar.Set, code string) (*calendar.Calendar, error) {
	c, err := set.Get(code)
	if err == nil {
		return c, nil
	}
	if c, err := set.Get(strings.ReplaceAll(code, "-", "/")); err == nil {
		return c, nil
	}
	return nil, fault.Newf(fault.NotFound, "no calendar %q", clip(code)).WithHint("GET /api/calendars lists them")
}

func (s *service) getCalendar(r *request) (reply, error) {
	c, err := s.calendar(r)
	if err != nil {
		return reply{}, err
	}
	counts, err := s.overrideCounts(r)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.CalendarOf(c, counts[c.Code()])}, nil
}

func (s *service) listMarketSessions(r *request) (reply, error) {
	c, err := s.calendar(r)
	if err != nil {
		return reply{}, err
	}
	if name := r.query.text("timezone"); name != "" {
		zone, err := schedule.LoadZone(name)
		if err != nil {
			return reply{}, fault.From(err).At("query/timezone", string(fault.ZoneUnknown), fault.From(err).Detail)
		}
		c = c.In(zone)
	}
	first, err := r.day("from", s.Clock.Now().In(c.Location()))
	if err != nil {
		return reply{}, err
	}
	last, err := r.day("to", time.Date(first.Year()+1, first.Month(), first.Day(), 0, 0, 0, 0, time.UTC))
	if err != nil {
		return reply{}, err
	}
	from, to := calendar.DateOf(first), calendar.DateOf(last)
	switch {
	case to < from:
		return reply{}, fault.New(fault.InvalidParameter, "the period ends before it begins").At("query/to", "out_of_range", "must not be before from")
	case to-from > maxSessionDays:
		return reply{}, fault.New(fault.InvalidParameter, "the period is longer than 20 years").At("query/to", "out_of_range", "must be 20 years after from at most")
	}
	out := wire.CalendarSessions{Items: []wire.CalendarSession{}, Closed: []wire.CalendarClosure{}}
	for x := range c.Sessions(from, to) {
		out.Items = append(out.Items, wire.CalendarSessionOf(x))
	}
	for d := from; d <= to; d++ {
		if reason := c.Reason(d); reason != "" && reason != calendar.DayOff && !c.IsSession(d) {
			out.Closed = append(out.Closed, wire.CalendarClosure{Date: d.String(), Reason: reason, Verified: c.Verified(d)})
		}
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// overridden is a calendar before and after a change of its overrides.
type overridden struct {
	code          string
	before, after *calendar.Calendar
	stored        []store.Override
	dates         []calendar.Date // whose overrides come, change or go
	kept          int             // overrides after the change
}

// overriding finds the calendar that the path names and what is stored of it.
func (s *service) overriding(r *request) (*calendar.Calendar, overridden, error) {
	set, err := s.Calendars.Shipped()
	if err != nil {
		return nil, overridden{}, err
	}
	bare, err := calendarIn(set, r.PathValue("mic"))
	if err != nil {
		return nil, overridden{}, err
	}
	o := overridden{code: bare.Code()}
	if o.before, err = s.calendar(r); err != nil {
		return nil, o, err
	}
	all, err := s.Store.Calendars.Overrides(r.Context(), r.tenant())
	for _, x := range all.List {
		if x.Calendar == o.code {
			o.stored = append(o.stored, x)
		}
	}
	return bare, o, err
}

// apply works out what the calendar is with some of the stored overrides and a new
// list.
func (o *overridden) apply(bare *calendar.Calendar, keep func(calendar.Date) bool, list []calendar.Override) error {
	var kept []calendar.Override
	replaced := map[calendar.Date]bool{}
	for _, x := range list {
		o.dates = append(o.dates, x.Date)
		replaced[x.Date] = true
	}
	for _, x := range o.stored {
		switch {
		case replaced[x.Date]:
		case keep(x.Date):
			kept = append(kept, x.Override)
		default:
			o.dates = append(o.dates, x.Date)
		}
	}
	slices.Sort(o.dates)
	o.dates = slices.Compact(o.dates)
	var err error
	// The new ones first and alone: faults count their places.
	if o.after, err = bare.With(list); err != nil {
		return err
	}
	// What was stored earlier and fits no more is passed over, as in every look.
	if whole, err := bare.With(kept); err == nil {
		bare = whole
	} else {
		for _, x := range kept {
			if next, err := bare.With([]calendar.Override{x}); err == nil {
				bare = next
			}
		}
	}
	o.kept = len(kept) + len(list)
	o.after, err = bare.With(list)
	return err
}

// reply tells what has changed.
func (o *overridden) reply() reply { return reply{Status: http.StatusOK, Body: o.change(false)} }

// change tells which sessions change.
func (o *overridden) change(dry bool) wire.CalendarChange {
	out := wire.CalendarChange{Mic: o.code, DryRun: dry, Overrides: o.kept, Changes: []wire.SessionChange{}}
	for _, d := range o.dates {
		for _, c := range calendar.Diff(o.before, o.after, d, d) {
			out.Changes = append(out.Changes, wire.SessionChangeOf(c))
		}
	}
	return out
}

// previewOverrides tells what a change would do that is not made.
func (s *service) previewOverrides(r *request, o *overridden) (reply, error) {
	fires, err := s.fireChanges(r, o)
	if err != nil {
		return reply{}, err
	}
	out := o.change(true)
	out.Fires = fires
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) listOverrides(r *request) (reply, error) {
	_, o, err := s.overriding(r)
	if err != nil {
		return reply{}, err
	}
	out := wire.CalendarOverrideList{Items: []wire.CalendarOverride{}}
	for _, x := range o.stored {
		out.Items = append(out.Items, wire.CalendarOverrideOf(x))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// readOverrides reads the body: JSON, CSV or iCal, and says which it was.
func readOverrides(r *request, c *calendar.Calendar) ([]calendar.Override, string, error) {
	switch {
	case r.media != "":
		source := strings.TrimPrefix(strings.Replace(r.media, "calendar", "ical", 1), "text/")
		if ical := strings.HasPrefix(strings.ToUpper(strings.TrimLeft(string(r.body[:min(len(r.body), 200)]), "\ufeff \t\r\n")), "BEGIN:VCALENDAR"); ical != (source == "ical") {
			return nil, source, fault.Newf(fault.InvalidInput, "the body is not what its content type %s says", r.media).
				At("header/Content-Type", "mismatch", "must be text/calendar for iCal and text/csv for CSV")
		}
		list, err := calendar.ReadOverrides("body", r.body, c)
		return list, source, err
	case !isList(r.body):
		var in wire.CalendarOverrideInput
		if err := r.decode(&in); err != nil {
			return nil, "", err
		}
		o, err := in.Override()
		if err != nil {
			err = fault.New(fault.InvalidInput, err.Error()).At("/date", "format", err.Error())
		}
		return []calendar.Override{o}, "json", err
	}
	var list []wire.CalendarOverrideInput
	if err := r.decode(&list); err != nil {
		return nil, "", err
	}
	out := make([]calendar.Override, 0, len(list))
	for i, in := range list {
		o, err := in.Override()
		if err != nil {
			return nil, "", fault.New(fault.InvalidInput, err.Error()).At("/"+itoa(i)+"/date", "format", err.Error())
		}
		out = append(out, o)
	}
	return out, "json", nil
}

func (s *service) putOverrides(r *request) (reply, error) {
	bare, o, err := s.overriding(r)
	if err != nil {
		return reply{}, err
	}
	list, source, err := readOverrides(r, bare)
	if err != nil {
		return reply{}, err
	}
	merge := r.query.flag("merge")
	if err := o.apply(bare, func(calendar.Date) bool { return merge }, list); err != nil {
		return reply{}, err
	}
	if r.query.flag("dry_run") {
		return s.previewOverrides(r, &o)
	}
	entry, err := s.record(r, change{
		Action: audit.CalendarOverride, Object: o.code, Name: bare.Name(), After: list,
		Detail: map[string]string{"dates": itoa(len(o.dates)), "overrides": itoa(o.kept), "source": source},
	})
	if err != nil {
		return reply{}, err
	}
	if _, err := s.Store.Calendars.Put(r.Context(), store.PutOverrides{
		Tenant: r.tenant(), Calendar: o.code, List: list, Replace: !merge, Source: source, By: r.principal.Name, At: s.now(), Audit: entry,
	}); err != nil {
		return reply{}, err
	}
	return o.reply(), nil
}

func (s *service) deleteOverrides(r *request) (reply, error) {
	bare, o, err := s.overriding(r)
	if err != nil {
		return reply{}, err
	}
	var dates []calendar.Date
	for _, text := range r.query["date"] {
		d, err := calendar.ParseDate(text)
		if err != nil {
			return reply{}, fault.New(fault.InvalidParameter, err.Error()).At("query/date", "format", "must be dates such as 2026-12-24")
		}
		dates = append(dates, d)
	}
	if err := o.apply(bare, func(d calendar.Date) bool { return dates != nil && !slices.Contains(dates, d) }, nil); err != nil {
		return reply{}, err
	}
	if len(o.dates) == 0 {
		return reply{}, fault.Newf(fault.NotFound, "the calendar %s has no such override", o.code)
	}
	if r.query.flag("dry_run") {
		return s.previewOverrides(r, &o)
	}
	entry, err := s.record(r, change{
		Action: audit.CalendarOverride, Object: o.code, Name: bare.Name(),
		Detail: map[string]string{"dates": itoa(len(o.dates)), "overrides": itoa(o.kept), "source": "removed"},
	})
	if err != nil {
		return reply{}, err
	}
	if _, err := s.Store.Calendars.Delete(r.Context(), store.DeleteOverrides{Tenant: r.tenant(), Calendar: o.code, Dates: dates, Audit: entry}); err != nil {
		return reply{}, err
	}
	return o.reply(), nil
}
