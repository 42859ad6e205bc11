package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// lateMark is a place that another instance marks after it was looked at once.
type lateMark struct {
	files
	mark  string
	looks int
}

func (l *lateMark) Read(ctx context.Context, name string) ([]byte, error) {
	if l.looks++; l.looks == 1 {
		return nil, fault.New(fault.ArtifactGone, "nothing yet")
	}
	if err := l.Write(ctx, name, []byte(l.mark+"\n")); err != nil {
		return nil, err
	}
	return l.files.Read(ctx, name)
}

// TestTwoFirstStarts: an instance that starts while another has entered the new
// place into the database, but has not marked it yet, uses the same place.
func TestTwoFirstStarts(t *testing.T) {
	t.Parallel()
	c := config.Config{Data: t.TempDir(), Workers: 1, BlobURL: "file://" + t.TempDir(), DatabaseURL: config.Secret(testsvc.DurablePostgres(t))}
	a := New(Options{Config: c})
	t.Cleanup(func() { _ = a.Stop() }) // only the place counts
	for _, step := range []func(context.Context) error{a.lockData, a.openReserve, a.openStore, a.openBlobs} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.store.Artifacts.Place(t.Context(), "place_other"); err != nil {
		t.Fatal(err)
	}
	a.blobs = &lateMark{files: a.blobs, mark: "place_other"}
	if err := a.claimPlace(t.Context()); err != nil || a.place != "place_other" || !a.owned {
		t.Errorf("place %q, owned %t: %v", a.place, a.owned, err)
	}
	if now, err := a.store.Artifacts.Place(t.Context(), "place_third"); err != nil || now != "place_other" {
		t.Errorf("the database names %q: %v", now, err)
	}
}

// TestAFolderOfAnotherDatabase: a server that is started with another database
// than usual does not remove what it does not know from the data folder.
func TestAFolderOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	use := func(c *config.Config) { c.Data = data }
	first := openOnly(t, use)
	if !first.owned {
		t.Fatal("the first database does not own its folder")
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(data, "runsheet.db")
	if err := os.Rename(db, db+".aside"); err != nil {
		t.Fatal(err)
	}
	second := openOnly(t, use)
	if second.owned {
		t.Error("a new database owns what the first one names")
	}
	// A removal that a server left which owned its folder holds up no artifact.
	if _, err := second.store.Retention.BeginRemoval(t.Context(), []string{"aa"}, clock.System{}.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	second.retain(t.Context())
	if left, err := second.store.Retention.Unended(t.Context(), clock.System{}.Now(), 10); err != nil || len(left) > 0 {
		t.Errorf("removals left: %v, %v", left, err)
	}
}

// slowBlobs need two minutes less a second for each removal.
type slowBlobs struct{ files }

func (slowBlobs) Delete(ctx context.Context, _ string, _ time.Time) (bool, error) {
	return true, clock.Sleep(ctx, clock.System{}, removalTime-time.Second)
}

type endings struct {
	store.Retention
	ended []string
}

func (e *endings) EndRemoval(_ context.Context, sums []string) error {
	e.ended = append(e.ended, sums...)
	return nil
}

// TestSlowRemovalsEnd before another server takes them over: both would remove
// the same content, one of them after it was put again.
func TestSlowRemovalsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endings{}
		a := &App{blobs: slowBlobs{}, store: store.Store{Retention: e}}
		begun := clock.System{}.Now()
		_, err := a.removeBlobs(t.Context(), slices.Repeat([]string{"aa"}, expireBatch), begun)
		if took := (clock.System{}).Now().Sub(begun); took > unendedAfter-removalTime || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a batch took %s: %v", took, err)
		}
		if len(e.ended) != expireBatch-1 {
			t.Errorf("%d marks were ended", len(e.ended))
		}
	})
}
