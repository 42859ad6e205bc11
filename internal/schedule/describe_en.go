package schedule

import (
	"fmt"
	"strings"
	"time"
)

// english is the tongue of Describe's lines in English.
type english struct{}

func (english) also() string   { return "; also " }
func (english) reboot() string { return "once at each start of the server" }
func (english) unreadable(text string) string {
	return fmt.Sprintf("%q, which is no cron expression", text)
}

func (e english) cron(c *Cron) string {
	parts := []string{e.time(c)}
	dom, dow := c.lists[domField], c.lists[dowField]
	switch {
	case dom.unrestricted() && dow.unrestricted():
		if !c.lists[hourField].unrestricted() {
			parts = append(parts, "every day")
		}
	case dow.unrestricted():
		parts = append(parts, "on "+e.dom(dom))
	case dom.unrestricted():
		parts = append(parts, "on "+e.dow(dow))
	case c.and:
		parts = append(parts, "on "+e.dom(dom)+" if it is "+e.dow(dow))
	default:
		parts = append(parts, "on "+e.dom(dom)+" or on "+e.dow(dow))
	}
	if months := c.lists[monthField]; !months.unrestricted() {
		parts = append(parts, "in "+e.list(months, "month", func(n int) string { return time.Month(n).String() }))
	}
	if years := c.lists[yearField]; years != nil {
		if years.unrestricted() {
			parts = append(parts, "from 1970 to 2199")
		} else {
			parts = append(parts, "in "+e.list(years, "year", func(n int) string { return fmt.Sprint(n) }))
		}
	}
	return strings.Join(parts, " ")
}

// time says when on a day.
func (e english) time(c *Cron) string {
	if times, ok := c.clockTimes(); ok {
		return "at " + e.join(times, "and")
	}
	seconds, minutes, hours := c.lists[secondField], c.lists[minuteField], c.lists[hourField]
	var parts []string
	if !seconds.zero() {
		parts = append(parts, e.unit(seconds, "second"))
	}
	// "Every second" of every minute needs no minute; a zero second with a
	// minute neither.
	if seconds.zero() || !minutes.unrestricted() {
		text := e.unit(minutes, "minute")
		if n := minutes.stepped(); n > 1 && len(parts) > 0 {
			text = "of every " + ordinal(n) + " minute"
		} else if len(parts) > 0 {
			text = "of " + strings.TrimPrefix(strings.TrimPrefix(text, "at "), "of ")
		}
		parts = append(parts, text)
	} else if !seconds.wild() {
		parts = append(parts, "of every minute")
	}
	from, to, ranged := hours.wholeHours()
	switch {
	case hours.unrestricted():
		if !minutes.wild() {
			parts = append(parts, "of every hour")
		}
	case ranged && minutes.wild():
		parts = append(parts, fmt.Sprintf("from %02d:00 to %02d:59", from, to))
	case hours.stepped() > 1:
		parts = append(parts, fmt.Sprintf("of every %s hour from 00:00", ordinal(hours.stepped())))
	case len(hours.values()) == 1:
		parts = append(parts, fmt.Sprintf("of hour %d", hours[0].a))
	case len(hours) == 1 && hours[0].step > 1:
		parts = append(parts, "of "+e.list(hours, "hour", func(n int) string { return fmt.Sprint(n) }))
	default:
		parts = append(parts, "of the hours "+e.list(hours, "hour", func(n int) string { return fmt.Sprint(n) }))
	}
	return strings.Join(parts, " ")
}

// unit says a list of seconds or minutes.
func (e english) unit(l list, name string) string {
	switch n := l.stepped(); {
	case l.unrestricted() || n == 1:
		return "every " + name
	case n > 1 && 60%n == 0:
		return fmt.Sprintf("every %d %ss", n, name)
	case n > 1:
		return fmt.Sprintf("every %d %ss from %s 0", n, name, name)
	}
	if v := l.values(); len(v) == 1 {
		return fmt.Sprintf("at %s %d", name, v[0])
	}
	if len(l) == 1 && l[0].step > 1 {
		return "at " + e.list(l, name, func(n int) string { return fmt.Sprint(n) })
	}
	return "at " + name + "s " + e.list(l, name, func(n int) string { return fmt.Sprint(n) })
}

// list says plain numbers, ranges and steps.
func (e english) list(l list, unit string, name func(int) string) string {
	var parts []string
	for _, i := range l {
		switch {
		case i.kind == allItem && i.step <= 1:
			parts = append(parts, "every "+unit)
		case i.kind == allItem:
			parts = append(parts, fmt.Sprintf("every %s %s", ordinal(i.step), unit))
		case i.kind == spanItem && i.step > 1:
			parts = append(parts, fmt.Sprintf("every %s %s from %s to %s", ordinal(i.step), unit, name(i.a), name(i.b)))
		case i.kind == spanItem && i.a != i.b:
			parts = append(parts, name(i.a)+" to "+name(i.b))
		default:
			parts = append(parts, name(i.a))
		}
	}
	return e.join(parts, "and")
}

// dom says the days of the month.
func (e english) dom(l list) string {
	var parts []string
	for _, i := range l {
		switch i.kind {
		case lastItem:
			if i.a == 0 {
				parts = append(parts, "the last day")
			} else {
				parts = append(parts, "the "+ordinal(i.a)+" day before the last")
			}
		case lastWeekday:
			if i.a == 0 {
				parts = append(parts, "the last weekday")
			} else {
				parts = append(parts, "the weekday nearest to the "+ordinal(i.a)+" day before the last")
			}
		case nearItem:
			parts = append(parts, fmt.Sprintf("the weekday nearest to day %d", i.a))
		case spanItem:
			if i.step <= 1 && i.a != i.b {
				parts = append(parts, fmt.Sprintf("days %d to %d", i.a, i.b))
				continue
			}
			fallthrough
		case valueItem, allItem, nthItem, lastDowItem:
			parts = append(parts, e.list(list{i}, "day", func(n int) string { return fmt.Sprintf("day %d", n) }))
		}
	}
	return e.join(parts, "and") + " of the month"
}

// dow says the days of the week.
func (e english) dow(l list) string {
	day := func(n int) string { return time.Weekday(n % 7).String() }
	var parts []string
	for _, i := range l {
		switch i.kind {
		case nthItem:
			parts = append(parts, fmt.Sprintf("the %s %s of the month", ordinal(i.b), day(i.a)))
		case lastDowItem:
			parts = append(parts, "the last "+day(i.a)+" of the month")
		case allItem, valueItem, spanItem, lastItem, lastWeekday, nearItem:
			parts = append(parts, e.list(list{i}, "day of the week", day))
		}
	}
	return e.join(parts, "and")
}

func (english) join(parts []string, last string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " " + last + " " + parts[len(parts)-1]
}

func ordinal(n int) string {
	suffix := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

func (e english) duration(d time.Duration) string {
	parts, ms := durationParts(d)
	var words []string
	for n, unit := range []string{"day", "hour", "minute", "second"} {
		switch {
		case parts[n] == 1:
			words = append(words, "1 "+unit)
		case parts[n] > 1:
			words = append(words, fmt.Sprintf("%d %ss", parts[n], unit))
		}
	}
	if ms > 0 {
		words = append(words, fmt.Sprintf("%d ms", ms))
	}
	return strings.Join(words, " ")
}

func (e english) interval(s IntervalSpec) string {
	if s.Mode == AfterCompletion {
		return e.duration(s.Every) + " after the end of each run"
	}
	text := "every " + strings.TrimPrefix(e.duration(s.Every), "1 ")
	if parts, _ := durationParts(s.Every); parts[0]+parts[1]+parts[2]+parts[3] > 1 {
		text = "every " + e.duration(s.Every)
	}
	if !s.Anchor.IsZero() {
		text += ", counted from " + moment(s.Anchor.UTC()) + " UTC"
	}
	return text
}

func (e english) at(times []string, more int) string {
	if more > 0 {
		times = append(times, fmt.Sprintf("%d more times", more))
	}
	return "at " + e.join(times, "and")
}

func (e english) event(s EventSpec) string {
	if s.Every > 0 {
		text := "every " + e.duration(s.Every) + " from "
		if s.Offset != 0 {
			text += e.away(s.Offset) + " "
		}
		text += "the open to the close of each " + s.Calendar + " session"
		if s.DuringBreaks {
			return text + ", breaks included"
		}
		return text
	}
	names := map[Event]string{
		EventOpen: "the open of each %s session", EventClose: "the close of each %s session",
		EventBreakStart: "the start of each break of %s", EventBreakEnd: "the end of each break of %s",
		EventWeekStart: "the open of the week's first %s session", EventWeekEnd: "the close of the week's last %s session",
		EventMonthStart: "the open of the month's first %s session", EventMonthEnd: "the close of the month's last %s session",
		EventQuarterStart: "the open of the quarter's first %s session", EventQuarterEnd: "the close of the quarter's last %s session",
		EventYearStart: "the open of the year's first %s session", EventYearEnd: "the close of the year's last %s session",
	}
	name := fmt.Sprintf(names[s.Event], s.Calendar)
	if s.Offset == 0 {
		return "at " + name
	}
	return e.away(s.Offset) + " " + name
}

func (e english) away(d time.Duration) string {
	if d < 0 {
		return e.duration(-d) + " before"
	}
	return e.duration(d) + " after"
}

func (e english) on(s OnSpec) string {
	text := "when " + s.Event
	if s.Subject != "" {
		text += " of " + s.Subject
	}
	text += " happens"
	if s.Delay > 0 {
		text = e.duration(s.Delay) + " after " + strings.TrimSuffix(strings.TrimPrefix(text, "when "), " happens")
	}
	return text
}

func (e english) constraints(s Spec) []string {
	var parts []string
	if s.Calendar != "" {
		text := "only on open days of " + s.Calendar
		switch s.OnNonSession {
		case NextSession:
			text = "on the next open day of " + s.Calendar + " if it is none"
		case PreviousSession:
			text = "on the previous open day of " + s.Calendar + " if it is none"
		case SkipNominal:
		}
		parts = append(parts, text)
	}
	switch s.OnlyIn {
	case InSession:
		parts = append(parts, "only between open and close")
	case InRegularHours:
		parts = append(parts, "only in regular hours")
	case OutsideHours:
		parts = append(parts, "only outside of regular hours")
	case Anywhere:
	}
	var not []string
	for _, d := range s.Exclude.Dates {
		not = append(not, "on "+d.String())
	}
	for _, name := range s.Exclude.Calendars {
		not = append(not, "on open days of "+name)
	}
	for _, text := range s.Exclude.Cron {
		not = append(not, describeCron(e, s, text))
	}
	if len(not) > 0 {
		parts = append(parts, "not "+e.join(not, "and not"))
	}
	if !s.StartAt.IsZero() {
		parts = append(parts, "from "+moment(s.StartAt.UTC())+" UTC on")
	}
	if !s.EndAt.IsZero() {
		parts = append(parts, "until "+moment(s.EndAt.UTC())+" UTC")
	}
	return parts
}
