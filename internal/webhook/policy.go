package webhook

import "time"

// Policy says when things are tried again and when they are given up.
type Policy struct {
	// Base and Cap bound the delay before a retry: it is random between a tenth of
	// Base and min(Cap, Base * 3^(n-1)) after the n-th attempt ("full jitter").
	Base, Cap time.Duration
	// Life is how long a delivery is tried.
	Life time.Duration
	// BreakAfter failures of a target in a row open its breaker: nothing is sent to
	// it for a random part of Pause, which doubles up to PauseCap while the one
	// message that is tried then fails too.
	BreakAfter      int
	Pause, PauseCap time.Duration
	// DisableAfter is how long an endpoint may fail without one success before it is
	// disabled.
	DisableAfter time.Duration
}

// Default is the policy of the server.
func Default() Policy {
	return Policy{
		Base: 10 * time.Second, Cap: 12 * time.Hour, Life: 72 * time.Hour,
		BreakAfter: 5, Pause: 30 * time.Second, PauseCap: 10 * time.Minute, DisableAfter: 72 * time.Hour,
	}
}

// maxRetryAfter bounds what an answer may ask for.
const maxRetryAfter = time.Hour

// Delay is the time before the next attempt after n failed ones. r is random in
// [0, 1).
func (p Policy) Delay(n int, r float64) time.Duration {
	most := p.Base
	for range n - 1 {
		if most = min(most*3, p.Cap); most == p.Cap {
			break
		}
	}
	least := p.Base / 10
	return least + time.Duration(r*float64(max(most-least, 0)))
}

// Judge is d after attempt a, which ended at now. r is random in [0, 1).
func (p Policy) Judge(d Delivery, a Attempt, now time.Time, r float64) Delivery {
	d.Attempts++
	d.LastStatus, d.ErrorCode, d.ErrorMessage = a.Status, a.Code, a.Message
	d.Log = append(append([]Attempt(nil), d.Log...), a)
	if n := len(d.Log) - MaxLog; n > 0 {
		d.Log = d.Log[n:]
	}
	next := now.Add(max(p.Delay(d.Attempts, r), min(a.RetryAfter, maxRetryAfter)))
	switch {
	case a.OK():
		d.Status = Delivered
	case a.Final || d.Attempts >= d.MaxAttempts || next.After(d.Deadline):
		d.Status = Dead
	default:
		d.Status, d.NextAt = Failed, next
		return d
	}
	d.NextAt, d.FinishedAt = time.Time{}, now
	return d
}

// Health is how a target fares. The zero value is one that never failed.
type Health struct {
	// Failures in a row.
	Failures int
	// FailingSince is when the first of them was.
	FailingSince time.Time
	// OpenUntil is when the breaker lets one message through; zero or past = it is
	// closed, or one may pass.
	OpenUntil                 time.Time
	LastDelivered, LastFailed time.Time
}

// PerTarget is how many messages may be under way to one target at a time, over
// all instances.
const PerTarget = 4

// Room is how many messages may be under way to a target with this health.
func (p Policy) Room(h Health) int {
	if h.Failures >= p.BreakAfter {
		return 1 // one shows whether the others have a chance
	}
	return PerTarget
}

// Break is until when nothing is sent after the given number of failures in a
// row, zero while the breaker stays closed. r is random in [0, 1).
func (p Policy) Break(failures int, now time.Time, r float64) time.Time {
	if failures < p.BreakAfter {
		return time.Time{}
	}
	pause := p.Pause
	for range failures - p.BreakAfter {
		if pause = min(pause*2, p.PauseCap); pause == p.PauseCap {
			break
		}
	}
	return now.Add(pause/2 + time.Duration(r*float64(pause/2)))
}

// Disable reports whether an endpoint that fails since a time is to be disabled.
func (p Policy) Disable(h Health, now time.Time) bool {
	return h.Failures >= p.BreakAfter && !h.FailingSince.IsZero() && now.Sub(h.FailingSince) >= p.DisableAfter
}
