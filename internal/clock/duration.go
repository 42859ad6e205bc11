package clock

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads ISO 8601 (P1DT2H, PT0.5S, P2W) or Go style (1h30m), which
// may begin with weeks and days (2w, 90d, 1d12h). A day counts 24 hours. Years
// and months are refused, because their length is not fixed.
func ParseDuration(s string) (time.Duration, error) {
	if len(s) > 64 {
		return 0, errDuration
	}
	rest, negative := strings.CutPrefix(s, "-")
	if !strings.HasPrefix(rest, "P") {
		return goStyle(s)
	}
	date, daytime, timed := strings.Cut(rest[1:], "T")
	total, n1, err := parts(date, "WD", map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour})
	if err != nil {
		return 0, err
	}
	t, n2, err := parts(daytime, "HMS", map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second})
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

// goStyle is time.ParseDuration with whole weeks and days in front.
func goStyle(s string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(s, "-")
	end := strings.LastIndexAny(rest, "wd") + 1
	days, _, err := parts(rest[:end], "wd", map[byte]time.Duration{'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour})
	if err != nil {
		return 0, errDuration
	}
	if end == 0 {
		rest, negative = s, false // its sign is part of it
	}
	var more time.Duration
	if rest = rest[end:]; rest != "" {
		if more, err = time.ParseDuration(rest); err != nil || end > 0 && (more < 0 || rest[0] == '+' || rest[0] == '-' || days > math.MaxInt64-more) {
			return 0, errDuration
		}
	}
	switch {
	case s == "":
		return 0, errDuration
	case negative:
		return -(days + more), nil
	}
	return days + more, nil
}

var errDuration = errors.New("must be an ISO 8601 duration such as PT15M, or 15m")

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
