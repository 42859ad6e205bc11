package app

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// wchar is how many bytes this process has written, into files and sockets.
func wchar(b *testing.B) float64 { return procField(b, "/proc/self/io", "wchar:") }

// rss is the memory that the process has, in bytes.
func rss(b *testing.B) float64 { return procField(b, "/proc/self/status", "VmRSS:") * 1024 }

func procField(b *testing.B, file, name string) float64 {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == name {
			n, err := strconv.ParseFloat(words[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatalf("%s has no %s", file, name)
	return 0
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// waiting is how many nodes of a workflow wait for an event.
func (f *flowServer) waiting(event string) int {
	f.b.Helper()
	n, p := 0, store.ListWaiting{Tenant: access.DefaultTenant, Event: event, Limit: 1000}
	for {
		page, err := f.a.store.WorkflowRuns.Waiting(f.b.Context(), p)
		if err != nil {
			f.b.Fatal(err)
		}
		if n += len(page); len(page) < p.Limit {
			return n
		}
		p.AfterRun, p.AfterNodeID = page[len(page)-1].RunID, page[len(page)-1].NodeID
	}
}

const waitThenSet = `[{"node_id":"wait","type":"wait","wait_type":"event","config":{"name":"go"}},
	{"node_id":"after","type":"data","data_type":"set","config":{"values":{"x":1}}}]`

// BenchmarkWaiting measures what runs cost that wait for an event: memory, processor
// time of an idle server, slots.
func BenchmarkWaiting(b *testing.B) {
	engines(b, func(b *testing.B, url string) {
		for _, n := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("runs=%d", n), func(b *testing.B) {
				f := startFlows(b, url, 32)
				f.apply("wait", waitThenSet)
				f.add("wait", 1)
				f.until("one waits", func() bool { return f.waiting("go") == 1 })
				_ = clock.Sleep(b.Context(), clock.System{}, time.Second)
				before, goroutines, resident := heap(), runtime.NumGoroutine(), rss(b)
				began := clock.System{}.Now()
				f.add("wait", n)
				f.until("all wait", func() bool { return f.waiting("go") == n+1 && f.a.engine.Active() == 0 })
				b.ReportMetric(float64(clock.System{}.Now().Sub(began).Microseconds())/float64(n), "us/park")
				_ = clock.Sleep(b.Context(), clock.System{}, time.Second)
				b.ReportMetric((heap()-before)/float64(n), "heap-B/run")
				b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
				b.ReportMetric((rss(b)-resident)/(1<<20), "rss-MB")
				const idle = 5 * time.Second
				spent := cpu(b)
				_ = clock.Sleep(b.Context(), clock.System{}, idle)
				b.ReportMetric(float64((cpu(b)-spent).Microseconds())/1000/idle.Seconds(), "idle-ms/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	})
}

// BenchmarkWake measures the time from the end of a wait until the node behind it has
// begun, one run at a time; b.N is how many.
func BenchmarkWake(b *testing.B) {
	engines(b, func(b *testing.B, url string) {
		b.Run("told", func(b *testing.B) {
			benchWake(b, startFlows(b, url, 4), waitThenSet, func(f *flowServer, runID string) time.Time {
				f.until("it waits", func() bool { return f.waiting("go") == 1 && f.a.engine.Active() == 0 })
				at := clock.System{}.Now()
				if err := f.a.store.WorkflowRuns.Wake(b.Context(), store.WakeNode{
					Tenant: access.DefaultTenant, RunID: runID, NodeID: "wait", For: workflow.WaitEvent, Data: []byte(`{}`),
				}); err != nil {
					b.Fatal(err)
				}
				return at
			})
		})
	})
}

func benchWake(b *testing.B, f *flowServer, nodes string, end func(*flowServer, string) time.Time) {
	f.apply("wait", nodes)
	all := make([]time.Duration, 0, b.N)
	for range b.N {
		runID := store.WorkflowRunID(f.add("wait", 1)[0])
		from := end(f, runID)
		f.drained()
		r, err := f.a.store.WorkflowRuns.Run(b.Context(), access.DefaultTenant, runID)
		if err != nil {
			b.Fatal(err)
		}
		if !from.IsZero() {
			all = append(all, r.State.Nodes["after"].StartedAt.Sub(from))
		}
	}
	if len(all) == 0 {
		b.Fatal("no wait was seen")
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}
