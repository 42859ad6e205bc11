// Package rank makes the keys of the one total order of waiting jobs.
//
// A rank is text that is compared byte by byte (SQLite's binary collation,
// PostgreSQL's COLLATE "C", Go's <). A new job takes a natural rank, made of
// its zone (insertion class) and a sequence number, so that an insert reads no
// neighbour. A moved job takes a rank between its new neighbours, so that a
// move writes one row:
//
//	a00000000000007      natural: zone 0, sequence number 7
//	a00000000000007i     made by Before, After, Between or Spread
//	a00000000000007!0000002  the third member of a group that has that place
//
// Why there is always room: without its member part a rank is a fraction in
// base 36, and two ranks in use never have the same value. A made rank does
// not end in '0' and never has the value of a natural rank, not even of one
// that nobody took yet; it either is longer than a natural one or has a digit
// above 'f' among the first 15 characters. So the order of the bytes is the
// order of the values, between two values there is another, and a job that is
// inserted later can not meet a rank that was made earlier.
//
// All functions are pure. They panic when the arguments leave no room
// (lo >= hi) or are no ranks: that is a broken order, which nobody can go on
// with.
package rank

import (
	"fmt"
	"strconv"
	"strings"
)

// Rank is a key of the order, compared byte by byte. The zero value "" is no
// place; as an argument it stands for an open end.
type Rank string

// MaxLen is the length in bytes, without the member part, above which the
// ranks of a neighbourhood should be spread anew (the store does it). It
// leaves room for 33 characters behind a natural rank: at least 160 bisections
// of the worst kind.
const MaxLen = 48

const (
	digits     = "0123456789abcdefghijklmnopqrstuvwxyz"
	base       = int64(len(digits))
	seqDigits  = 14
	naturalLen = 1 + seqDigits
	maxSeq     = 1<<(4*seqDigits) - 1
	maxZone    = 25
	lastHex    = 15 // natural ranks use the digits up to 'f'

	memberMark   = "!" // sorts before every digit
	memberDigits = 7
	maxMember    = 9_999_999
)

// Natural returns the rank of a job that was inserted into a zone (0..25) with
// a sequence number (1..2^56-1). Natural ranks of a higher zone are behind all
// of a lower one; inside a zone they are in the order of seq. It panics for
// other arguments.
func Natural(zone int, seq int64) Rank {
	if zone < 0 || zone > maxZone || seq < 1 || seq > maxSeq {
		panic(fmt.Sprintf("rank: no natural rank for zone %d, sequence number %d", zone, seq))
	}
	return natural(zone, seq)
}

// natural is Natural that also knows number 0: nobody's rank, but the bound
// that keeps what is put before a zone's first job inside the zone.
func natural(zone int, seq int64) Rank {
	var b [naturalLen]byte
	b[0] = byte('a' + zone)
	for i := naturalLen - 1; i > 0; i-- {
		b[i] = digits[seq&lastHex]
		seq >>= 4
	}
	return Rank(b[:])
}

// Zone returns the zone whose natural ranks surround r; -1 if there is none
// (no place, or a rank that was made in front of all zones).
func (r Rank) Zone() int {
	if r == "" || r[0] < 'a' || r[0] > 'z' {
		return -1
	}
	return int(r[0] - 'a')
}

// Member returns the rank of the n-th (0..9,999,999) member of a group that
// has the given place. Members are behind their place, in the order of n, and
// before everything that the other functions can make behind the place. It
// panics for no place and for another n.
func Member(place Rank, n int) Rank {
	if place == "" || n < 0 || n > maxMember {
		panic(fmt.Sprintf("rank: no member %d of place %q", n, place))
	}
	return Rank(fmt.Sprintf("%s%s%0*d", place.Place(), memberMark, memberDigits, n))
}

// Place returns r without the member part: the place of the whole group for
// a member, r itself otherwise.
func (r Rank) Place() Rank {
	if i := strings.IndexByte(string(r), memberMark[0]); i >= 0 {
		return r[:i]
	}
	return r
}

// gap returns the natural values around r: the greatest that is smaller and
// the smallest that is greater, "" where there is none. Number 0 of a zone
// counts as a natural value here.
func gap(r Rank) (below, above Rank) {
	zone := r.Zone()
	if zone < 0 {
		return "", natural(0, 0)
	}
	// The greatest natural value that is not above r.
	var floor [naturalLen]byte
	floor[0] = r[0]
	inside := false // between two natural values
	for i := 1; i < naturalLen; i++ {
		d := digit(r, i)
		if inside || d > lastHex {
			inside, d = true, lastHex
		}
		floor[i] = digits[d]
	}
	inside = inside || len(value(r)) > naturalLen
	seq, err := strconv.ParseInt(string(floor[1:]), 16, 64)
	if err != nil {
		panic(fmt.Sprintf("rank: %q is no rank", string(r)))
	}
	switch {
	case inside:
		below = Rank(floor[:])
	case seq > 0:
		below = natural(zone, seq-1)
	case zone > 0:
		below = natural(zone-1, maxSeq)
	}
	switch {
	case seq < maxSeq:
		above = natural(zone, seq+1)
	case zone < maxZone:
		above = natural(zone+1, 0)
	}
	return below, above
}

// isNatural tells whether a value (without zeros at the end) is that of a
// natural rank, taken or not.
func isNatural(v Rank) bool {
	if len(v) > naturalLen || v.Zone() < 0 {
		return false
	}
	for i := 1; i < len(v); i++ {
		if digit(v, i) > lastHex {
			return false
		}
	}
	return true
}

// value returns r without the zeros at its end: equal for equal fractions.
func value(r Rank) Rank { return Rank(strings.TrimRight(string(r), "0")) }

// digit returns the i-th digit of the fraction r, 0 behind its end.
func digit(r Rank, i int) int64 {
	if i >= len(r) {
		return 0
	}
	switch c := r[i]; {
	case c >= '0' && c <= '9':
		return int64(c - '0')
	case c >= 'a' && c <= 'z':
		return int64(c-'a') + 10
	}
	panic(fmt.Sprintf("rank: %q is no rank", string(r)))
}

// sum returns the fraction r cut to n digits plus k units of the last digit,
// without zeros at the end.
func sum(r Rank, n int, k int64) Rank {
	b := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		k += digit(r, i)
		b[i] = digits[((k%base)+base)%base]
		k = floorDiv(k, base)
	}
	return value(Rank(b))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
