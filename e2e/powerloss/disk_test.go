package powerloss

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3/vfs"
)

const walFlags = vfs.OPEN_WAL | vfs.OPEN_CREATE | vfs.OPEN_READWRITE

// open returns an empty disk with one open file. Its name is not on the medium
// before the first sync.
func open(t *testing.T, name string, o Options) (*Disk, *file) {
	t.Helper()
	o.Scratch = t.TempDir()
	d := NewDisk(name, o)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	f, _, err := d.Open("/f", walFlags)
	if err != nil {
		t.Fatal(err)
	}
	return d, f.(*file)
}

func write(t *testing.T, f *file, fill byte, size int, at int64) {
	t.Helper()
	if _, err := f.WriteAt(bytes.Repeat([]byte{fill}, size), at); err != nil {
		t.Fatal(err)
	}
}

// outcomes cuts the power under many seeds and returns what was found of /f:
// one letter per sector, "-" for a missing file.
func outcomes(t *testing.T, name string, o Options, prepare func(*file)) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for seed := range uint64(400) {
		o.Seed = seed
		id := name + "-" + strconv.FormatUint(seed, 10)
		d, f := open(t, id, o)
		prepare(f)
		n := d.Restore(id+"-after", Options{Scratch: t.TempDir()})
		if ino := n.now["/f"]; ino == nil {
			seen["-"]++
		} else {
			var text strings.Builder
			for at := 0; at < len(ino.data); at += sector {
				part := ino.data[at:min(at+sector, len(ino.data))]
				if bytes.Count(part, part[:1]) != len(part) {
					t.Fatalf("seed %d: a sector is torn", seed)
				}
				text.WriteByte(max(part[0], '0'))
			}
			seen[text.String()]++
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return seen
}

func TestDiskKeepsWhatWasSynced(t *testing.T) {
	t.Parallel()
	seen := outcomes(t, t.Name(), Options{}, func(f *file) {
		write(t, f, 'a', 3*sector, 0)
		if err := f.Sync(vfs.SYNC_FULL); err != nil {
			t.Fatal(err)
		}
	})
	if len(seen) != 1 || seen["aaa"] == 0 {
		t.Errorf("found %v, want only aaa", seen)
	}
}

func TestDiskLosesTearsAndReorders(t *testing.T) {
	t.Parallel()
	seen := outcomes(t, t.Name(), Options{}, func(f *file) {
		write(t, f, 'a', 3*sector, 0)
		if err := f.Sync(vfs.SYNC_FULL); err != nil {
			t.Fatal(err)
		}
		write(t, f, 'b', 2*sector, 0)
		write(t, f, 'c', 2*sector, sector)
		if err := f.Truncate(4 * sector); err != nil {
			t.Fatal(err)
		}
	})
	for outcome, why := range map[string]string{
		"aaa": "nothing survives", "bcc0": "all survives", "acc": "a write is dropped", "bba": "the last is dropped",
		"bbc": "the order changes", "baa": "a write is torn", "aaa0": "only the truncation survives",
	} {
		if seen[outcome] == 0 {
			t.Errorf("%s (%s) was never found: %v", outcome, why, seen)
		}
	}
}

func TestDiskForgetsNamesThatWereNotSynced(t *testing.T) {
	t.Parallel()
	seen := outcomes(t, t.Name(), Options{}, func(f *file) { write(t, f, 'a', sector, 0) })
	if seen["-"] == 0 || seen["a"] == 0 || seen[""] == 0 {
		t.Errorf("found %v, want no file, an empty one and a whole one", seen)
	}
	seen = outcomes(t, t.Name()+"Deleted", Options{}, func(f *file) {
		write(t, f, 'a', sector, 0)
		if err := f.Sync(vfs.SYNC_FULL); err != nil {
			t.Fatal(err)
		}
		if err := f.disk.Delete("/f", false); err != nil {
			t.Fatal(err)
		}
	})
	if len(seen) != 2 || seen["-"] == 0 || seen["a"] == 0 {
		t.Errorf("found %v, want no file and the old one", seen)
	}
}

// After a failed sync the next one reports success for pages that it does not
// write.
func TestDiskForgetsAfterFailedSync(t *testing.T) {
	t.Parallel()
	failing := false
	fault := func(op Op) error {
		if op == OpSync && failing {
			return errSync
		}
		return nil
	}
	seen := outcomes(t, t.Name(), Options{Fault: fault}, func(f *file) {
		for _, step := range []struct {
			fill byte
			fail bool
		}{{'a', false}, {'b', true}} {
			write(t, f, step.fill, sector, 0)
			failing = step.fail
			if err := f.Sync(vfs.SYNC_FULL); (err != nil) != step.fail {
				t.Fatalf("sync: %v", err)
			}
		}
		failing = false
		if err := f.Sync(vfs.SYNC_FULL); err != nil {
			t.Fatal(err)
		}
	})
	if len(seen) != 2 || seen["a"] == 0 || seen["b"] == 0 {
		t.Errorf("found %v, want a and b", seen)
	}
}

func TestDiskIsDeadAfterTheCut(t *testing.T) {
	t.Parallel()
	d, f := open(t, t.Name(), Options{CutAt: 3})
	write(t, f, 'a', sector, 0) // the second change, after the file's creation
	if _, err := f.WriteAt([]byte("b"), 0); !errors.Is(err, errPowerOff) {
		t.Errorf("the write at the cut returned %v", err)
	}
	if err := f.Sync(vfs.SYNC_FULL); !errors.Is(err, errPowerOff) {
		t.Errorf("a sync after the cut returned %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, errPowerOff) {
		t.Errorf("a read after the cut returned %v", err)
	}
	if _, _, err := d.Open("/g", walFlags); !errors.Is(err, errPowerOff) {
		t.Errorf("an open after the cut returned %v", err)
	}
}

// What a dead process wrote is there for the next one, and still unsynced.
func TestDiskKillKeepsTheCache(t *testing.T) {
	t.Parallel()
	d, f := open(t, t.Name(), Options{})
	write(t, f, 'a', sector, 0)
	n := d.Kill(t.Name()+"-after", Options{Scratch: t.TempDir()})
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	ino := n.now["/f"]
	if ino == nil || len(ino.data) != sector || len(ino.medium) != 0 || len(ino.unsynced) != 1 {
		t.Errorf("after the kill: %+v", ino)
	}
	if _, err := f.WriteAt([]byte("b"), 0); err == nil {
		t.Errorf("the dead process can write")
	}
}
