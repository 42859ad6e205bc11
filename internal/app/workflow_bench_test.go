package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/testsvc"
	"github.com/runsheet/runsheet/internal/workflow"
)

// flowServer is a started server whose workflows are measured, through queue, engine
// and store.
type flowServer struct {
	b *testing.B
	a *App
}

// engines are the databases to measure; both are durable at each commit.
func engines(b *testing.B, f func(b *testing.B, url string)) {
	b.Run("sqlite", func(b *testing.B) { f(b, "") })
	b.Run("postgres", func(b *testing.B) { f(b, testsvc.DurablePostgres(b)) })
}

func startFlows(b *testing.B, url string, workers int) *flowServer {
	b.Helper()
	c := config.Config{
		Listen: "127.0.0.1:0", Data: b.TempDir(), DatabaseURL: config.Secret(url), Workers: workers, StopGrace: time.Second, LeaseTTL: 30 * time.Second,
		LogMaxBytes: 1 << 20, Timezone: "UTC",
	}
	a := New(Options{Config: c})
	if err := a.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := a.Stop(); err != nil {
			b.Error(err)
		}
	})
	return &flowServer{b, a}
}

// apply stores a definition.
func (f *flowServer) apply(name, nodes string) {
	f.b.Helper()
	text := []byte(fmt.Sprintf(`{"kind":"Workflow","workflow_id":%q,"nodes":%s}`, name, nodes))
	docs, problems := workflow.Read(name+".json", text, f.a.flows.kinds)
	if len(docs) != 1 || docs[0].Workflow == nil || workflow.Check(docs[0].Workflow, f.a.flows.kinds, problems) == nil {
		f.b.Fatalf("the definition is wrong: %v", problems.List())
	}
	now := clock.System{}.Now()
	sum := sha256.Sum256(text)
	_, err := f.a.store.Workflows.Apply(f.b.Context(), store.ApplyWorkflow{
		Tenant: access.DefaultTenant, ID: name, VersionID: id.New(id.Workflow, now), Definition: text, Hash: hex.EncodeToString(sum[:]), By: "bench", At: now, Activate: true,
	})
	if err != nil {
		f.b.Fatal(err)
	}
}

// add adds n runs in one transaction and returns their jobs.
func (f *flowServer) add(name string, n int) []string {
	f.b.Helper()
	now := clock.System{}.Now()
	var ids []string
	for n > 0 {
		part := min(n, 1000)
		list := make([]job.Job, part)
		for i := range list {
			list[i] = job.Job{
				ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Type: "workflow", Name: name, State: job.Queued, CreatedAt: now, QueuedAt: now, CreatedBy: "bench",
				Params: json.RawMessage(fmt.Sprintf(`{"workflow_id":%q,"version":1}`, name)), OnCrash: job.CrashResume,
			}
			ids = append(ids, list[i].ID)
		}
		if _, err := f.a.store.Jobs.Add(f.b.Context(), store.AddJobs{Jobs: list}); err != nil {
			f.b.Fatal(err)
		}
		n -= part
	}
	return ids
}

// until waits until what is true, and fails after some minutes.
func (f *flowServer) until(what string, ok func() bool) {
	f.b.Helper()
	for range 30_000 {
		if ok() {
			return
		}
		if clock.Sleep(f.b.Context(), clock.System{}, 10*time.Millisecond) != nil {
			break
		}
	}
	f.b.Fatalf("%s: not in time", what)
}

// drained waits until no run waits or works, and fails where one did not end well.
func (f *flowServer) drained() {
	f.b.Helper()
	f.until("the runs end", func() bool { // what asks the store is part of what is measured, so it asks last
		return f.a.engine.Active() == 0 && len(f.in(job.Queued)) == 0 && len(f.in(job.Running)) == 0
	})
	for _, j := range f.in(job.Failed) {
		f.b.Fatalf("a run failed: %+v", j.Failure)
	}
}

func (f *flowServer) in(state job.State) []job.Job {
	f.b.Helper()
	page, err := f.a.store.Jobs.List(f.b.Context(), store.ListJobs{Tenant: access.DefaultTenant, States: []job.State{state}, Sort: store.SortNewest, Limit: 1})
	if err != nil {
		f.b.Fatal(err)
	}
	return page.Jobs
}

func (f *flowServer) steps(jobID string) int64 {
	f.b.Helper()
	r, err := f.a.store.WorkflowRuns.Run(f.b.Context(), access.DefaultTenant, store.WorkflowRunID(jobID))
	if err != nil {
		f.b.Fatal(err)
	}
	return r.Seq
}

// cpu is what this process has used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sets are n nodes without work, one after the other.
func sets(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"node_id":"n%d","type":"data","data_type":"set","config":{"values":{"x":%d}}}`, i, i)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// BenchmarkRuns measures runs of ten nodes without work, from the claim to the end of
// the job. They only compute, so that their steps are written together.
func BenchmarkRuns(b *testing.B) { benchmarkRuns(b, sets(10)) }

// BenchmarkRunsApart is BenchmarkRuns with nodes that must not be repeated: the end of
// each, and the beginning of the next, is durable before that begins.
func BenchmarkRunsApart(b *testing.B) {
	benchmarkRuns(b, strings.ReplaceAll(sets(10), `"data_type":"set"`, `"data_type":"set","on_crash":"fail"`))
}

func benchmarkRuns(b *testing.B, nodes string) {
	engines(b, func(b *testing.B, url string) {
		for _, workers := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("concurrent=%d", workers), func(b *testing.B) {
				f := startFlows(b, url, workers)
				f.apply("ten", nodes)
				f.add("ten", workers)
				f.drained() // what is made once is made
				spent := cpu(b)
				b.ResetTimer()
				ids := f.add("ten", b.N)
				f.drained()
				b.StopTimer()
				b.ReportMetric(float64(10*b.N)/b.Elapsed().Seconds(), "nodes/s")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
				b.ReportMetric(float64((cpu(b)-spent).Microseconds())/float64(10*b.N), "cpu-us/node")
				b.ReportMetric(float64(f.steps(ids[0])), "steps/run")
			})
		}
	})
}

// BenchmarkMap measures a map of a thousand items without work; b.N is how many maps.
func BenchmarkMap(b *testing.B) {
	const items = 1000
	engines(b, func(b *testing.B, url string) {
		for _, every := range []int{1, 10, 100} {
			for _, at := range []int{1, 8} {
				b.Run(fmt.Sprintf("every=%d/concurrency=%d", every, at), func(b *testing.B) {
					f := startFlows(b, url, 1)
					f.apply("map", fmt.Sprintf(`[{"node_id":"all","type":"map","config":{"items":"{{ 1..%d }}","concurrency":%d,"checkpoint_every":%d,
						"nodes":[{"node_id":"one","type":"data","data_type":"set","config":{"values":{"x":"{{ item }}"}}}]}}]`, items, at, every))
					spent, written := cpu(b), wchar(b)
					b.ResetTimer()
					ids := f.add("map", b.N)
					f.drained()
					b.StopTimer()
					n := float64(items * b.N)
					b.ReportMetric(n/b.Elapsed().Seconds(), "items/s")
					b.ReportMetric(float64((cpu(b)-spent).Microseconds())/n, "cpu-us/item")
					b.ReportMetric(float64(f.steps(ids[0])), "steps/map")
					b.ReportMetric((wchar(b)-written)/n, "written-B/item")
				})
			}
		}
	})
}
