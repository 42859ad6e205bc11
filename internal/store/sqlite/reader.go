package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// readLimit bounds a read: a snapshot that stays keeps the log from being
// emptied.
const readLimit = 5 * time.Second

// Read runs f on one of the read-only connections, in a transaction that sees
// one state of the database.
func (e *engine) Read(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	select {
	case <-e.stop:
		return closed()
	default:
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readLimit, errSlow)
	defer cancel()
	err := e.read(ctx, f)
	if errors.Is(context.Cause(ctx), errSlow) && errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.StorageBusy, "reading took longer than "+readLimit.String())
	}
	return err
}

// Look is Read: here a transaction costs little.
func (e *engine) Look(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	return e.Read(ctx, f)
}

var errSlow = errors.New("read took too long")

func (e *engine) read(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	return e.alone(ctx, func(s *session) error { return e.look(ctx, s, f) })
}

// alone gives f a reader's connection for itself.
func (e *engine) alone(ctx context.Context, f func(*session) error) error {
	var s *session
	select {
	case s = <-e.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stop:
		return closed()
	}
	defer func() { e.readers <- s }()
	if s.conn == nil {
		conn, err := e.readDB.Conn(ctx)
		if err != nil {
			return e.classify(fmt.Errorf("begin read: %w", err))
		}
		s.conn = conn
	}
	return f(s)
}

// look is a read on a connection.
func (e *engine) look(ctx context.Context, s *session, f func(context.Context, portable.Tx) error) error {
	if err := s.run(ctx, "BEGIN"); err != nil {
		e.abandon(s)
		return e.classify(fmt.Errorf("begin read: %w", err))
	}
	whole := false
	defer func() {
		// Nothing was written. What f left behind when it panicked goes with the connection.
		if s.hints = nil; s.run(context.WithoutCancel(ctx), "ROLLBACK") != nil || !whole {
			e.abandon(s)
		}
	}()
	err := f(ctx, s)
	whole = true
	return e.classify(err)
}

// abandon gives up a connection of which nobody knows how far it is. The one of a
// database in memory is the database: it is kept.
func (e *engine) abandon(s *session) {
	if !e.shared {
		s.discard()
		return
	}
	_ = s.run(context.Background(), "ROLLBACK") // fails when nothing is open
}

// startReaders makes the readers' sessions, whose connections are opened when they are
// first needed. They keep prepared statements: to parse one again costs more than most
// reads.
func (e *engine) startReaders() {
	n, most := readers, maxReadStatements
	if e.shared {
		n, most = 1, maxStatements // the writer takes its turn with it, too
	}
	e.readers = make(chan *session, n)
	for range n {
		e.readers <- &session{most: most}
	}
}

// stopReaders waits for the reads under way, which readLimit bounds.
func (e *engine) stopReaders() {
	if e.readers == nil {
		return
	}
	for range cap(e.readers) {
		s := <-e.readers
		s.close()
	}
}

// maxReadStatements bounds the prepared statements of a reader: their memory is
// SQLite's own, and the server's is small.
const maxReadStatements = 64
