package backup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/backup"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// TestMigrateThereAndBack moves a store with work in all conditions to the other
// engine and back: order, conditions, keys and events stay, numbers go on, and
// servers refuse the old places.
func TestMigrateThereAndBack(t *testing.T) {
	t.Parallel()
	first, second, third := newHouse(t, false), newHouse(t, true), newHouse(t, false)
	s := first.mustOpen()
	key, order := first.furnish(s)
	events, err := s.Events.Since(t.Context(), tenant, 0, 1000)
	ok(t, err)
	want := rows(t, first.take(s))
	end(t, s)

	for _, step := range [][2]house{{first, second}, {second, third}} {
		from, to := step[0], step[1]
		o := backup.MigrateOptions{From: from.place(), To: to.place(), FilesFrom: from.dir, FilesTo: to.dir, Clock: clock.System{}, AllowUnsafe: true}
		rep, err := backup.Migrate(t.Context(), o)
		ok(t, err)
		if rep.Logs != 1 || rep.Blobs != 1 {
			t.Errorf("copied %d logs and %d artifacts", rep.Logs, rep.Blobs)
		}
		if _, err := from.open(); !fault.Is(err, fault.StoreMoved) || !strings.Contains(err.Error(), to.place().String()) {
			t.Errorf("the old place opens: %v", err)
		}
		if _, err := backup.Migrate(t.Context(), o); err == nil {
			t.Error("a second migration from the same place went through")
		}
		now := to.mustOpen()
		if d := cmp.Diff(order, waiting(t, now)); d != "" {
			t.Errorf("order (-want +got):\n%s", d)
		}
		again, err := now.Events.Since(t.Context(), tenant, 0, 1000)
		ok(t, err)
		if d := cmp.Diff(events, again); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		var replay *store.Replay
		if err := now.Keys.Find(t.Context(), *key); !errors.As(err, &replay) {
			t.Errorf("the idempotency key: %v", err)
		}
		got := rows(t, to.take(now))
		delete(got, "instances")
		delete(want, "instances")
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("rows (-want +got):\n%s", d)
		}
		added, err := now.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{{
			ID: id.New(id.Job, clock.System{}.Now()), Tenant: tenant, Name: "new", Type: "command", Params: []byte(`{}`), Priority: 9,
			OnCrash: job.CrashFail, Trigger: job.TriggerAPI,
		}}})
		ok(t, err)
		if added[0].Position != len(order) {
			t.Errorf("a new job is at %d of %d", added[0].Position, len(order))
		}
		order = waiting(t, now)
		if events, err = now.Events.Since(t.Context(), tenant, 0, 1000); err != nil || events[len(events)-1].Seq <= again[len(again)-1].Seq {
			t.Errorf("the new job's event is not behind the others: %v", err)
		}
		want = rows(t, to.take(now))
		end(t, now)
	}
}

// TestMigrateRefuses: a server at work, a target in use, a source that is none.
func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	lite, pg := newHouse(t, false), newHouse(t, true)
	s := lite.mustOpen()
	lite.furnish(s)
	migrate := func(from, to house) error {
		_, err := backup.Migrate(t.Context(), backup.MigrateOptions{From: from.place(), To: to.place(), Clock: clock.System{}, AllowUnsafe: true})
		return err
	}
	if err := migrate(lite, pg); err == nil || !strings.Contains(err.Error(), "another runsheet server") {
		t.Errorf("from a store in use: %v", err)
	}
	end(t, s)
	p := pg.mustOpen()
	ok(t, p.Leases.Register(t.Context(), store.Instance{ID: "alive", HostID: "h"}, 1<<40))
	if err := migrate(pg, newHouse(t, false)); !fault.Is(err, fault.OtherInstance) {
		t.Errorf("from a database in use: %v", err)
	}
	if err := migrate(lite, pg); !fault.Is(err, fault.OtherInstance) {
		t.Errorf("to a database in use: %v", err)
	}
	ok(t, p.Leases.Release(t.Context(), "alive", clock.System{}.Now()))
	end(t, p)
	if err := migrate(lite, pg); !fault.Is(err, fault.StoreNotEmpty) {
		t.Errorf("to a database with rows: %v", err)
	}
	if err := migrate(pg, lite); !fault.Is(err, fault.StoreNotEmpty) {
		t.Errorf("to a folder with a database: %v", err)
	}
	empty := newHouse(t, false)
	if err := migrate(empty, newHouse(t, true)); !fault.Is(err, fault.NotFound) {
		t.Errorf("from an empty folder: %v", err)
	}
	if left, err := os.ReadDir(empty.dir); err != nil || len(left) > 0 {
		t.Errorf("in the empty folder: %v %v", left, err)
	}
	none := newHouse(t, false)
	none.dir = filepath.Join(none.dir, "none")
	target := newHouse(t, false)
	target.dir = filepath.Join(target.dir, "new")
	if err := migrate(none, target); !fault.Is(err, fault.NotFound) {
		t.Errorf("from no folder: %v", err)
	}
	for _, dir := range []string{none.dir, target.dir} {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was made: %v", dir, err)
		}
	}
	if err := migrate(newHouse(t, true), newHouse(t, false)); !fault.Is(err, fault.NotFound) {
		t.Errorf("from an empty database: %v", err)
	}
	if err := migrate(lite, lite); !fault.Is(err, fault.InvalidInput) {
		t.Errorf("to itself: %v", err)
	}
	end(t, lite.mustOpen()) // none of this marked it
}

// TestKeepSource: with it, both places open, and only the source owns the place
// of the artifacts, in which both name content.
func TestKeepSource(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, false), newHouse(t, true)
	s := from.mustOpen()
	from.furnish(s)
	_, err := s.Artifacts.Place(t.Context(), "place_source")
	ok(t, err)
	end(t, s)
	_, err = backup.Migrate(t.Context(), backup.MigrateOptions{From: from.place(), To: to.place(), KeepSource: true, Clock: clock.System{}, AllowUnsafe: true})
	ok(t, err)
	for h, want := range map[house]string{from: "place_source", to: "place_new"} {
		s := h.mustOpen()
		got, err := s.Artifacts.Place(t.Context(), "place_new")
		ok(t, err)
		if got != want {
			t.Errorf("place of %v: %q, want %q", h.place(), got, want)
		}
		end(t, s)
	}
	if left, err := os.ReadDir(filepath.Join(to.dir)); err != nil || len(left) > 0 {
		t.Errorf("files in a folder that nobody named: %v %v", left, err)
	}
}

// TestMigrateKeepsTheBucket: a store whose logs go to another folder still owns
// the bucket of its artifacts.
func TestMigrateKeepsTheBucket(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, false), newHouse(t, false)
	s := from.mustOpen()
	_, err := s.Artifacts.Place(t.Context(), "place_bucket")
	ok(t, err)
	end(t, s)
	_, err = backup.Migrate(t.Context(), backup.MigrateOptions{
		From: from.place(), To: to.place(), FilesFrom: from.dir, FilesTo: to.dir, Clock: clock.System{}, AllowUnsafe: true,
	})
	ok(t, err)
	s = to.mustOpen()
	if got, err := s.Artifacts.Place(t.Context(), "place_new"); err != nil || got != "place_bucket" {
		t.Errorf("place %q: %v", got, err)
	}
	end(t, s)
}

// TestMigrateSaysWhatItLeft: a new folder without the logs that its runs name is
// no surprise, and the old folder needs no word.
func TestMigrateSaysWhatItLeft(t *testing.T) {
	t.Parallel()
	from := newHouse(t, true)
	s := from.mustOpen()
	from.furnish(s)
	end(t, s)
	migrate := func(to house, files string) string {
		t.Helper()
		o := backup.MigrateOptions{From: from.place(), To: to.place(), FilesTo: to.dir, FilesFrom: files, KeepSource: true, Clock: clock.System{}, AllowUnsafe: true}
		rep, err := backup.Migrate(t.Context(), o)
		ok(t, err)
		return rep.Hint
	}
	if hint := migrate(newHouse(t, false), ""); !strings.Contains(hint, "were not copied: --files-from") {
		t.Errorf("to a new folder: %q", hint)
	}
	if hint := migrate(newHouse(t, false), from.dir); hint != "" {
		t.Errorf("with the files: %q", hint)
	}
	if hint := migrate(house{t: t, dir: from.dir}, ""); hint != "" {
		t.Errorf("into the old folder: %q", hint)
	}
}
