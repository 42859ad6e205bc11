package calendar

import (
	"fmt"
	"time"
)

// Date is a day without zone: the number of days since 1970-01-01. The zero
// value is that day.
type Date int32

// The least and the greatest date that ParseDate reads.
const (
	minDate Date = -719162 // 0001-01-01
	maxDate Date = 2932896 // 9999-12-31
)

// NewDate returns a day of the Gregorian calendar. Days and months out of range
// carry over, as in time.Date.
func NewDate(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// DateOf returns the day that a clock in t's location shows.
func DateOf(t time.Time) Date { return NewDate(t.Date()) }

// ParseDate reads the form 2006-01-02 of a day that exists.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return 0, fmt.Errorf("%s is no date of the form 2006-01-02", quoted(s))
	}
	return DateOf(t), nil
}

func (d Date) midnight() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Split returns year, month and day.
func (d Date) Split() (int, time.Month, int) { return d.midnight().Date() }

// Year is the date's year.
func (d Date) Year() int { return d.midnight().Year() }

// Weekday is the date's day of the week.
func (d Date) Weekday() time.Weekday {
	return time.Weekday(((int(d)+4)%7 + 7) % 7) // 1970-01-01 was a Thursday
}

// String is the form 2006-01-02.
func (d Date) String() string { return d.midnight().Format(time.DateOnly) }

// At returns the instant at which clocks in loc show minute minutes after
// midnight of d; minute may be negative or beyond the day. Of a time that occurs
// twice it is the first; for one that the clocks leave out, it is the end of the
// gap.
func (d Date) At(minute int, loc *time.Location) time.Time {
	y, m, day := d.Split()
	t := time.Date(y, m, day, 0, minute, 0, 0, loc)
	// What the clocks show, written as if it were UTC, against what they should.
	_, offset := t.Zone()
	shown := t.Unix() + int64(offset)
	want := (int64(d)*1440 + int64(minute)) * 60
	start, end := t.ZoneBounds()
	switch {
	case shown < want:
		return end
	case shown > want:
		return start
	case start.IsZero():
		return t
	}
	_, before := start.Add(-time.Second).Zone()
	if first := t.Add(time.Duration(offset-before) * time.Second); before > offset && first.Before(start) {
		return first
	}
	return t
}

// easter returns Easter Sunday of the western churches (the anonymous
// Gregorian computus).
func easter(year int) Date {
	a, b, c := year%19, year/100, year%100
	h := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
	l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return NewDate(year, time.Month(n/31), n%31+1)
}

// orthodoxEaster returns Easter Sunday of the eastern churches (Meeus' Julian
// computus), as a Gregorian date.
func orthodoxEaster(year int) Date {
	a, b, c := year%4, year%7, year%19
	d := (19*c + 15) % 30
	e := (2*a + 4*b - d + 34) % 7
	n := d + e + 114
	return NewDate(year, time.Month(n/31), n%31+1+year/100-year/400-2)
}
