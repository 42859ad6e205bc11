package rank

import (
	"fmt"
	"strings"
)

// Before returns a rank strictly between lo and hi that is near to hi: behind
// every natural rank that is smaller than hi, so that jobs that were inserted
// earlier (or are being inserted right now) stay in front of it. lo may be "".
// Putting one before the other at the same end lengthens the rank with the
// logarithm of their number only. It panics if lo >= hi or hi is "".
func Before(lo, hi Rank) Rank {
	if hi == "" {
		panic("rank: before what?")
	}
	lo, hi = bounds(lo, hi)
	below, _ := gap(hi)
	return near(below, max(lo, below), hi)
}

// After returns a rank strictly between lo and hi that is near to lo: in front
// of every natural rank that is greater than lo, so that jobs that are inserted
// later go behind it. hi may be "". Putting one after the other at the same
// end lengthens the rank with the logarithm of their number only. It panics if
// lo >= hi or lo is "".
func After(lo, hi Rank) Rank {
	if lo == "" {
		panic("rank: after what?")
	}
	lo, hi = bounds(lo, hi)
	below, above := gap(lo)
	if hi == "" || above != "" && above < hi {
		hi = above
	}
	if len(lo) == naturalLen && isNatural(value(lo)) {
		below = lo
	}
	return near(below, lo, hi)
}

// Spread returns n ascending ranks strictly between lo and hi ("" = open end),
// evenly and as short as possible. It panics if lo >= hi (both given).
func Spread(lo, hi Rank, n int) []Rank {
	lo, hi = bounds(lo, hi)
	if n <= 0 {
		return nil
	}
	m := int64(n)
	width := newSpan(lo, hi)
	// One unit must be left behind the last: see below.
	for width.units-1 < m {
		width.longer()
	}
	out := make([]Rank, n)
	// i*step + i*rest/(n+1) is i*units/(n+1) without the overflow.
	step, rest := width.units/(m+1), width.units%(m+1)
	for i := range m {
		k := (i+1)*step + (i+1)*rest/(m+1)
		r := sum(lo, width.n, k)
		if isNatural(r) {
			// Half a unit more is still before the next one, and before hi.
			r += Rank(strings.Repeat("0", max(0, width.n-len(r)))) + "i"
		}
		out[i] = r
	}
	return out
}

// bounds takes the member parts off and checks that there is room.
func bounds(lo, hi Rank) (Rank, Rank) {
	lo, hi = lo.Place(), hi.Place()
	if lo != "" && hi != "" && value(lo) >= value(hi) {
		panic(fmt.Sprintf("rank: no room between %q and %q", string(lo), string(hi)))
	}
	return lo, hi
}

// span counts the fractions of n digits between two bounds.
type span struct {
	lo, hi Rank
	n      int   // digits
	units  int64 // hi cut to n digits - lo cut to n digits, in units of the last digit
}

func newSpan(lo, hi Rank) *span {
	s := &span{lo: lo, hi: hi}
	if hi == "" {
		s.units = 1 // up to 1.0
	}
	return s
}

func (s *span) longer() {
	s.units = s.units*base + digit(s.hi, s.n) - digit(s.lo, s.n)
	s.n++
}

// last returns the greatest k for which lo + k units is below hi.
func (s *span) last() int64 {
	if len(value(s.hi)) > s.n {
		return s.units
	}
	return s.units - 1
}

// between looks for the fewest digits that have a usable value. It takes the
// middle one of those, or at an open end the one at the other end, because
// the next one probably goes to the open end again.
func between(lo, hi Rank) Rank {
	s := newSpan(lo, hi)
	for {
		s.longer()
		last := s.last()
		start := (last + 1) / 2
		if hi == "" {
			start = 1
		} else if lo == "" {
			start = last
		}
		// At most 16 values in a row are natural, so this ends soon.
		for d := int64(0); start-d >= 1 || start+d <= last; d++ {
			for _, k := range [2]int64{start + d, start - d} {
				if k < 1 || k > last {
					continue
				}
				if r := sum(lo, s.n, k); !isNatural(r) {
					return r
				}
			}
		}
	}
}

// near makes a rank in the gap behind the natural value home, between lo and
// hi. Ranks there are home + fraction. The first takes the middle; at both
// ends the fraction counts up and down, with more and more digits; elsewhere
// it is bisected.
func near(home, lo, hi Rank) Rank {
	if home == "" || lo != home && !strings.HasPrefix(string(lo), string(home)) {
		return between(lo, hi)
	}
	f := lo[len(home):]
	if hi == "" || !strings.HasPrefix(string(hi), string(home)) {
		if f == "" {
			return home + "i"
		}
		return home + up(f)
	}
	if f == "" {
		return home + down(hi[len(home):])
	}
	return between(lo, hi)
}

// up returns a fraction above f. One that begins with r times 'z' goes on with
// a number of r+1 digits, so that the length grows with the logarithm of the
// steps: y, z01, z02 ... zyz, zz001 ...
func up(f Rank) Rank {
	r := len(f) - len(strings.TrimLeft(string(f), "z"))
	next := sum(f, 2*r+1, 1)
	if digit(next, r) == base-1 {
		r++
		return Rank(strings.Repeat("z", r) + strings.Repeat("0", r) + "1")
	}
	return next
}

// down returns a fraction below f that is not 0: the mirror image of up, with
// '0' for 'z'.
func down(f Rank) Rank {
	r := len(f) - len(strings.TrimLeft(string(f), "0"))
	if n := 2*r + 1; len(f) > n {
		return value(f[:n])
	}
	next := sum(f, 2*r+1, -1)
	if digit(next, r) == 0 {
		r++
		return Rank(strings.Repeat("0", r) + strings.Repeat("z", r+1))
	}
	return next
}
