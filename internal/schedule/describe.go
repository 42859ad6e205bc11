package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Language is one that Describe knows.
type Language string

// The languages.
const (
	English Language = "en"
	Korean  Language = "ko"
)

// tongue is how a language says the parts of a schedule.
type tongue interface {
	cron(c *Cron) string
	interval(s IntervalSpec) string
	at(times []string, more int) string
	event(s EventSpec) string
	on(s OnSpec) string
	reboot() string
	unreadable(expression string) string
	// constraints says the rest of a spec, one element for each.
	constraints(s Spec) []string
	// also stands between the parts of a union.
	also() string
}

// Describe says in a line what a spec means, for people. An unknown language is
// English. The wording may change between versions.
func Describe(s Spec, language Language) string {
	var in tongue = english{}
	if language == Korean {
		in = korean{}
	}
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	var text string
	switch s.Kind {
	case KindCron:
		var parts []string
		for _, expression := range s.Cron.Expressions {
			parts = append(parts, describeCron(in, s, expression))
		}
		text = strings.Join(parts, in.also())
	case KindInterval:
		text = in.interval(s.Interval)
	case KindAt:
		text = describeAt(in, s, zone)
	case KindEvent:
		text = in.event(s.Event)
	case KindOn:
		text = in.on(s.On)
	}
	if s.Kind == KindCron || s.Kind == KindAt {
		text += " (" + zone.String() + ")"
	}
	return strings.Join(append([]string{text}, in.constraints(s)...), "; ")
}

func describeCron(in tongue, s Spec, text string) string {
	e, err := Parse(text, Options{Dialect: s.Cron.Dialect, HashSeed: s.Cron.HashSeed})
	switch {
	case err != nil:
		return in.unreadable(text)
	case e.Cron != nil:
		return in.cron(e.Cron)
	case e.Reboot:
		return in.reboot()
	}
	return in.interval(IntervalSpec{Every: e.Every})
}

// describeAt names the first three times.
func describeAt(in tongue, s Spec, zone *time.Location) string {
	var times []string
	for _, l := range s.At.Locals {
		times = append(times, strings.TrimSuffix(strings.Replace(l.String(), "T", " ", 1), ":00"))
	}
	for _, t := range s.At.Instants {
		times = append(times, moment(t.In(zone)))
	}
	slices.Sort(times)
	return in.at(times[:min(3, len(times))], max(0, len(times)-3))
}

func moment(t time.Time) string {
	return strings.TrimSuffix(t.Format("2006-01-02 15:04:05"), ":00")
}

// clockTimes returns the times of day of an expression that names at most six.
func (c *Cron) clockTimes() ([]string, bool) {
	var seconds []int
	if l := c.lists[secondField]; l != nil {
		if seconds = l.values(); seconds == nil {
			return nil, false
		}
	} else {
		seconds = []int{0}
	}
	hours, minutes := c.lists[hourField].values(), c.lists[minuteField].values()
	if n := len(hours) * len(minutes) * len(seconds); n == 0 || n > 6 {
		return nil, false
	}
	var times []string
	for _, h := range hours {
		for _, m := range minutes {
			for _, s := range seconds {
				text := fmt.Sprintf("%02d:%02d", h, m)
				if len(seconds) > 1 || s != 0 {
					text += fmt.Sprintf(":%02d", s)
				}
				times = append(times, text)
			}
		}
	}
	return times, true
}

// values returns the numbers of a list that holds nothing else, in order; nil
// otherwise.
func (l list) values() []int {
	var values []int
	for _, i := range l {
		if i.kind != valueItem {
			return nil
		}
		values = append(values, i.a)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// zero tells whether a list is just 0, or was not written.
func (l list) zero() bool { return l == nil || len(l) == 1 && l[0] == item{kind: valueItem} }

// stepped returns n if the list is exactly */n.
func (l list) stepped() int {
	if len(l) == 1 && l[0].kind == allItem {
		return l[0].step
	}
	return 0
}

// wholeHours returns the bounds if the list is one range of hours.
func (l list) wholeHours() (from, to int, ok bool) {
	if len(l) == 1 && l[0].kind == spanItem && l[0].step <= 1 {
		return l[0].a, l[0].b, true
	}
	if v := l.values(); len(v) == 1 {
		return v[0], v[0], true
	}
	return 0, 0, false
}

// durationParts splits a duration into days, hours, minutes and seconds.
func durationParts(d time.Duration) (parts [4]int, ms int) {
	for n, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		parts[n] = int(d / unit)
		d %= unit
	}
	return parts, int(d / time.Millisecond)
}
