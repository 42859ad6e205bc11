package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

// channel is the name under which instances notify each other.
const channel = "runsheet"

// maxPayload is PostgreSQL's limit of a notification, with some room.
const maxPayload = 7800

// notifyPause is the least time between two notifications of one instance:
// what changes meanwhile shares the next one.
const notifyPause = 5 * time.Millisecond

// notifyLimit bounds one notification.
const notifyLimit = 10 * time.Second

// hints carries hints between instances. Watchers of this process get theirs
// directly, after the commit. Other instances get one notification for all
// transactions since the last one. It is a transaction of its own, because a
// NOTIFY inside of a transaction makes all committing transactions of the
// server wait for each other's sync (docs/bench.md). A crash before it loses
// hints, which watchers survive.
type hints struct {
	self string // tells own notifications from those of others
	stop context.CancelFunc
	done sync.WaitGroup
	wake chan struct{}

	mu      sync.Mutex
	pending map[store.Hint]struct{}
}

// startHints starts the sender and, where there is a direct way to the server,
// the listener. It returns an error only when ListenURL cannot be read.
func (e *engine) startHints(ctx context.Context, o Options) error {
	h := &e.hints
	h.self, h.wake, h.pending = rand.Text(), make(chan struct{}, 1), map[store.Hint]struct{}{}
	url := o.URL
	if o.ListenURL != "" {
		url = o.ListenURL
	}
	cfg, _, err := parse(url)
	if err != nil {
		return err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	h.done.Go(func() { e.notify(life) })
	if e.pooled && o.ListenURL == "" {
		e.log.WarnContext(ctx, "the database is behind a pooler: changes of other instances are found by polling")
		return nil
	}
	// The first connection is made here, so that nothing is missed after Open.
	conn, err := listen(ctx, cfg)
	if err != nil {
		e.log.WarnContext(ctx, "cannot listen to the database, polling until it works", "error", err)
	}
	h.done.Go(func() { e.listen(life, cfg, conn) })
	return nil
}

func (e *engine) stopHints() {
	e.hints.stop()
	e.hints.done.Wait()
}

// tell hands hints of a committed transaction to everyone.
func (e *engine) tell(hs []store.Hint) {
	if len(hs) == 0 {
		return
	}
	e.Send(hs)
	h := &e.hints
	h.mu.Lock()
	for _, x := range hs {
		h.pending[x] = struct{}{}
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// notify sends what is pending until ctx ends.
func (e *engine) notify(ctx context.Context) {
	for {
		select {
		case <-e.hints.wake:
		case <-ctx.Done():
			return
		}
		// A lost notification costs others a poll interval, a slow one must not
		// cost the server a sync. Close waits for it, see once.
		life, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyLimit)
		_, err := e.db.ExecContext(life, `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`, channel, e.hints.take())
		cancel()
		if err != nil {
			e.log.DebugContext(ctx, "cannot notify other instances", "error", err)
		}
		if clock.Sleep(ctx, e.clock, notifyPause) != nil {
			return
		}
	}
}

// take returns the pending hints as a payload: the sender, then a line each.
func (h *hints) take() string {
	h.mu.Lock()
	all := h.pending
	h.pending = make(map[store.Hint]struct{}, len(all))
	h.mu.Unlock()
	var b strings.Builder
	b.WriteString(h.self)
	for x := range all {
		if b.Len()+len(x.Topic)+len(x.ID)+2 > maxPayload {
			return h.self + "\n" + string(store.HintAll)
		}
		b.WriteString("\n" + strings.TrimSpace(string(x.Topic)+" "+x.ID))
	}
	return b.String()
}

// parsePayload is the inverse of take.
func parsePayload(payload string) (sender string, out []store.Hint) {
	lines := strings.Split(payload, "\n")
	for _, l := range lines[1:] {
		topic, id, _ := strings.Cut(l, " ")
		out = append(out, store.Hint{Topic: store.HintTopic(topic), ID: id, Remote: true})
	}
	return lines[0], out
}

func listen(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to listen: %w", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // the first error counts
		return nil, fmt.Errorf("listen: %w", err)
	}
	return conn, nil
}

// listen passes notifications on until ctx ends. conn is the first connection,
// nil if there is none yet.
func (e *engine) listen(ctx context.Context, cfg *pgx.ConnConfig, conn *pgx.Conn) {
	const least, most = 100 * time.Millisecond, 10 * time.Second
	wait := least
	for {
		if conn == nil {
			if clock.Sleep(ctx, e.clock, wait) != nil {
				return
			}
			var err error
			if conn, err = listen(ctx, cfg); err != nil {
				wait = min(2*wait, most)
				continue
			}
			e.log.InfoContext(ctx, "listening to the database again")
			// What was sent meanwhile is lost.
			e.Send([]store.Hint{{Topic: store.HintAll, Remote: true}})
		}
		wait = least
		err := e.receive(ctx, conn)
		_ = conn.Close(context.WithoutCancel(ctx)) // it is broken or not needed any more
		conn = nil
		if ctx.Err() != nil {
			return
		}
		e.log.WarnContext(ctx, "lost the connection that listens to the database", "error", err)
	}
}

func (e *engine) receive(ctx context.Context, conn *pgx.Conn) error {
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if sender, hs := parsePayload(n.Payload); sender != e.hints.self {
			e.Send(hs)
		}
	}
}
