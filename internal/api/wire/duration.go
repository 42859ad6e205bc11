package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Duration is a length of time. It is written as ISO 8601 text (PT15M) and
// read in that form or in Go's (15m). Years and months are refused, because
// their length is not fixed.
type Duration time.Duration

// DurationOf returns a pointer for an optional field: nil for 0.
func DurationOf(d time.Duration) *Duration {
	if d == 0 {
		return nil
	}
	w := Duration(d)
	return &w
}

// Or returns d's value, or other when d is nil.
func (d *Duration) Or(other time.Duration) time.Duration {
	if d == nil {
		return other
	}
	return time.Duration(*d)
}

// Schema implements huma.SchemaProvider.
func (Duration) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "duration", Examples: []any{"PT15M"}}
}

// MarshalJSON writes ISO 8601.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads ISO 8601 or Go style.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := ParseDuration(s)
	*d = Duration(v)
	return err
}

// String is the ISO 8601 form with hours, minutes and seconds: PT0S, PT90S is
// written PT1M30S, two days are PT48H.
func (d Duration) String() string {
	v := time.Duration(d)
	if v == 0 {
		return "PT0S"
	}
	var b strings.Builder
	n := uint64(v)
	if v < 0 {
		b.WriteByte('-')
		n = -n
	}
	b.WriteString("PT")
	for _, u := range []struct {
		length time.Duration
		mark   byte
	}{{time.Hour, 'H'}, {time.Minute, 'M'}} {
		if k := n / uint64(u.length); k > 0 {
			b.WriteString(strconv.FormatUint(k, 10))
			b.WriteByte(u.mark)
			n %= uint64(u.length)
		}
	}
	if n > 0 {
		s := fmt.Sprintf("%d.%09d", n/uint64(time.Second), n%uint64(time.Second))
		b.WriteString(strings.TrimRight(strings.TrimRight(s, "0"), "."))
		b.WriteByte('S')
	}
	return b.String()
}

// ParseDuration reads ISO 8601 (P1DT2H, PT0.5S, P2W) or Go style (1h30m). A
// day counts 24 hours.
func ParseDuration(s string) (time.Duration, error) {
	if len(s) > 64 {
		return 0, errDuration
	}
	rest, negative := strings.CutPrefix(s, "-")
	if !strings.HasPrefix(rest, "P") {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, errDuration
		}
		return d, nil
	}
	date, clock, timed := strings.Cut(rest[1:], "T")
	total, n1, err := parts(date, "WD", map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour})
	if err != nil {
		return 0, err
	}
	t, n2, err := parts(clock, "HMS", map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second})
	if err != nil {
		return 0, err
	}
	if n1+n2 == 0 || timed && n2 == 0 || total > math.MaxInt64-t {
		return 0, errDuration
	}
	total += t
	if negative {
		total = -total
	}
	return total, nil
}

var errDuration = fmt.Errorf("must be an ISO 8601 duration such as PT15M, or 15m")

// parts sums number-unit pairs whose units come in the given order.
func parts(s, order string, length map[byte]time.Duration) (sum time.Duration, n int, err error) {
	for s != "" {
		i := strings.IndexAny(s, order)
		if i <= 0 {
			return 0, 0, errDuration
		}
		unit := length[s[i]]
		whole, frac, fraction := strings.Cut(s[:i], ".")
		k, err := strconv.ParseUint(whole, 10, 62)
		if err != nil || k > uint64(math.MaxInt64/unit) {
			return 0, 0, errDuration
		}
		d := time.Duration(k) * unit
		if fraction {
			f, err := strconv.ParseUint((frac + "000000000")[:9], 10, 62)
			if err != nil || frac == "" || len(s) != i+1 || s[i] != 'S' {
				return 0, 0, errDuration
			}
			d += time.Duration(f)
		}
		if sum > math.MaxInt64-d {
			return 0, 0, errDuration
		}
		sum += d
		order = order[strings.IndexByte(order, s[i])+1:]
		s = s[i+1:]
		n++
	}
	return sum, n, nil
}
