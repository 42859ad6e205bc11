package schedule

import (
	"strings"
	"time"
)

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
