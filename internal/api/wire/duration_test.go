package wire_test

import (
	"testing"
	"testing/quick"
	"time"

	"github.com/runsheet/runsheet/internal/api/wire"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		"PT15M": 15 * time.Minute, "15m": 15 * time.Minute, "P1DT2H": 26 * time.Hour, "P2W": 336 * time.Hour, "PT0.5S": 500 * time.Millisecond,
		"PT0S": 0, "1h30m": 90 * time.Minute, "-PT1S": -time.Second, "PT90S": 90 * time.Second,
		"90d": 90 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "1w1d12h": 204 * time.Hour, "-1d1h": -25 * time.Hour, "-15m": -15 * time.Minute,
	} {
		if got, err := wire.ParseDuration(in); err != nil || got != want {
			t.Errorf("%s: %v %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "P", "PT", "P1Y", "P1M", "PT1", "15", "PT1S1M", "P1DT", "PT1.5M", "PT.5S", "PT99999999999999H", "P1H", "PT-1S", "soon",
		"d", "1d2w", "1.5d", "1d-1h", "1d+1h", "--1d", "-", "999999999999d", "1h1d",
	} {
		if got, err := wire.ParseDuration(in); err == nil {
			t.Errorf("%q was read as %v", in, got)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	t.Parallel()
	if err := quick.Check(func(n int64) bool {
		if n == -1<<63 {
			return true // has no positive counterpart
		}
		got, err := wire.ParseDuration(wire.Duration(n).String())
		return err == nil && got == time.Duration(n)
	}, nil); err != nil {
		t.Error(err)
	}
}
