package calendar

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// OverrideKind says what an override makes of its date.
type OverrideKind string

// The kinds of overrides.
const (
	// OverrideClosed: there is no session.
	OverrideClosed OverrideKind = "closed"
	// OverrideOpen: there is a session with the regular hours of the date, also
	// on a holiday or a weekend.
	OverrideOpen OverrideKind = "open"
	// OverrideHours: there is a session with the given hours.
	OverrideHours OverrideKind = "hours"
)

// Override is what a user says of one date. It beats all that is shipped.
type Override struct {
	Date Date
	Kind OverrideKind
	// Open, Close, BreakStart and BreakEnd are local times of the calendar such
	// as "09:30", for the kind "hours" only; no break: both "". An Open that is
	// not before Close is of the evening before.
	Open, Close          string
	BreakStart, BreakEnd string
	// Reason is shown to people; "" = "override".
	Reason string
}

// MaxOverrides bounds the overrides of one calendar.
const MaxOverrides = 5000

const maxReason = 200

// With returns the calendar with more overrides. One for a date that already has
// one replaces it; two for the same date among list are a fault, as are times
// that make no session. Faults have the code invalid_input and a field whose
// pointer names the override's index. Combined calendars take none: override a
// member.
func (c *Calendar) With(list []Override) (*Calendar, error) {
	x, ok := c.src.(*exchange)
	if !ok {
		return nil, fault.Newf(fault.InvalidInput, "%s is a combination: override one of its calendars", c.code)
	}
	if len(list)+len(x.overrides) > MaxOverrides {
		return nil, fault.Newf(fault.InvalidInput, "more than %d overrides", MaxOverrides)
	}
	if len(list) == 0 {
		return c, nil
	}
	kinds := map[Date]kind{}
	for i, o := range list {
		k, why := x.override(o)
		if _, twice := kinds[o.Date]; twice && why == "" {
			why = "this date has two overrides"
		}
		if why != "" {
			detail := fmt.Sprintf("%v: %s", o.Date, why)
			return nil, fault.New(fault.InvalidInput, "override of "+detail).At(fmt.Sprintf("/%d", i), "invalid", detail)
		}
		kinds[o.Date] = k
	}
	next := *c
	src := x.with(kinds)
	next.src, next.version = src, c.overriddenVersion(src)
	return &next, nil
}

// overriddenVersion joins the version of the data with all overrides.
func (c *Calendar) overriddenVersion(x *exchange) string {
	dates := make([]Date, 0, len(x.overrides))
	for d := range x.overrides {
		dates = append(dates, d)
	}
	slices.Sort(dates)
	sum := sha256.New()
	for _, d := range dates {
		fmt.Fprintf(sum, "%v %+v\n", d, x.overrides[d])
	}
	data, _, _ := strings.Cut(c.version, "+")
	return data + "+" + hex.EncodeToString(sum.Sum(nil)[:4])
}

// override checks o and returns what happens on its date, or why it is wrong.
func (x *exchange) override(o Override) (kind, string) {
	k := kind{reason: o.Reason}
	if o.Reason == "" {
		k.reason = "override"
	}
	if o.Date < NewDate(1970, time.January, 1) || o.Date > NewDate(2199, time.December, 31) {
		return k, "dates are from 1970 to 2199"
	}
	if len(o.Reason) > maxReason {
		return k, fmt.Sprintf("the reason is longer than %d bytes", maxReason)
	}
	if o.Kind != OverrideHours && o.Open+o.Close+o.BreakStart+o.BreakEnd != "" {
		return k, fmt.Sprintf("times are for the kind %q only", OverrideHours)
	}
	regular, has := x.def.regular(o.Date)
	switch o.Kind {
	case OverrideClosed:
		return k, ""
	case OverrideOpen:
		if !has {
			return k, fmt.Sprintf("there are no regular hours on a %v: give hours", o.Date.Weekday())
		}
		k.session, k.clocks = true, regular
		return k, ""
	case OverrideHours:
	default:
		return k, quoted(string(o.Kind)) + " is none of closed, open, hours"
	}
	k.session = true
	if why := o.clocks(&k.clocks); why != "" {
		return k, why
	}
	if has {
		k.early, k.late = k.clocks.close < regular.close, k.clocks.open > regular.open
	}
	return k, ""
}

// clocks reads the times of o. It returns why they are wrong, or "".
func (o Override) clocks(k *clocks) string {
	for _, t := range []struct {
		name, text string
		into       *int
	}{{"open", o.Open, &k.open}, {"close", o.Close, &k.close}, {"break_start", o.BreakStart, &k.breakStart}, {"break_end", o.BreakEnd, &k.breakEnd}} {
		if t.text == "" && o.BreakStart == "" && o.BreakEnd == "" && strings.HasPrefix(t.name, "break") {
			continue
		}
		m, ok := clockTime(t.text)
		if !ok {
			return t.name + ": " + quoted(t.text) + " is no time of the form 09:30"
		}
		*t.into = m
	}
	if k.open >= k.close {
		k.open -= 24 * 60
	}
	if o.BreakStart == "" {
		return ""
	}
	if k.breakStart >= k.close {
		k.breakStart -= 24 * 60
	}
	if k.breakEnd >= k.close {
		k.breakEnd -= 24 * 60
	}
	if !(k.open < k.breakStart && k.breakStart < k.breakEnd && k.breakEnd < k.close) {
		return "the break is not within the session"
	}
	return ""
}
