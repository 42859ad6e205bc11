package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/store"
)

// Message is an event for readers outside, as a Mirror announces it.
type Message struct {
	// Key keeps the Seq of the latest message of Channel, so that instances that
	// announce the same event do it once.
	Key, Channel string
	Seq          int64
	Text         []byte
}

// MirrorOptions are what NewMirror needs. All but Clock must be given.
type MirrorOptions struct {
	Feed   *Feed
	Events Log
	// Message makes the message of an event; ok is false when there is none.
	Message func(e event.Event) (m Message, ok bool)
	// Announce sends a message. What it cannot send is lost.
	Announce func(ctx context.Context, m Message) error
	Clock    clock.Clock // nil = the system's
}

const (
	// mirrorRest is how long a tenant is followed after its last event.
	mirrorRest = time.Minute
	// mirrorWait bounds one message.
	mirrorWait = 500 * time.Millisecond
	// mirrorOld is the age from which on nobody outside needs an event.
	mirrorOld = time.Minute
	// mirrorTenants is how many tenants are followed at once.
	mirrorTenants = 64
)

// Mirror tells readers outside of events, as well as it can: of those tenants in
// which something was written here. It never delays anybody.
type Mirror struct {
	o       MirrorOptions
	stop    context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	active map[string]bool
	// from is where a tenant's events go on that is not followed now.
	from  map[string]int64
	since int64 // the same for tenants that never were
}

// NewMirror returns a running mirror. Close ends it, before the feed's Close.
func NewMirror(o MirrorOptions) *Mirror {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	m := &Mirror{o: o, active: map[string]bool{}, from: map[string]int64{}, since: Now}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	hints, unwatch := o.Events.Watch()
	if span, err := o.Events.Range(ctx); err == nil {
		m.since = span.Last
	}
	m.running.Go(func() {
		defer unwatch()
		m.listen(ctx, hints)
	})
	return m
}

// Close ends the mirror.
func (m *Mirror) Close() error {
	m.stop()
	m.running.Wait()
	return nil
}

// listen follows the tenants in which something is written here.
func (m *Mirror) listen(ctx context.Context, hints <-chan store.Hint) {
	for {
		select {
		case h := <-hints:
			if h.Topic == store.HintEvents && !h.Remote && h.ID != "" {
				m.follow(ctx, h.ID)
			}
		case <-ctx.Done():
			return
		}
	}
}

// follow starts to follow a tenant, unless that is done already.
func (m *Mirror) follow(ctx context.Context, tenant string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active[tenant] || len(m.active) >= mirrorTenants {
		return
	}
	from, known := m.from[tenant]
	if !known {
		from = m.since
	}
	m.active[tenant] = true
	m.running.Go(func() {
		seq := m.run(ctx, tenant, from)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.from[tenant] = seq
		delete(m.active, tenant)
	})
}

// run announces a tenant's events until there are none for a while. It returns
// where it stopped.
func (m *Mirror) run(ctx context.Context, tenant string, from int64) int64 {
	r, err := m.o.Feed.Open(ctx, tenant, from)
	if err != nil {
		return from
	}
	defer r.Close()
	for {
		evs, more, err := r.Take(ctx)
		if _, ok := errors.AsType[*Reset](err); ok {
			continue // what is gone is gone
		}
		if err != nil {
			return r.Seq()
		}
		for _, e := range evs {
			m.tell(ctx, e)
		}
		if len(evs) > 0 {
			continue
		}
		rest := m.o.Clock.NewTimer(mirrorRest)
		select {
		case <-more:
			rest.Stop()
		case <-rest.C():
			return r.Seq()
		case <-r.Closing():
			rest.Stop()
			return r.Seq()
		case <-ctx.Done():
			rest.Stop()
			return r.Seq()
		}
	}
}

func (m *Mirror) tell(ctx context.Context, e event.Event) {
	if m.o.Clock.Now().Sub(e.At) > mirrorOld {
		return
	}
	msg, ok := m.o.Message(e)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, mirrorWait)
	defer cancel()
	_ = m.o.Announce(ctx, msg) // whoever needs all of them reads the log
}
