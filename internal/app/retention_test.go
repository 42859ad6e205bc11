package app

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// files of two servers: what retention does needs no listening server.
func openOnly(t *testing.T, change func(*config.Config)) *App {
	t.Helper()
	c := config.Config{Data: t.TempDir(), Workers: 4, LogMaxBytes: 1 << 20, RetentionDays: 30}
	if change != nil {
		change(&c)
	}
	a := New(Options{Config: c, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := a.lockData(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.openReserve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.openStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.openFiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.makeTasks(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// attempt claims a new job.
func (a *App) attempt(t *testing.T) store.Claimed {
	t.Helper()
	now := clock.System{}.Now()
	j := job.Job{
		ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Name: "j", Type: "command", Params: []byte(`{}`), Priority: job.PriorityNormal,
		OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedBy: "t", CreatedAt: now, QueuedAt: now,
	}
	if _, err := a.store.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{j}}); err != nil {
		t.Fatal(err)
	}
	c, err := a.store.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "i", Room: 1, Decide: claim.Decide})
	if err != nil || len(c.Started) != 1 {
		t.Fatalf("claim: %+v, %v", c, err)
	}
	return c.Started[0]
}

// keep stores an artifact as an attempt does.
func (a *App) keep(t *testing.T, c store.Claimed, name, content string) run.Artifact {
	now := clock.System{}.Now()
	art := run.Artifact{ID: id.New(id.Artifact, now), Tenant: c.Run.Tenant, RunID: c.Run.ID, Name: name, MediaType: "text/plain", CreatedAt: now}
	_, _, err := a.blobs.Put(t.Context(), strings.NewReader(content), func(sum string, size int64) error {
		art.SHA256, art.Size = sum, size
		for {
			err := a.store.Artifacts.Reserve(t.Context(), store.Reservation{
				ArtifactID: art.ID, Tenant: art.Tenant, RunID: art.RunID, Name: name, SHA256: sum, Size: size, Until: now.Add(time.Hour),
			})
			if !fault.Is(err, fault.StorageBusy) {
				return err
			}
		}
	})
	if err == nil {
		err = a.store.Artifacts.Put(t.Context(), art, c.Run.Epoch, store.ArtifactLimits{})
	}
	if err != nil {
		t.Errorf("keep %s: %v", name, err)
	}
	return art
}

func (a *App) end(t *testing.T, c store.Claimed, at time.Time) {
	t.Helper()
	jc, err := job.Apply(c.Job, job.Succeeded{At: at})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := run.Apply(c.Run, run.Succeeded{At: at})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.store.Jobs.Finish(t.Context(), []store.Finish{{Job: jc, Run: rc}})[0]; err != nil {
		t.Fatal(err)
	}
}

func (a *App) has(t *testing.T, sum string) bool {
	t.Helper()
	r, _, err := a.blobs.Open(t.Context(), sum)
	if err == nil {
		_ = r.Close() // only looked at
	}
	return err == nil
}

func (a *App) register(t *testing.T) {
	t.Helper()
	if err := a.store.Leases.Register(t.Context(), store.Instance{ID: "i", HostID: a.hostID(), Hostname: "h"}, time.Hour); err != nil {
		t.Fatal(err)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	shared := t.TempDir()
	for name, change := range map[string]func(*config.Config){
		"data folder": nil,
		"shared":      func(c *config.Config) { c.BlobURL = "file://" + shared },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := openOnly(t, change)
			a.register(t)
			now := clock.System{}.Now()
			old, young := a.attempt(t), a.attempt(t)
			own, both := a.keep(t, old, "own", "only the old one has this"), a.keep(t, old, "both", "both have this")
			a.keep(t, young, "both", "both have this")
			for _, c := range []store.Claimed{old, young} {
				w, err := a.logs.Writer(c.Run.ID)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintln(w, "said")
				w.Close()
				a.logs.Settle(t.Context(), c.Run.ID)
			}
			a.end(t, old, now.AddDate(0, 0, -31))
			a.end(t, young, now)
			a.retain(t.Context())
			if a.has(t, own.SHA256) || !a.has(t, both.SHA256) {
				t.Errorf("content: own %v, both %v", a.has(t, own.SHA256), a.has(t, both.SHA256))
			}
			if _, err := a.logs.Read(t.Context(), old.Run.ID, -1); !fault.Is(err, fault.LogGone) {
				t.Errorf("the old log: %v", err)
			}
			if r, err := a.logs.Read(t.Context(), young.Run.ID, -1); err != nil {
				t.Errorf("the young log: %v", err)
			} else if b, err := io.ReadAll(r); string(b) != "said\n" || err != nil {
				t.Errorf("the young log: %q, %v", b, err)
			}
			if _, err := a.store.Runs.Run(t.Context(), access.DefaultTenant, old.Run.ID); !fault.Is(err, fault.NotFound) {
				t.Errorf("the old run: %v", err)
			}
		})
	}
}

// TestLegacyCallsAreKept: what was counted last is there after a stop, and goes after
// 30 days.
func TestLegacyCallsAreKept(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), clock.System{}.Now()
	same := func(c *config.Config) { c.Data = dir }
	first := openOnly(t, same)
	if err := first.store.LegacyCalls.Add(t.Context(), []store.LegacyCalled{{Tenant: "t", Client: "ci", Operation: "get", Count: 5, LastAt: now.AddDate(0, 0, -31)}}); err != nil {
		t.Fatal(err)
	}
	first.startTally(t.Context()).Count("t", "ci", "get")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := openOnly(t, same)
	for _, want := range []int64{6, 1} {
		got, err := second.store.LegacyCalls.Usage(t.Context(), store.AskLegacyUsage{Since: now.AddDate(0, 0, -60), Limit: 9})
		if err != nil || len(got.Calls) != 1 || got.Calls[0].Count != want {
			t.Errorf("%+v, want %d: %v", got, want, err)
		}
		second.retain(t.Context())
	}
}

// TestContentThatIsUsedAgainStays: one server removes what nobody names while
// another stores the same content.
func TestContentThatIsUsedAgainStays(t *testing.T) {
	t.Parallel()
	a := openOnly(t, nil)
	a.register(t)
	c := a.attempt(t)
	for i := range 150 {
		content := fmt.Sprint("content ", i)
		sum, _, err := a.blobs.Put(t.Context(), strings.NewReader(content), nil)
		if err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := a.removeUnnamed(t.Context(), []string{sum}, clock.System{}.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() { a.keep(t, c, fmt.Sprint(i), content) })
		both.Wait()
		if !a.has(t, sum) {
			t.Fatalf("round %d: an artifact has lost its content", i)
		}
	}
}

func TestOrphansGo(t *testing.T) {
	t.Parallel()
	a := openOnly(t, nil)
	sum, _, err := a.blobs.Put(t.Context(), strings.NewReader("nobody's"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.sweepBlobs(t.Context()); err != nil || !a.has(t, sum) {
		t.Errorf("young content: %v", err)
	}
	if n, err := a.removeUnnamed(t.Context(), []string{sum}, clock.System{}.Now().Add(time.Hour)); err != nil || n != 1 || a.has(t, sum) {
		t.Errorf("removed %d, %v", n, err)
	}
	if left, err := a.store.Retention.Unended(t.Context(), clock.System{}.Now().Add(time.Hour), 10); err != nil || len(left) != 0 {
		t.Errorf("removals left: %v, %v", left, err)
	}
}

// TestAForeignPlaceIsRefused: another database's content must not be swept.
func TestAForeignPlaceIsRefused(t *testing.T) {
	t.Parallel()
	place := "file://" + t.TempDir()
	first := openOnly(t, func(c *config.Config) { c.BlobURL = place })
	if !first.owned || first.place == "" {
		t.Errorf("owned %v, place %q", first.owned, first.place)
	}
	second := New(Options{Config: config.Config{Data: t.TempDir(), BlobURL: place, Workers: 1}})
	t.Cleanup(func() { _ = second.Stop() }) // it did not start
	if err := second.lockData(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.openStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.openFiles(t.Context()); !fault.Is(err, fault.OtherInstance) {
		t.Errorf("a place of another installation: %v", err)
	}
}
