package schedule

import "time"

const (
	// reach is longer, in seconds, than any change of a clock: local times more
	// than this away from each other are in the order of their instants.
	reach = 32 * 3600
	// maxOffset is more than any zone is away from UTC.
	maxOffset = 16 * 3600
	// maxMadeUp is the longest gap whose times fire after it. A longer one is no
	// daylight saving but a country that changed its zone.
	maxMadeUp = 3 * 3600
)

// span is a stretch of instants, from start up to but without end, in which
// the clock has one offset to UTC. Neighbours may have the same offset.
type span struct {
	start, end int64
	offset     int64
}

func spanAt(zone *time.Location, u int64) span {
	if zone == time.UTC {
		return span{minInstant - reach, maxInstant + reach, 0}
	}
	t := time.Unix(u, 0).In(zone)
	_, offset := t.Zone()
	s := span{minInstant - reach, maxInstant + reach, int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		s.start = max(s.start, start.Unix())
	}
	if !end.IsZero() {
		s.end = min(s.end, end.Unix())
	}
	// Beyond the last change in its table, package time cuts spans at the ends of
	// years and takes all years for 365 days: on December 31 of a leap year the
	// end is a day in the past.
	if s.end <= u {
		s.end += daySeconds
	}
	s.start, s.end = min(s.start, u), max(s.end, u+1)
	return s
}

// earlier tells whether local time l, which occurs at instant v in s, occurs
// before v too.
func (s span) earlier(zone *time.Location, l, v int64) bool {
	for start := s.start; v-start < reach && start > minInstant; {
		before := spanAt(zone, start-1)
		if w := l - before.offset; w >= before.start && w < start {
			return true
		}
		start = before.start
	}
	return false
}

// later tells whether local time l, which occurs at instant v in s, occurs
// after v too.
func (s span) later(zone *time.Location, l, v int64) bool {
	for end := s.end; end-v < reach && end < maxInstant; {
		after := spanAt(zone, end)
		if w := l - after.offset; w >= end && w < after.end {
			return true
		}
		end = after.end
	}
	return false
}

// instants returns the first and the last instant at which zone's clocks show
// l. If they never do, ok is false and both are the first instant after the
// gap, provided that the gap may be made up.
func instants(zone *time.Location, l int64) (first, last int64, ok, madeUp bool) {
	u := l - maxOffset
	for u <= l+maxOffset {
		s := spanAt(zone, u)
		if v := l - s.offset; v >= s.start && v < s.end {
			if !ok {
				first = v
			}
			last, ok = v, true
		}
		u = s.end
	}
	if ok {
		return first, last, true, false
	}
	for u = l - maxOffset; u <= l+maxOffset; {
		s := spanAt(zone, u)
		before := spanAt(zone, s.start-1)
		if gap := s.offset - before.offset; l >= s.start+before.offset && l < s.start+s.offset {
			return s.start, s.start, false, gap <= maxMadeUp
		}
		u = s.end
	}
	return 0, 0, false, false
}

// keep decides about local time l that occurs at instant v in s: whether the
// expression fires there, and whether it occurs more than once.
func (c *Cron) keep(s span, l, v int64) (repeated, fires bool) {
	if v-s.start >= reach && s.end-v >= reach {
		return false, true
	}
	earlier, later := s.earlier(c.zone, l, v), s.later(c.zone, l, v)
	switch c.overlap() {
	case OverlapFirst:
		return earlier || later, !earlier
	case OverlapSecond:
		return earlier || later, !later
	case OverlapAuto, OverlapBoth:
	}
	return earlier || later, true
}

func (c *Cron) overlap() DSTOverlap {
	if c.dst.Overlap == OverlapAuto {
		if c.wild {
			return OverlapBoth
		}
		return OverlapFirst
	}
	return c.dst.Overlap
}

// madeUp tells whether times that the clock leaves out where s begins fire
// there.
func (c *Cron) madeUp(s span) bool {
	if c.wild || c.dst.Gap == GapSkip || s.start <= minInstant {
		return false
	}
	before := spanAt(c.zone, s.start-1)
	if gap := s.offset - before.offset; gap <= 0 || gap > maxMadeUp {
		return false
	}
	end := s.start + s.offset
	for l, ok := c.next(s.start + before.offset); ok && l < end; l, ok = c.next(l + 1) {
		// Clocks that were changed twice within hours may show l after all.
		if !before.earlier(c.zone, l, s.start) && !s.later(c.zone, l, s.start) {
			return true
		}
	}
	return false
}

// movesTo tells whether a gap ends at t whose times fire there.
func (c *Cron) movesTo(t time.Time) bool {
	s := spanAt(c.zone, t.Unix())
	return s.start == t.Unix() && c.madeUp(s)
}

// nextInstant returns the first instant from u on, as Unix seconds, at which
// the expression fires.
func (c *Cron) nextInstant(u int64) (int64, Marks, bool) {
	for u = max(u, minInstant); u <= maxInstant; {
		s := spanAt(c.zone, u)
		if u == s.start && c.madeUp(s) {
			return u, DSTMoved, true
		}
		l, ok := c.next(u + s.offset)
		if v := l - s.offset; ok && v < s.end {
			repeated, fires := c.keep(s, l, v)
			if fires {
				return v, repeatedMark(repeated), v <= maxInstant
			}
			u = v + 1
			continue
		}
		// Nothing fires in the rest of s. Where clocks change often, look at each
		// stretch; otherwise all that lies before l by more than an offset cannot
		// match either, because it is later than the local time asked for.
		if s.end-u < reach {
			u = s.end
		} else if !ok {
			return 0, 0, false
		} else {
			u = max(s.end, l-maxOffset)
		}
	}
	return 0, 0, false
}

// prevInstant returns the last instant up to u, as Unix seconds, at which the
// expression fires.
func (c *Cron) prevInstant(u int64) (int64, Marks, bool) {
	for u = min(u, maxInstant); u >= minInstant; {
		s := spanAt(c.zone, u)
		l, ok := c.prev(u + s.offset)
		v := l - s.offset
		if ok && v >= s.start {
			repeated, fires := c.keep(s, l, v)
			if fires {
				marks := repeatedMark(repeated)
				if v == s.start && c.madeUp(s) {
					marks = DSTMoved
				}
				return v, marks, v >= minInstant
			}
			if v > s.start {
				u = v - 1
				continue
			}
		}
		if c.madeUp(s) {
			return s.start, DSTMoved, true
		}
		// As in nextInstant, towards the past.
		if ok && v >= s.start || u-s.start < reach {
			u = s.start - 1
		} else if !ok {
			return 0, 0, false
		} else {
			u = min(s.start-1, l+maxOffset)
		}
	}
	return 0, 0, false
}

func repeatedMark(repeated bool) Marks {
	if repeated {
		return DSTRepeated
	}
	return 0
}
