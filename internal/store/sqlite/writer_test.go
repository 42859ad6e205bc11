package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

var base = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newJob() job.Job {
	return job.Job{
		ID: id.New(id.Job, base), Tenant: "default", Name: "j", Type: "command", Params: []byte(`{}`), Priority: 5,
		OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: base, QueuedAt: base,
	}
}

func addOne(t testing.TB, s store.Store, k *store.Key) error {
	_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: k})
	return err
}

// failing is a key whose answer cannot be made: the request fails at its end.
func failing(err error) *store.Key {
	return &store.Key{
		Tenant: "default", Text: id.New(id.Request, base), Now: base, Expires: base.Add(time.Hour),
		Render: func(any) (store.Reply, error) { return store.Reply{}, err },
	}
}

func count(t testing.TB, s store.Store) int {
	t.Helper()
	n, err := s.Jobs.Counts(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	return n[job.Queued]
}

// TestWaitingRequestsShareACommit also lets every fifth request fail: it must
// leave the others in its batch intact.
func TestWaitingRequestsShareACommit(t *testing.T) {
	t.Parallel()
	spy, d := newSpy(t)
	s := closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "a.db"), Driver: d}))
	const n = 100
	boom := errors.New("boom")
	before := spy.commits.Load()
	// The first request holds the writer until all others wait behind it.
	entered, release := make(chan struct{}), make(chan struct{})
	first := failing(nil)
	first.Render = func(any) (store.Reply, error) {
		close(entered)
		<-release
		return store.Reply{}, nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := addOne(t, s, first); err != nil {
			t.Error(err)
		}
	})
	<-entered
	var started sync.WaitGroup
	started.Add(n)
	for i := range n {
		wg.Go(func() {
			var k *store.Key
			if i%5 == 0 {
				k = failing(boom)
			}
			started.Done()
			if err := addOne(t, s, k); (k == nil) != (err == nil) || k != nil && !errors.Is(err, boom) {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	started.Wait()
	close(release)
	wg.Wait()
	if got := count(t, s); got != 1+n*4/5 {
		t.Errorf("%d jobs, want %d", got, 1+n*4/5)
	}
	if got := spy.commits.Load() - before; got > n/2 {
		t.Errorf("%d commits for %d concurrent requests", got, n+1)
	}
}

func TestAFailedCommitReachesEveryoneAndIsNotRepeated(t *testing.T) {
	t.Parallel()
	spy, d := newSpy(t)
	s := closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "a.db"), Driver: d}))
	if err := addOne(t, s, nil); err != nil {
		t.Fatal(err)
	}
	spy.failCommit.Store(1)
	before := spy.commits.Load()
	if err := addOne(t, s, nil); !fault.Is(err, fault.StorageUnavailable) {
		t.Fatalf("err = %v, want storage_unavailable", err)
	}
	if got := spy.commits.Load(); got != before {
		t.Error("the failed commit was tried again")
	}
	if err := addOne(t, s, nil); err != nil {
		t.Fatalf("the next request, on a new connection: %v", err)
	}
	if got := count(t, s); got != 2 {
		t.Errorf("%d jobs, want 2: the failed one must be gone", got)
	}
}

func TestASecondServerIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	s := closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: path}))
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Path: path}); err == nil {
		t.Fatal("one file was opened twice")
	}
	if err := addOne(t, s, nil); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
	if err := s.Health.Close(); err != nil {
		t.Fatal(err)
	}
	again := closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: path}))
	if got := count(t, again); got != 1 {
		t.Errorf("%d jobs after opening again, want 1", got)
	}
}

// TestFilesArePrivate: nobody else may read what jobs were given, whatever the
// mode of the folder. The copy before a migration holds the same.
func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no modes here")
	}
	dir := t.TempDir()
	s := closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "new.db")}))
	if err := addOne(t, s, nil); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "old.db")
	db, err := sql.Open("sqlite", old)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE something (a text)`); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), os.Chmod(old, 0o600)); err != nil {
		t.Fatal(err)
	}
	closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: old}))
	if st, err := os.Stat(old + ".before-migration"); err != nil || st.Size() == 0 {
		t.Errorf("no copy: %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 6 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if st, err := f.Info(); err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v", f.Name(), st.Mode(), err)
		}
	}
}

// TestDurabilitySettings reads what the file itself remembers and, through the
// driver, what each connection is told.
func TestDurabilitySettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	var seen []string
	_, d := newSpy(t)
	dsn := d.DSN
	d.DSN = func(path string, pragmas []string, readOnly bool) string {
		seen = append(seen, dsn(path, pragmas, readOnly))
		return seen[len(seen)-1]
	}
	s := closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: path, Driver: d}))
	if err := addOne(t, s, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range seen {
		db, err := sql.Open("sqlite", name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
			var got string
			if err := db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s = %q, %v; want %q", pragma, got, err, want)
			}
		}
	}
	if st, err := os.Stat(path + "-wal"); err != nil || st.Size() == 0 {
		t.Errorf("no log beside the database: %v", err)
	}
}

// TestAReaderSeesOneState lists pairs of jobs that are added together, while
// they are: a torn pair would be half a transaction.
func TestAReaderSeesOneState(t *testing.T) {
	t.Parallel()
	s := openFile(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(), newJob()}}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 200 {
		if n := count(t, s); n%2 != 0 {
			t.Errorf("a reader saw %d jobs", n)
		}
	}
	close(stop)
	wg.Wait()
}

// batches counts the transactions of a new database from its opening to its closing, with f
// in between. It counts at the end because a batch is told after its answers.
func batches(t *testing.T, f func(s store.Store)) (n int) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "runsheet.db"), OnBatch: func(int) { n++ }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Leases.Register(t.Context(), store.Instance{ID: "a", HostID: "h"}, time.Hour); err != nil {
		t.Error(err)
	}
	f(s)
	if err := s.Health.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAClaimRides: a job that comes while a claim waits is added and started by one
// commit.
func TestAClaimRides(t *testing.T) {
	t.Parallel()
	none := batches(t, func(store.Store) {})
	one := batches(t, func(s store.Store) {
		c, rode, err := s.Queue.Await(t.Context(), store.ClaimJobs{Instance: "a", Room: 1, Decide: claim.Decide}, func(rode <-chan struct{}) {
			if err := addOne(t, s, nil); err != nil {
				t.Error(err)
			}
			<-rode
		})
		if err != nil || !rode || len(c.Started) != 1 {
			t.Errorf("rode: %v, %d started, %v", rode, len(c.Started), err)
		}
	})
	if one != none+1 {
		t.Errorf("it took %d transactions", one-none)
	}
}

// TestIdleLooksCostNothing: what looked for work and found none does not ask the database
// again before something has changed, which the renewal of a lease is not.
func TestIdleLooksCostNothing(t *testing.T) {
	t.Parallel()
	look := func(s store.Store) (started int) {
		t.Helper()
		got, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Room: 1, Decide: claim.Decide})
		if err != nil {
			t.Fatal(err)
		}
		lost, err := s.Leases.Lost(t.Context(), store.Condemn{Self: "a", Grace: time.Second})
		if err != nil || lost {
			t.Fatal(lost, err)
		}
		waits, err := s.Outbox.Waits(t.Context())
		if err != nil || waits {
			t.Fatal(waits, err)
		}
		return len(got.Started)
	}
	renew := func(s store.Store) {
		t.Helper()
		if err := s.Leases.Extend(t.Context(), "a", time.Time{}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	none := batches(t, func(s store.Store) {
		look(s)
		renew(s)
	})
	looks := batches(t, func(s store.Store) {
		look(s)
		for range 5 {
			look(s)
		}
		renew(s)
	})
	if looks != none {
		t.Errorf("5 looks at nothing took %d transactions", looks-none)
	}
	after := batches(t, func(s store.Store) {
		look(s)
		renew(s)
		look(s)
	})
	if after != none {
		t.Errorf("after a renewal, a look at nothing took %d transactions", after-none)
	}
	batches(t, func(s store.Store) {
		look(s)
		if err := addOne(t, s, nil); err != nil {
			t.Fatal(err)
		}
		if n := look(s); n != 1 {
			t.Errorf("%d started", n)
		}
	})
}
