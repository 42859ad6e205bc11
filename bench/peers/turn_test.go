package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// steps is how many steps without work each run has.
const steps = 10

// run makes one run of ten steps and returns when it has ended durably.
type run func(n int) error

// measure is BenchmarkRuns of internal/app for another engine: b.N runs, some at once,
// after as many to warm up; the same names and units of what is reported.
func measure(b *testing.B, start func(b *testing.B, at int) run) {
	b.Helper()
	for _, at := range concurrency() {
		b.Run(fmt.Sprintf("concurrent=%d", at), func(b *testing.B) {
			one := start(b, at)
			all(b, one, at, at)
			spent := cpu(b)
			b.ResetTimer()
			all(b, one, at, b.N)
			b.StopTimer()
			b.ReportMetric(float64(steps*b.N)/b.Elapsed().Seconds(), "nodes/s")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
			b.ReportMetric(float64((cpu(b)-spent).Microseconds())/float64(steps*b.N), "cpu-us/node")
		})
	}
}

// all makes n runs, at most at of them at once.
func all(tb testing.TB, one run, at, n int) {
	tb.Helper()
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range at {
		wg.Go(func() {
			for i := range next {
				if err := one(i); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
}

// cpu is what this process has used so far, without the database server.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sqliteFile is a database of the given durability whose connections all have it, with
// the settings that DBOS gives its own pool.
func sqliteFile(tb testing.TB, synchronous string, conns int) (*sql.DB, string) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "peer.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(ON)&_pragma=synchronous("+synchronous+")")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db, path
}

// sqliteReader is a connection of its own to look at a file.
func sqliteReader(path string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=query_only(ON)")
}
