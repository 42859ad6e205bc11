package guard

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Meter is told about requests. Its methods are safe for concurrent use and do
// not block. metrics.Metrics is one.
type Meter interface {
	// Begin and End enclose each request. route is the pattern that served it, ""
	// if none did; status is 0 for an answer that was cut off; sent counts bytes
	// before compression.
	Begin()
	End(route, method string, status int, sent int64, took time.Duration)
	// Refuse counts a request turned away for a reason: host, origin, busy,
	// lasting, bodies.
	Refuse(reason string)
}

type noMeter struct{}

func (noMeter) Begin()                                        {}
func (noMeter) End(string, string, int, int64, time.Duration) {}
func (noMeter) Refuse(string)                                 {}

// visit is what the guard remembers of one request.
type visit struct {
	g     *guard
	route string
	// admitted holds a slot of the requests under way, lasting one of those that
	// last. Only the request's goroutine looks.
	admitted, lasting bool
	out               *compressor
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

// Route says which pattern serves the request with this context. It must come
// from a fixed set: it becomes a label of metrics.
func Route(ctx context.Context, pattern string) {
	if v := visitOf(ctx); v != nil {
		v.route = pattern
	}
}

// Last says, before the answer begins, that the request may last: it streams, or
// waits for something. From then on it counts against the bound of lasting
// requests and not against that of all others, so that no number of streams
// keeps short requests out. Its answer is not compressed, because a compressor
// takes much memory. The error is a fault with code too_many_requests. It must
// be called by the request's own goroutine; more than once is the same as once.
func Last(ctx context.Context) error {
	v := visitOf(ctx)
	if v == nil || v.lasting {
		return nil
	}
	select {
	case v.g.lasting <- struct{}{}:
	default:
		v.g.Meter.Refuse("lasting")
		return fault.Newf(fault.TooManyRequests, "%d requests stream or wait already", v.g.MaxLasting)
	}
	v.lasting = true
	v.out.accepts = false
	v.leave()
	return nil
}

// leave gives the slot among the short requests back.
func (v *visit) leave() {
	if v.admitted {
		v.admitted = false
		<-v.g.slots
	}
}

// end gives back all that the request held.
func (v *visit) end() {
	v.leave()
	if v.lasting {
		v.lasting = false
		<-v.g.lasting
	}
	v.out.free()
}
