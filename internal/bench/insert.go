package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// caller is one connection that adds jobs over HTTP. It does as little as it can:
// it shares the processors with the server.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
	head string
}

func (s *server) dial(ctx context.Context) (*caller, error) {
	addr := strings.TrimPrefix(s.local.URL, "http://")
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &caller{conn, bufio.NewReader(conn), "POST /api/jobs HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer " + s.local.Token +
		"\r\nContent-Type: application/json\r\nContent-Length: "}, nil
}

// add adds a job and returns its id, when the server has acknowledged it.
func (c *caller) add(name string) (string, error) {
	body := `{"job_type":"` + noopType + `","name":"` + name + `","params":{}}`
	if err := c.conn.SetDeadline(clock.System{}.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c.conn, "%s%d\r\n\r\n%s", c.head, len(body), body); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	answer, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("POST /api/jobs answers %d: %.300s", res.StatusCode, answer)
	}
	_, rest, found := bytes.Cut(answer, []byte(`"job_id":"`))
	jobID, _, closed := bytes.Cut(rest, []byte(`"`))
	if !found || !closed {
		return "", fmt.Errorf("POST /api/jobs answers without a job_id: %.300s", answer)
	}
	return string(jobID), nil
}

// insert measures how fast jobs come in: one at a time over HTTP on many connections,
// and many in a transaction. None of them is started.
func (b *bench) insert(ctx context.Context) error {
	return b.each(ctx, func() error {
		if err := b.insertLimits(ctx); err != nil {
			return err
		}
		if err := b.with(ctx, 0, func(s *server) error { return b.profiled("insert", func() error { return s.insertEach(ctx) }) }); err != nil {
			return err
		}
		return b.with(ctx, 0, func(s *server) error {
			began := clock.System{}.Now()
			var spent time.Duration
			if err := b.profiled("bulk", func() error {
				_, err := s.add(ctx, b.Jobs)
				spent = since(began)
				return err
			}); err != nil {
				return err
			}
			b.note(report.Bulk, fmt.Sprintf("store, %d jobs in a transaction, 1 client", min(bulk, b.Jobs)), b.Jobs, float64(b.Jobs)/spent.Seconds())
			return s.counted(ctx, job.Queued, b.Jobs)
		})
	})
}

var insertNames = [3]string{report.InsertP50, report.InsertP95, report.InsertP99}

func (s *server) insertEach(ctx context.Context) error {
	b := s.b
	var left atomic.Int64
	left.Store(int64(b.Jobs))
	var mu sync.Mutex
	var ids []string
	var delays []time.Duration
	var failed error
	callers, err := s.callers(ctx, b.Clients)
	if err != nil {
		return err
	}
	began := clock.System{}.Now()
	var all sync.WaitGroup
	for _, c := range callers {
		all.Go(func() {
			var mine []string
			var took []time.Duration
			var err error
			for err == nil && left.Add(-1) >= 0 {
				at := clock.System{}.Now()
				var one string
				if one, err = c.add("bench"); err == nil {
					mine, took = append(mine, one), append(took, since(at))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			ids, delays, failed = append(ids, mine...), append(delays, took...), errors.Join(failed, err, c.conn.Close())
		})
	}
	// A connection that is closed ends what waits for its answer.
	stop := context.AfterFunc(ctx, func() {
		for _, c := range callers {
			_ = c.conn.Close()
		}
	})
	all.Wait()
	spent := since(began)
	if !stop() {
		return ctx.Err()
	}
	if failed != nil {
		return failed
	}
	if err := s.stored(ctx, ids); err != nil {
		return err
	}
	path := fmt.Sprintf("POST /api/jobs, %d connections", b.Clients)
	b.note(report.Insert, path, b.Jobs, float64(len(ids))/spent.Seconds())
	b.delays(insertNames, path, b.Jobs, delays)
	return nil
}

func (s *server) callers(ctx context.Context, n int) ([]*caller, error) {
	var out []*caller
	for range n {
		c, err := s.dial(ctx)
		if err != nil {
			for _, c := range out {
				err = errors.Join(err, c.conn.Close())
			}
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// stored returns an error unless the store has exactly these jobs.
func (s *server) stored(ctx context.Context, ids []string) error {
	if len(ids) != s.b.Jobs {
		return fmt.Errorf("%d jobs were acknowledged, of %d", len(ids), s.b.Jobs)
	}
	var found []string
	p := store.ListJobs{Tenant: access.DefaultTenant, Sort: store.SortNewest, Limit: bulk}
	for {
		page, err := s.store.Jobs.List(ctx, p)
		if err != nil {
			return err
		}
		for _, j := range page.Jobs {
			found = append(found, j.ID)
		}
		if !page.More {
			break
		}
		last := page.Jobs[len(page.Jobs)-1]
		p.After = &store.JobMark{Rank: last.Rank, CreatedAt: last.CreatedAt, ID: last.ID}
	}
	want := slices.Clone(ids)
	slices.Sort(want)
	slices.Sort(found)
	if !slices.Equal(want, found) {
		return fmt.Errorf("%d jobs were acknowledged, and the store has %d others or fewer", len(ids), len(found))
	}
	return nil
}
