// Package floor measures what a database gives on a machine with next to nothing around
// it: one table of eight columns, with a primary key and one index, and for each thing
// that a queue does with its rows the cheapest statements that do it durably. No product
// can be faster than this on the same machine, whatever it leaves out; how far one stays
// below says what it pays for all that it does besides. `runsheet bench` shows it as the
// limit of a figure.
//
// It is for measurements. A Table is not safe for concurrent use.
package floor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// row is one row: as many columns as a small job has, and 200 bytes of text.
type row struct{ id, rank, class, name, kind, params string }

const paramsBytes = 200

// engine is a database. Each change is one transaction, durable when the call returns.
type engine interface {
	add(ctx context.Context, rows []row) error
	// begin marks the first n rows of the order that have not begun, and returns their ids.
	begin(ctx context.Context, n int) ([]string, error)
	end(ctx context.Context, ids []string) error
	// fire marks as many rows as it adds.
	fire(ctx context.Context, rows []row) error
	// page reads n rows in the order of the index from rank on, all reads the rank of every
	// row; both return how many there were.
	page(ctx context.Context, rank string, n int) (int, error)
	all(ctx context.Context) (int, error)
	close(ctx context.Context) error
}

// Table is an empty table in a database of its own.
type Table struct {
	e    engine
	rows int
	// Opened is how long it took to connect and to make the table.
	Opened time.Duration
}

// SQLite makes the file, with the settings of the product: a write-ahead log,
// synchronous=FULL.
func SQLite(ctx context.Context, path string) (*Table, error) {
	return open(func() (engine, error) { return openSQLite(ctx, path) })
}

// PostgreSQL makes the table in the database that url names, with the settings of the
// server.
func PostgreSQL(ctx context.Context, url string) (*Table, error) {
	return open(func() (engine, error) { return openPostgres(ctx, url) })
}

func open(f func() (engine, error)) (*Table, error) {
	began := clock.System{}.Now()
	e, err := f()
	if err != nil {
		return nil, fmt.Errorf("make a table: %w", err)
	}
	return &Table{e: e, Opened: since(began)}, nil
}

// Close disconnects. Whoever gave the database removes it.
func (t *Table) Close(ctx context.Context) error { return t.e.close(ctx) }

// next makes n rows behind those that there are.
func (t *Table) next(n int) []row {
	out := make([]row, n)
	params := strings.Repeat("x", paramsBytes)
	for i := range out {
		t.rows++
		key := fmt.Sprintf("%012d", t.rows)
		out[i] = row{id: "job_" + key, rank: key, class: "", name: "bench", kind: "noop", params: params}
	}
	return out
}

// Alone returns how long each of n changes took that add so many rows, each durable
// before the next.
func (t *Table) Alone(ctx context.Context, n, rows int) ([]time.Duration, error) {
	out := make([]time.Duration, n)
	for i := range out {
		more := t.next(rows)
		at := clock.System{}.Now()
		if err := t.e.add(ctx, more); err != nil {
			return nil, err
		}
		out[i] = since(at)
	}
	return out, nil
}

// Pairs returns how long each of n pairs of changes took: a row is added, and begun.
func (t *Table) Pairs(ctx context.Context, n int) ([]time.Duration, error) {
	out := make([]time.Duration, n)
	for i := range out {
		more := t.next(1)
		at := clock.System{}.Now()
		if err := t.e.add(ctx, more); err != nil {
			return nil, err
		}
		if _, err := t.begin(ctx, 1); err != nil {
			return nil, err
		}
		out[i] = since(at)
	}
	return out, nil
}

func (t *Table) begin(ctx context.Context, n int) ([]string, error) {
	ids, err := t.e.begin(ctx, n)
	if err == nil && len(ids) != n {
		err = fmt.Errorf("%d rows have begun, want %d", len(ids), n)
	}
	return ids, err
}

// asked is what one client waits for.
type asked struct {
	rows []row
	done chan error
}

// Together returns how long n changes took of clients that each wait for their own, and
// how long each was waited for: one writer makes one transaction of all that are asked
// for at a moment. Each adds so many rows.
func (t *Table) Together(ctx context.Context, n, clients, rows int) (spent time.Duration, delays []time.Duration, err error) {
	clients = min(clients, n)
	ask := make(chan asked, clients)
	each := make([][]time.Duration, clients)
	all := make([][][]row, clients) // made before: what is measured is the database
	for i := range clients {
		for range n / clients {
			all[i] = append(all[i], t.next(rows))
		}
	}
	var clientsEnd sync.WaitGroup
	began := clock.System{}.Now()
	for i := range clients {
		clientsEnd.Go(func() {
			done := make(chan error, 1)
			for _, mine := range all[i] {
				at := clock.System{}.Now()
				ask <- asked{mine, done}
				if <-done != nil {
					return // the writer tells it
				}
				each[i] = append(each[i], since(at))
			}
		})
	}
	go func() {
		clientsEnd.Wait()
		close(ask)
	}()
	for first := range ask {
		err = errors.Join(err, t.commit(ctx, first, ask))
	}
	spent = since(began)
	for _, d := range each {
		delays = append(delays, d...)
	}
	return spent, delays, err
}

// commit makes one change of what is asked for now.
func (t *Table) commit(ctx context.Context, first asked, ask <-chan asked) error {
	list, rows := []asked{first}, first.rows
	for more := true; more; {
		select {
		case next, ok := <-ask:
			if more = ok; ok {
				list, rows = append(list, next), append(rows, next.rows...)
			}
		default:
			more = false
		}
	}
	err := t.e.add(ctx, rows)
	for _, a := range list {
		a.done <- err
	}
	return err
}

// Rows returns how long it took to add n rows, as many in a transaction as batch says.
func (t *Table) Rows(ctx context.Context, n, batch int) (time.Duration, error) {
	var spent time.Duration
	for left := n; left > 0; left -= batch {
		rows := t.next(min(batch, left))
		at := clock.System{}.Now()
		if err := t.e.add(ctx, rows); err != nil {
			return 0, err
		}
		spent += since(at)
	}
	return spent, nil
}

// Work returns how long it took to begin and to end n rows, of those that there are, in
// the order of the index: batch of them begin in one transaction, and end in another.
func (t *Table) Work(ctx context.Context, n, batch int) (time.Duration, error) {
	began := clock.System{}.Now()
	for left := n; left > 0; left -= batch {
		ids, err := t.begin(ctx, min(batch, left))
		if err != nil {
			return 0, err
		}
		if err := t.e.end(ctx, ids); err != nil {
			return 0, err
		}
	}
	return since(began), nil
}

// Fire returns how long it took to change n rows, of those that there are, and to add one
// for each, batch at a time: what schedules that are due at one moment cost at least.
func (t *Table) Fire(ctx context.Context, n, batch int) (time.Duration, error) {
	var spent time.Duration
	for left := n; left > 0; left -= batch {
		rows := t.next(min(batch, left))
		at := clock.System{}.Now()
		if err := t.e.fire(ctx, rows); err != nil {
			return 0, err
		}
		spent += since(at)
	}
	return spent, nil
}

// Pages returns how long each of so many looks took at n rows in the order of the index.
func (t *Table) Pages(ctx context.Context, looks, n int) ([]time.Duration, error) {
	out := make([]time.Duration, looks)
	for i := range out {
		at := clock.System{}.Now()
		got, err := t.e.page(ctx, "", n)
		if err != nil {
			return nil, err
		}
		if got != min(n, t.rows) {
			return nil, fmt.Errorf("a page has %d rows, want %d", got, min(n, t.rows))
		}
		out[i] = since(at)
	}
	return out, nil
}

// Scan returns how long it took to read the place of each row.
func (t *Table) Scan(ctx context.Context) (time.Duration, error) {
	began := clock.System{}.Now()
	n, err := t.e.all(ctx)
	if err == nil && n != t.rows {
		err = fmt.Errorf("the table has %d rows, want %d", n, t.rows)
	}
	return since(began), err
}

func since(t time.Time) time.Duration { return clock.System{}.Now().Sub(t) }
