package schedule

import "math/bits"

// horizonMonths bounds a search for a date. The Gregorian calendar, weekdays
// included, repeats after 400 years: what does not occur in them never does.
const horizonMonths = 400*12 + 1

// clockwork is what an expression asks of a local time, as sets of bits. The
// search works on it alone: no zone, no walking over seconds.
type clockwork struct {
	seconds, minutes uint64
	hours            uint32
	months           uint16
	// days holds, for each length of a month (28 to 31) and weekday of its
	// first day, the days of the month that match. Whatever a date field can say
	// depends on these two only.
	days [4][7]uint32
	// years counts from firstYear; everyYear tells that there is no year field.
	years     [4]uint64
	everyYear bool
	// first and last are the bounds of the matching seconds of a day.
	first, last int
}

const firstYear, lastYear = 1970, 2199

// settle computes first and last.
func (w *clockwork) settle() {
	w.first = low(uint64(w.hours))*3600 + low(w.minutes)*60 + low(w.seconds)
	w.last = high(uint64(w.hours))*3600 + high(w.minutes)*60 + high(w.seconds)
}

func low(set uint64) int  { return bits.TrailingZeros64(set) }
func high(set uint64) int { return 63 - bits.LeadingZeros64(set) }

// from returns the smallest member of set that is at least n; 64 if there is none.
func from(set uint64, n int) int {
	if n > 63 {
		return 64
	}
	return bits.TrailingZeros64(set &^ (1<<n - 1))
}

// upTo returns the largest member of set that is at most n; -1 if there is none.
func upTo(set uint64, n int) int {
	if n < 0 {
		return -1
	}
	return high(set & (1<<(n+1) - 1))
}

func (w *clockwork) hasYear(y int) bool {
	if w.everyYear {
		return true
	}
	if y < firstYear || y > lastYear {
		return false
	}
	return w.years[(y-firstYear)/64]>>((y-firstYear)%64)&1 == 1
}

// monthDays returns the matching days of a month; bit 1 is the first day.
func (w *clockwork) monthDays(year, month, firstWeekday int) uint64 {
	if w.months>>month&1 == 0 {
		return 0
	}
	return uint64(w.days[monthLength(year, month)-28][firstWeekday])
}

// onDay tells whether the date matches.
func (w *clockwork) onDay(day int64) bool {
	y, m, d := civil(day)
	return w.hasYear(y) && w.monthDays(y, m, weekday(day-int64(d)+1))>>d&1 == 1
}

// timeFrom returns the first matching second of a day at or after second.
func (w *clockwork) timeFrom(second int) (int, bool) {
	h, m, s := second/3600, second/60%60, second%60
	if w.hours>>h&1 == 1 {
		if w.minutes>>m&1 == 1 {
			if s = from(w.seconds, s); s < 60 {
				return h*3600 + m*60 + s, true
			}
		}
		if m = from(w.minutes, m+1); m < 60 {
			return h*3600 + m*60 + low(w.seconds), true
		}
	}
	if h = from(uint64(w.hours), h+1); h < 24 {
		return h*3600 + w.first%3600, true
	}
	return 0, false
}

// timeUpTo returns the last matching second of a day at or before second.
func (w *clockwork) timeUpTo(second int) (int, bool) {
	h, m, s := second/3600, second/60%60, second%60
	if w.hours>>h&1 == 1 {
		if w.minutes>>m&1 == 1 {
			if s = upTo(w.seconds, s); s >= 0 {
				return h*3600 + m*60 + s, true
			}
		}
		if m = upTo(w.minutes, m-1); m >= 0 {
			return h*3600 + m*60 + high(w.seconds), true
		}
	}
	if h = upTo(uint64(w.hours), h-1); h >= 0 {
		return h*3600 + w.last%3600, true
	}
	return 0, false
}

// next returns the first matching local time at or after l, within 400 years.
func (w *clockwork) next(l int64) (int64, bool) {
	day := floorDiv(l, daySeconds)
	if w.onDay(day) {
		if s, ok := w.timeFrom(int(l - day*daySeconds)); ok {
			return day*daySeconds + int64(s), true
		}
	}
	day, ok := w.dayFrom(day + 1)
	return day*daySeconds + int64(w.first), ok
}

// prev returns the last matching local time at or before l, within 400 years.
func (w *clockwork) prev(l int64) (int64, bool) {
	day := floorDiv(l, daySeconds)
	if w.onDay(day) {
		if s, ok := w.timeUpTo(int(l - day*daySeconds)); ok {
			return day*daySeconds + int64(s), true
		}
	}
	day, ok := w.dayUpTo(day - 1)
	return day*daySeconds + int64(w.last), ok
}

// dayFrom returns the first matching day at or after day.
func (w *clockwork) dayFrom(day int64) (int64, bool) {
	y, m, d := civil(day)
	if !w.everyYear && y < firstYear {
		y, m, d = firstYear, 1, 1
		day = dayNumber(y, m, d)
	}
	first := day - int64(d) + 1 // of the month
	for range horizonMonths {
		if !w.everyYear && y > lastYear {
			return 0, false
		}
		if w.hasYear(y) {
			if d = from(w.monthDays(y, m, weekday(first)), d); d < 32 {
				return first + int64(d) - 1, true
			}
		}
		first += int64(monthLength(y, m))
		if d, m = 1, m+1; m > 12 {
			y, m = y+1, 1
		}
	}
	return 0, false
}

// dayUpTo returns the last matching day at or before day.
func (w *clockwork) dayUpTo(day int64) (int64, bool) {
	y, m, d := civil(day)
	if !w.everyYear && y > lastYear {
		y, m, d = lastYear, 12, 31
		day = dayNumber(y, m, d)
	}
	first := day - int64(d) + 1 // of the month
	for range horizonMonths {
		if !w.everyYear && y < firstYear {
			return 0, false
		}
		if w.hasYear(y) {
			if d = upTo(w.monthDays(y, m, weekday(first)), d); d > 0 {
				return first + int64(d) - 1, true
			}
		}
		if d, m = 31, m-1; m < 1 {
			y, m = y-1, 12
		}
		first -= int64(monthLength(y, m))
	}
	return 0, false
}
