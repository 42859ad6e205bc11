package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store/floor"
)

// alone is how many changes a limit is found from that are made one after the other, and
// shared how many clients make at the same time.
const (
	alone  = 300
	shared = 10_000
)

// limits measures in each run, beside a scenario, what the same machine gives without the
// product. f gets an empty table in a database of its own.
func (b *bench) limits(ctx context.Context, f func(*floor.Table) error) (err error) {
	s, err := b.place(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove(context.WithoutCancel(ctx))) }()
	var t *floor.Table
	if s.url != "" {
		t, err = floor.PostgreSQL(ctx, s.url)
	} else {
		t, err = floor.SQLite(ctx, filepath.Join(s.data, "floor.db"))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	if err := f(t); err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	return nil
}

// limit adds what a run found to be the limit of a figure, in the figure's unit.
func (b *bench) limit(name, path string, value float64) {
	l := b.bounds[name]
	if l == nil {
		l = &report.Limit{Path: path}
		b.bounds[name] = l
	}
	l.Values = append(l.Values, value)
}

// limitDelays is limit of three percentiles, in milliseconds.
func (b *bench) limitDelays(names [3]string, path string, all []time.Duration) {
	slices.Sort(all)
	for i, p := range percentiles {
		b.limit(names[i], path, ms(report.Percentile(all, p)))
	}
}

func (b *bench) startLimits(ctx context.Context) error {
	return b.limits(ctx, func(t *floor.Table) error {
		b.limit(report.ColdStart, "database: opened, one table made", ms(t.Opened))
		return nil
	})
}

func (b *bench) latencyLimits(ctx context.Context) error {
	return b.limits(ctx, func(t *floor.Table) error {
		all, err := t.Pairs(ctx, alone)
		if err != nil {
			return err
		}
		b.limitDelays(startNames, "database: a row is added, then changed, a durable commit each", all)
		return nil
	})
}

func (b *bench) insertLimits(ctx context.Context) error {
	return b.limits(ctx, func(t *floor.Table) error {
		spent, all, err := t.Together(ctx, shared, b.Clients, 1)
		if err != nil {
			return err
		}
		path := fmt.Sprintf("database: rows of %d clients, one writer commits all that wait", b.Clients)
		b.limit(report.Insert, path, float64(len(all))/spent.Seconds())
		b.limitDelays(insertNames, path, all)
		if spent, err = t.Rows(ctx, b.Jobs, bulk); err != nil {
			return err
		}
		b.limit(report.Bulk, fmt.Sprintf("database: %d rows in a transaction", min(bulk, b.Jobs)), float64(b.Jobs)/spent.Seconds())
		return nil
	})
}

func (b *bench) drainLimits(ctx context.Context) error {
	return b.limits(ctx, func(t *floor.Table) error {
		if _, err := t.Rows(ctx, b.Jobs, bulk); err != nil {
			return err
		}
		spent, err := t.Work(ctx, b.Jobs, b.Workers)
		if err != nil {
			return err
		}
		b.limit(report.Drain, fmt.Sprintf("database: %d rows begin in a commit, and end in another", b.Workers), float64(b.Jobs)/spent.Seconds())
		return nil
	})
}

// stepsLimits: what is written together is a row for each step of a run in one commit.
func (b *bench) stepsLimits(ctx context.Context, at int) error {
	for _, k := range kindsOfSteps {
		rows := nodes
		if k.crash != "" {
			rows = 1
		}
		if err := b.limits(ctx, func(t *floor.Table) error {
			spent, all, err := t.Together(ctx, max(at, min(shared, b.Jobs/2)/rows), at, rows)
			if err != nil {
				return err
			}
			b.limit(fmt.Sprintf(k.measure, at), fmt.Sprintf("database: %d clients add %d rows at a time, one writer commits all that wait", at, rows),
				float64(len(all)*rows)/spent.Seconds())
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) queuedLimits(ctx context.Context) error {
	return b.limits(ctx, func(t *floor.Table) error {
		b.Say(fmt.Sprintf("queued, run %d of %d: %d rows without the product", b.turn+1, b.Runs, b.Jobs))
		if _, err := t.Rows(ctx, b.Jobs, bulk); err != nil {
			return err
		}
		pages, err := t.Pages(ctx, looks, pageSize)
		if err != nil {
			return err
		}
		slices.Sort(pages)
		b.limit(report.QueuedPage, "database: as many rows in the order of an index", ms(report.Percentile(pages, 50)))
		scan, err := t.Scan(ctx)
		if err != nil {
			return err
		}
		b.limit(report.QueuedReady, "database: one column of all rows", ms(scan))
		moves, err := t.Alone(ctx, looks, 1)
		if err != nil {
			return err
		}
		slices.Sort(moves)
		b.limit(report.QueuedMove, "database: one row in a durable commit", ms(report.Percentile(moves, 50)))
		return nil
	})
}

// fired is how many schedules' rows are changed in one commit.
const fired = 100

func (b *bench) schedulesLimits(ctx context.Context) error {
	return b.limits(ctx, func(t *floor.Table) error {
		if _, err := t.Rows(ctx, b.Jobs, bulk); err != nil {
			return err
		}
		spent, err := t.Fire(ctx, b.Jobs, fired)
		if err != nil {
			return err
		}
		path := fmt.Sprintf("database: %d rows are changed and as many added in a commit", fired)
		b.limit(report.SchedulesDue, path, ms(spent))
		b.limit(report.SchedulesRate, path, float64(b.Jobs)/spent.Seconds())
		return nil
	})
}

// frameBytes is how long a message is that is sent to viewers, about as long as the product's.
const frameBytes = 300

// viewersLimit measures connections to which one goroutine writes the same message, one
// after the other, read as the viewers read. No database takes part.
func (b *bench) viewersLimit(ctx context.Context, viewers int, r *rand.Rand) (err error) {
	h := &hall{got: make(chan seen, viewers), changes: min(b.Jobs, maxChanges)}
	defer h.close()
	out, err := h.wire(ctx, viewers)
	defer func() {
		for _, c := range out {
			err = errors.Join(err, c.Close())
		}
	}()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%d connections have not read %d messages after %v", viewers, h.changes, patience))
	defer cancel()
	all, err := h.changesSeen(ctx, r, func(_ context.Context, node string) error {
		text := `{"node_id":"` + node + `"}`
		text += strings.Repeat(" ", frameBytes-len(text))
		frame := append([]byte{0x81, 126, frameBytes >> 8, frameBytes & 0xff}, text...)
		for _, c := range out {
			if _, err := c.Write(frame); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.limitDelays(viewersNames(viewers), fmt.Sprintf("%d bytes written to %d connections, without a database", frameBytes, viewers), all)
	return nil
}

// wire connects viewers with nobody but this process, and returns the ends to write to.
func (h *hall) wire(ctx context.Context, n int) (out []net.Conn, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for range n {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return out, err
		}
		v := &viewer{conn: conn, in: bufio.NewReaderSize(conn, 4096)}
		h.viewers = append(h.viewers, v)
		other, err := l.Accept()
		if err != nil {
			return out, err
		}
		out = append(out, other)
	}
	for _, v := range h.viewers {
		h.reading.Go(func() { h.read(v) })
	}
	return out, nil
}

// percentiles are those that are told of delays.
var percentiles = [3]float64{50, 95, 99}

// since is the time from t on.
func since(t time.Time) time.Duration { return clock.System{}.Now().Sub(t) }
