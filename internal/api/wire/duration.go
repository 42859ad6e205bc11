package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/clock"
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

// ParseDuration is clock.ParseDuration.
func ParseDuration(s string) (time.Duration, error) { return clock.ParseDuration(s) }
