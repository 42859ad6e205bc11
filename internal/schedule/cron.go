package schedule

import (
	"strings"
	"time"
)

// Cron is a compiled cron expression in a zone. It is immutable and safe for
// concurrent use.
type Cron struct {
	clockwork
	lists [fieldCount]list // nil for seconds and year that were not written
	and   bool             // the day of the month and of the week must both match
	wild  bool             // the second, minute or hour begins with "*"
	zone  *time.Location
	dst   DST
}

func newCron(lists [fieldCount]list, and bool, zone *time.Location, dst DST) *Cron {
	c := &Cron{lists: lists, and: and, zone: zone, dst: dst}
	c.seconds = 1
	if lists[secondField] != nil {
		c.seconds = lists[secondField].set(secondField)
		c.wild = lists[secondField].wild()
	}
	c.wild = c.wild || lists[minuteField].wild() || lists[hourField].wild()
	c.minutes = lists[minuteField].set(minuteField)
	c.hours = uint32(lists[hourField].set(hourField))
	c.months = uint16(lists[monthField].set(monthField))
	c.everyYear = lists[yearField] == nil
	lists[yearField].each(yearField, func(y int) { c.years[(y-firstYear)/64] |= 1 << ((y - firstYear) % 64) })
	dom, dow := lists[domField], lists[dowField]
	either := !and && !dom.unrestricted() && !dow.unrestricted()
	for n := range c.days {
		for first := range c.days[n] {
			inMonth, inWeek := dom.domSet(n+28, first), dow.dowSet(n+28, first)
			if either {
				c.days[n][first] = uint32(inMonth | inWeek)
			} else {
				c.days[n][first] = uint32(inMonth & inWeek)
			}
		}
	}
	c.settle()
	return c
}

// Next returns the first nominal strictly after t; false if there is none
// within 400 years or before the year 10000.
func (c *Cron) Next(t time.Time) (Nominal, bool) {
	u, marks, ok := c.nextInstant(t.Unix() + 1)
	if !ok {
		return Nominal{}, false
	}
	return Nominal{At: time.Unix(u, 0).UTC(), Zone: c.zone, Marks: marks}, true
}

// Prev returns the last nominal strictly before t; false if there is none
// within 400 years or after the year 0.
func (c *Cron) Prev(t time.Time) (Nominal, bool) {
	u := t.Unix()
	if t.Nanosecond() == 0 {
		u--
	}
	u, marks, ok := c.prevInstant(u)
	if !ok {
		return Nominal{}, false
	}
	return Nominal{At: time.Unix(u, 0).UTC(), Zone: c.zone, Marks: marks}, true
}

// Shows tells whether the clocks of the zone show at t a time that the fields
// name. An expression without seconds names whole minutes. Changes of the clock
// make no difference.
func (c *Cron) Shows(t time.Time) bool {
	_, offset := t.In(c.zone).Zone()
	l := t.Unix() + int64(offset)
	day := floorDiv(l, daySeconds)
	s := int(l - day*daySeconds)
	if c.lists[secondField] == nil {
		s -= s % 60
	}
	found, ok := c.timeFrom(s)
	return ok && found == s && c.onDay(day)
}

// Never tells whether no date at all matches the fields, as with February 30.
func (c *Cron) Never() bool {
	_, ok := c.dayFrom(dayNumber(firstYear, 1, 1))
	return !ok
}

// Zone returns the zone that the expression's times are local to.
func (c *Cron) Zone() *time.Location { return c.zone }

// String writes the expression in the standard dialect with as many fields as
// were given: names become numbers, H what it stands for, ? becomes *.
func (c *Cron) String() string {
	var fields []string
	for f, l := range c.lists {
		if l == nil {
			continue
		}
		text := l.String()
		if field(f) == dowField && c.and {
			text = "+" + text
		}
		fields = append(fields, text)
	}
	return strings.Join(fields, " ")
}
