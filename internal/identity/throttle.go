package identity

import (
	"net/netip"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
)

// limit says how failures slow down.
type limit struct {
	free  int           // failures that cost nothing
	first time.Duration // the pause after the next one; each further one doubles it
	most  time.Duration // but never beyond this
	// forget: after this time without a failure all is forgotten.
	forget time.Duration
}

// The limits of logins. A name that somebody attacks from many addresses is
// never locked for more than a minute at a time, because locking people out
// would be an attack too; an address waits longer.
var (
	nameLimit    = limit{free: 5, first: time.Second, most: time.Minute, forget: 15 * time.Minute}
	addressLimit = limit{free: 20, first: time.Second, most: 15 * time.Minute, forget: time.Hour}
)

// network is what counts as one address. Whoever has one of IPv6 has all 2^64 of
// its network.
func network(remote string) string {
	a, err := netip.ParseAddr(remote)
	if err != nil || a.Unmap().Is4() {
		return remote
	}
	if p, err := a.WithZone("").Prefix(64); err == nil {
		return p.String()
	}
	return remote
}

// maxFailures bounds what a throttle remembers.
const maxFailures = 10_000

// throttle slows down who fails often. It counts an attempt as failed when it
// begins, and forgives it when it succeeds: many attempts at once cannot slip
// through.
type throttle struct {
	limit
	mu   sync.Mutex
	seen map[string]failures
}

type failures struct {
	count int
	last  time.Time
	until time.Time
	was   time.Time // until, before the last attempt
}

func newThrottle(l limit) *throttle { return &throttle{limit: l, seen: map[string]failures{}} }

// begin counts an attempt of key. It returns how long key has to wait, zero when
// the attempt may be made; an attempt that may not be made does not count.
func (t *throttle) begin(key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.seen[key]
	if now.Sub(f.last) > t.forget {
		f = failures{}
	}
	if now.Before(f.until) {
		return f.until.Sub(now)
	}
	f.count, f.last, f.was = f.count+1, now, f.until
	if over := f.count - t.free; over > 0 {
		f.until = now.Add(min(t.first<<min(over-1, 20), t.most))
	}
	if len(t.seen) >= maxFailures {
		t.shrink(now)
	}
	t.seen[key] = f
	return 0
}

// forgive says that the attempt was a good one: all earlier failures of key are
// forgotten.
func (t *throttle) forgive(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, key)
}

// pardon takes the one attempt back, for keys that others share: a login of one's
// own must not buy new tries at the names of others.
func (t *throttle) pardon(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.seen[key]
	if !ok {
		return
	}
	if f.count--; f.count <= 0 {
		delete(t.seen, key)
		return
	}
	f.until = f.was
	t.seen[key] = f
}

// shrink drops what is forgotten, and if that is not enough, what does not wait
// now: an attacker with that many names or addresses is not slowed by this table
// anyway.
func (t *throttle) shrink(now time.Time) {
	for _, drop := range []func(failures) bool{
		func(f failures) bool { return now.Sub(f.last) > t.forget },
		func(f failures) bool { return !now.Before(f.until) },
		func(failures) bool { return true },
	} {
		for k, f := range t.seen {
			if drop(f) {
				delete(t.seen, k)
			}
		}
		if len(t.seen) < maxFailures/2 {
			return
		}
	}
}

// rates bounds the requests of tokens that have a rate: each may make as many
// requests at once as it may make in a minute, and gets them back evenly. The
// zero value is ready.
type rates struct {
	mu   sync.Mutex
	seen map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func (r *rates) take(p access.Principal, now time.Time) error {
	if p.RatePerMinute <= 0 {
		return nil
	}
	most := float64(p.RatePerMinute)
	perSecond := most / 60
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.seen[p.TokenID]
	if !ok {
		b = bucket{most, now}
	}
	b.left, b.at = min(most, b.left+max(0, now.Sub(b.at).Seconds())*perSecond), now
	short := 1 - b.left
	if short <= 0 {
		b.left--
	}
	if r.seen == nil || len(r.seen) >= maxKnown {
		r.seen = map[string]bucket{}
	}
	r.seen[p.TokenID] = b
	if short <= 0 {
		return nil
	}
	return fault.Newf(fault.TooManyRequests, "this token may make %d requests a minute", p.RatePerMinute).
		WithRetryAfter(time.Duration(short / perSecond * float64(time.Second)))
}
