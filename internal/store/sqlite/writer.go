package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// batch is the most requests that share one commit.
const batch = 128

// engine is an open database.
type engine struct {
	clock   clock.Clock
	code    func(error) int
	options Options     // with defaults
	lock    *os.File    // nil = none
	opened  bool        // all of Open went well
	suspect atomic.Bool // the file or its disk gave an error that is no full disk
	writeDB *sql.DB
	readDB  *sql.DB
	keeper  *sql.Conn     // see keep
	shared  bool          // readDB is writeDB
	readers chan *session // those that are free
	wal     string        // path of the log, "" = none to watch
	onBatch func(requests int)
	era     atomic.Int64  // see Era
	commits atomic.Uint64 // see Commits
	*portable.Watchers

	requests chan *request
	rider    atomic.Pointer[request] // see Along
	stop     chan struct{}
	done     chan struct{}
	closing  sync.Once
}

// request is one write transaction that waits for its turn.
type request struct {
	ctx  context.Context
	f    func(context.Context, portable.Tx) error
	err  error
	done chan struct{}
}

func (e *engine) startWriter(ctx context.Context) error {
	var conn *sql.Conn
	if !e.shared { // else the readers' only one serves the writer, too
		var err error
		if conn, err = e.writeDB.Conn(ctx); err != nil {
			return fmt.Errorf("open writer: %w", err)
		}
	}
	e.requests = make(chan *request, batch)
	e.stop, e.done = make(chan struct{}), make(chan struct{})
	go e.write(conn)
	return nil
}

// Set is Write: the writer's transactions share their commits.
func (e *engine) Set(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	return e.Write(ctx, f)
}

// Write hands f to the writer and waits until it is durable.
func (e *engine) Write(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	r := &request{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case e.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stop:
		return closed()
	}
	select {
	case <-r.done:
		return r.err
	case <-e.done:
		// The writer ended; it may have served r before.
		select {
		case <-r.done:
			return r.err
		default:
			return closed()
		}
	}
}

// Along implements portable.Saving. One request can ride at a time; another one waits as
// if none could.
func (e *engine) Along(ctx context.Context, f func(context.Context, portable.Tx) error, wait store.Waiting) (rode bool, err error) {
	r := &request{ctx: ctx, f: f, done: make(chan struct{})}
	if !e.rider.CompareAndSwap(nil, r) {
		wait(nil)
		return false, nil
	}
	wait(r.done)
	if e.rider.CompareAndSwap(r, nil) {
		return false, nil
	}
	<-r.done // the writer has it, and answers all that it has
	return true, r.err
}

// ride runs the request that waits for something to start, if a request of the batch has
// told of that, and returns it.
func (e *engine) ride(ctx context.Context, w *session) []*request {
	if w.broken || !slices.ContainsFunc(w.hints, func(h store.Hint) bool { return h.Topic == store.HintQueue }) {
		return nil
	}
	r := e.rider.Swap(nil)
	if r == nil {
		return nil
	}
	mark := len(w.hints)
	if r.err = e.one(ctx, w, r); r.err != nil {
		w.hints = w.hints[:mark]
		return []*request{r}
	}
	for i, h := range w.hints[:mark] {
		w.hints[i].Claimed = h.Topic == store.HintQueue
	}
	return []*request{r}
}

func closed() error { return fault.New(fault.StorageUnavailable, "the database is closed") }

// write is the writer goroutine: it takes what waits, runs each request in a
// savepoint of one transaction, commits, and answers all. Nothing is answered
// before the commit.
func (e *engine) write(conn *sql.Conn) {
	defer close(e.done)
	w := &session{conn: conn}
	defer func() { w.close() }()
	var idle idleTimer
	defer idle.stop()
	for {
		var group []*request
		select {
		case r := <-e.requests:
			group = append(group, r)
		case <-idle.c:
			idle.stop()
			e.trimLog(w)
			continue
		case <-e.stop:
			return
		}
	drain:
		for len(group) < batch {
			select {
			case r := <-e.requests:
				group = append(group, r)
			default:
				break drain
			}
		}
		e.serve(w, group)
		if e.onBatch != nil {
			e.onBatch(len(group))
		}
		idle.reset(e.clock)
	}
}

// serve finds the connection for a batch, and runs it.
func (e *engine) serve(w *session, group []*request) {
	if e.shared {
		w = <-e.readers
		defer func() { e.readers <- w }()
	}
	if w.conn == nil {
		// The last batch failed at the disk: start over on a new connection, so
		// that SQLite looks at the file and its log afresh.
		var err error
		if w.conn, err = e.writeDB.Conn(context.Background()); err != nil {
			answer(group, e.classify(err))
			return
		}
		e.commits.Add(1) // what the failed batch left is only known now
	}
	e.commit(w, group)
}

// commit runs one batch.
func (e *engine) commit(w *session, group []*request) {
	ctx := context.Background() // a caller that gives up must not break the others' commit
	if err := w.run(ctx, "BEGIN IMMEDIATE"); err != nil {
		if e.fatal(err) {
			w.discard()
		}
		answer(group, e.classify(err))
		return
	}
	w.hints, w.wrote = w.hints[:0], false
	for _, r := range group {
		mark, wrote := len(w.hints), w.wrote
		w.aside = false
		if r.err = e.one(ctx, w, r); r.err != nil {
			w.hints = w.hints[:mark]
		}
		if w.aside {
			w.wrote = wrote
		}
		if w.broken {
			break
		}
	}
	group = append(group, e.ride(ctx, w)...)
	if !w.broken {
		if err := w.run(ctx, "COMMIT"); err != nil {
			w.failed(err)
		}
	}
	if w.broken {
		// What the disk holds is unknown until the file is opened again; never
		// repeat a sync that failed.
		err := e.classify(w.cause)
		e.era.Add(1)
		e.commits.Add(1)
		_ = w.run(ctx, "ROLLBACK") // may fail: the connection goes anyway
		w.discard()
		answer(group, err)
		return
	}
	if w.wrote {
		e.commits.Add(1) // after the commit, so that whoever reads it sees that, and before the answers
	}
	hints := append([]store.Hint(nil), w.hints...)
	for _, r := range group {
		close(r.done)
	}
	e.Send(hints)
}

// one runs a request in its savepoint. A request that fails leaves no trace.
func (e *engine) one(ctx context.Context, w *session, r *request) (err error) {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if err := w.run(ctx, "SAVEPOINT r"); err != nil {
		w.failed(err)
		return err
	}
	if err := r.f(ctx, w); err != nil {
		if e.fatal(err) {
			w.failed(err)
			return err
		}
		if rerr := w.run(ctx, "ROLLBACK TO r"); rerr != nil {
			w.failed(errors.Join(err, rerr))
			return err
		}
		if rerr := w.run(ctx, "RELEASE r"); rerr != nil {
			w.failed(errors.Join(err, rerr))
		}
		return e.classify(err)
	}
	if err := w.run(ctx, "RELEASE r"); err != nil {
		w.failed(err)
		return err
	}
	return nil
}

func answer(group []*request, err error) {
	for _, r := range group {
		r.err = err
		close(r.done)
	}
}

// Close waits for the batch under way, checkpoints the log and frees the file.
func (e *engine) Close() error {
	var err error
	e.closing.Do(func() {
		if e.stop != nil {
			close(e.stop)
			<-e.done
		}
		e.stopReaders()
		if e.keeper != nil {
			err = errors.Join(err, e.keeper.Close())
		}
		if e.readDB != nil && !e.shared {
			err = errors.Join(err, e.readDB.Close())
		}
		if e.writeDB != nil {
			err = errors.Join(err, e.writeDB.Close())
		}
		if e.lock != nil {
			if e.opened && err == nil && !e.suspect.Load() {
				markClosed(e.lock, e.options.Path)
			}
			err = errors.Join(err, e.lock.Close())
		}
	})
	return err
}
