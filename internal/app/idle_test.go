package app_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// counted returns the URL of a way to a database that counts how often whoever uses it
// waits for an answer.
func counted(t *testing.T, url string) (through string, asked *atomic.Int64) {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	life := context.WithoutCancel(t.Context()) // the server ends after the test
	l, err := (&net.ListenConfig{}).Listen(life, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked = &atomic.Int64{}
	var open sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close() // ends the loop below
		open.Wait()
	})
	open.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(life, network, address)
			if err != nil {
				_ = client.Close() // which the client notices
				continue
			}
			open.Go(func() {
				_, _ = io.Copy(client, server)
				_ = client.Close()
			})
			open.Go(func() {
				defer func() { _ = server.Close() }()
				b := pgproto3.NewBackend(io.TeeReader(client, server), io.Discard)
				_, err := b.ReceiveStartupMessage()
				for err == nil {
					var m pgproto3.FrontendMessage
					m, err = b.Receive()
					switch m.(type) {
					case *pgproto3.Sync, *pgproto3.Query:
						asked.Add(1)
					}
				}
			})
		}
	})
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", cfg.User, l.Addr(), cfg.Database), asked
}

// TestAnIdleServerAsksLittle: each of what a server looks at now and then costs one
// message to PostgreSQL while there is nothing to do.
func TestAnIdleServerAsksLittle(t *testing.T) {
	t.Parallel()
	c := settings(t)
	url, asked := counted(t, testsvc.DurablePostgres(t))
	c.DatabaseURL = config.Secret(url)
	a := app.New(app.Options{Config: c})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	// 10 looks for work, 3 or 4 for lost instances, 2 or 3 renewals, as many at the
	// outbox, and what is asked once a minute.
	const most = 26
	var counts []int64
	for range 4 { // while it starts, there is more
		before := asked.Load()
		time.Sleep(10 * time.Second)
		counts = append(counts, asked.Load()-before)
		if n := counts[len(counts)-1]; n > 0 && n <= most {
			return
		}
	}
	t.Errorf("in 10 seconds each, it asks %d times, want at most %d", counts, most)
}
