package schedule

import (
	"fmt"
	"time"
)

const daySeconds = 24 * 60 * 60

// The instants that searches stay within, as Unix seconds: the years 1 to 9999,
// which is what RFC 3339 can write.
const (
	minInstant = -62135596800
	maxInstant = 253402300799
)

// Date is a day of the proleptic Gregorian calendar, as days since 1970-01-01.
// Dates compare and add as numbers.
type Date int

// DateIn returns the date that a clock in zone shows at t.
func DateIn(t time.Time, zone *time.Location) Date {
	_, offset := t.In(zone).Zone()
	return Date(floorDiv(t.Unix()+int64(offset), daySeconds))
}

// Civil returns the year, month and day of the month.
func (d Date) Civil() (int, time.Month, int) {
	y, m, day := civil(int64(d))
	return y, time.Month(m), day
}

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return time.Weekday(weekday(int64(d))) }

// String writes the date as 2026-01-31.
func (d Date) String() string {
	y, m, day := civil(int64(d))
	return fmt.Sprintf("%04d-%02d-%02d", y, m, day)
}

// LocalTime is what a clock on the wall shows, in whole seconds since
// 1970-01-01 00:00:00 of that same clock. It names an instant only together
// with a zone, and some name none or two.
type LocalTime int64

// ParseLocal reads "2026-03-29T02:30" or "2026-03-29 02:30:15".
func ParseLocal(text string) (LocalTime, error) {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, text); err == nil && t.Nanosecond() == 0 {
			return LocalTime(t.Unix()), nil
		}
	}
	return 0, fmt.Errorf("%q is not a local time such as 2026-03-29T02:30", text)
}

// LocalOf makes the local time of a date and the seconds since its midnight.
func LocalOf(d Date, seconds int) LocalTime {
	return LocalTime(int64(d)*daySeconds + int64(seconds))
}

// Date returns the day of the local time.
func (l LocalTime) Date() Date { return Date(floorDiv(int64(l), daySeconds)) }

// String writes the local time as 2026-03-29T02:30:00.
func (l LocalTime) String() string {
	return time.Unix(int64(l), 0).UTC().Format("2006-01-02T15:04:05")
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// weekday returns 0 for Sunday. Day 0 was a Thursday.
func weekday(day int64) int {
	w := int((day + 4) % 7)
	if w < 0 {
		w += 7
	}
	return w
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func monthLength(year, month int) int {
	switch month {
	case 2:
		if leap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// A year is counted from March here, so that the leap day is its last one and
// the lengths of the months before any month are linear: (153*m+2)/5 days lie
// before the m-th month from March.
const (
	eraDays  = 146097 // of 400 years
	eraShift = 719468 // days from 0000-03-01 to 1970-01-01
)

// civil returns year, month 1-12 and day 1-31 of a day number.
func civil(day int64) (year, month, dayOfMonth int) {
	day += eraShift
	era := floorDiv(day, eraDays)
	inEra := int(day - era*eraDays)
	y := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	inYear := inEra - (365*y + y/4 - y/100)
	m := (5*inYear + 2) / 153
	dayOfMonth = inYear - (153*m+2)/5 + 1
	month = m + 3
	year = y + int(era)*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, dayOfMonth
}

// dayNumber is the inverse of civil.
func dayNumber(year, month, dayOfMonth int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(int64(year), 400)
	y := year - int(era)*400
	inYear := (153*(month-3)+2)/5 + dayOfMonth - 1
	return era*eraDays + int64(y*365+y/4-y/100+inYear) - eraShift
}
