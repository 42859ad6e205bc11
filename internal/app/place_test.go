package app

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
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
}
