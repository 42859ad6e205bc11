package schedule

import (
	"sort"
	"strings"
	"time"
)

// interval yields anchor + k * every, in Unix milliseconds: elapsed time, which
// no change of a clock touches.
type interval struct {
	anchor, every int64
	zone          *time.Location
}

// Next implements source.
func (i interval) Next(t time.Time) (Nominal, bool) {
	return i.at(floorDiv(t.UnixMilli()-i.anchor, i.every) + 1)
}

// Prev implements source.
func (i interval) Prev(t time.Time) (Nominal, bool) {
	ms := t.UnixMilli() // rounded down
	if t.Nanosecond()%int(time.Millisecond) == 0 {
		ms--
	}
	return i.at(floorDiv(ms-i.anchor, i.every))
}

func (i interval) at(k int64) (Nominal, bool) {
	ms := i.anchor + k*i.every
	if ms < minInstant*1000 || ms > maxInstant*1000 {
		return Nominal{}, false
	}
	return Nominal{At: time.UnixMilli(ms).UTC(), Zone: i.zone}, true
}

// moments is a list of nominals in order.
type moments []Nominal

// Next implements source.
func (m moments) Next(t time.Time) (Nominal, bool) {
	n := sort.Search(len(m), func(n int) bool { return m[n].At.After(t) })
	if n == len(m) {
		return Nominal{}, false
	}
	return m[n], true
}

// Prev implements source.
func (m moments) Prev(t time.Time) (Nominal, bool) {
	n := sort.Search(len(m), func(n int) bool { return !m[n].At.Before(t) })
	if n == 0 {
		return Nominal{}, false
	}
	return m[n-1], true
}

// merged makes one of equal neighbours.
func (m moments) merged() moments {
	var out moments
	for _, n := range m {
		if last := len(out) - 1; last >= 0 && out[last].At.Equal(n.At) {
			out[last] = merge(out[last], n)
		} else {
			out = append(out, n)
		}
	}
	return out
}

// local returns the instants of a single local time: none if it does not exist
// and is not to be made up, two for DSTOverlap both.
func local(zone *time.Location, l LocalTime, dst DST) []Nominal {
	first, last, ok, madeUp := instants(zone, int64(l))
	nominal := func(u int64, marks Marks) Nominal {
		return Nominal{At: time.Unix(u, 0).UTC(), Zone: zone, Marks: marks}
	}
	switch {
	case !ok && (!madeUp || dst.Gap == GapSkip):
		return nil
	case !ok:
		return []Nominal{nominal(first, DSTMoved)}
	case first == last:
		return []Nominal{nominal(first, 0)}
	}
	switch dst.Overlap {
	case OverlapSecond:
		return []Nominal{nominal(last, DSTRepeated)}
	case OverlapBoth:
		return []Nominal{nominal(first, DSTRepeated), nominal(last, DSTRepeated)}
	case OverlapAuto, OverlapFirst:
	}
	return []Nominal{nominal(first, DSTRepeated)}
}

// minEvery is the shortest interval.
const minEvery = time.Second

// parseDuration reads 1h30m, and PT1H30M or P1DT2H of ISO 8601.
func parseDuration(text string) (time.Duration, bool) {
	upper := strings.ToUpper(text)
	if !strings.HasPrefix(upper, "P") {
		d, err := time.ParseDuration(strings.ToLower(text))
		return d, err == nil
	}
	days, rest, timed := strings.Cut(upper[1:], "T")
	var total time.Duration
	if days != "" {
		n, ok := number(strings.TrimSuffix(days, "D"))
		if !ok || !strings.HasSuffix(days, "D") || n > 36500 {
			return 0, false
		}
		total = time.Duration(n) * 24 * time.Hour
	}
	if timed {
		d, err := time.ParseDuration(strings.ToLower(rest))
		// ParseDuration takes units in any order and below a second, ISO does not.
		if err != nil || rest == "" || strings.Trim(rest, "0123456789.HMS") != "" || strings.HasSuffix(rest, "MS") || d > 36500*24*time.Hour {
			return 0, false
		}
		total += d
	}
	return total, total > 0
}
