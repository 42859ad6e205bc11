package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/backup"
	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/runlog"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/testsvc"
)

const tenant = "default"

// house is one installation: a data folder and perhaps a PostgreSQL database.
type house struct {
	t   *testing.T
	dir string
	url string // "" = SQLite in dir
}

func newHouse(t *testing.T, pg bool) house {
	t.Helper()
	h := house{t: t, dir: filepath.Join(t.TempDir(), "data")}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if pg {
		h.url = testsvc.Postgres(t)
	}
	return h
}

func (h house) place() backup.Place {
	if h.url != "" {
		return backup.Place{URL: h.url}
	}
	return backup.Place{Folder: h.dir}
}

// open opens the store as a server does.
func (h house) open() (store.Store, error) {
	if h.url != "" {
		return postgres.Open(context.WithoutCancel(h.t.Context()), postgres.Options{URL: h.url, AllowUnsafe: true, MaxConns: 4})
	}
	return sqlite.Open(context.WithoutCancel(h.t.Context()), sqlite.Options{Path: filepath.Join(h.dir, "runsheet.db")})
}

func (h house) mustOpen() store.Store {
	h.t.Helper()
	s, err := h.open()
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h house) files() (*blob.Folder, *runlog.Folder) {
	h.t.Helper()
	b, err := blob.OpenFolder(filepath.Join(h.dir, "artifacts"), blob.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	l, err := runlog.Open(filepath.Join(h.dir, "logs"), runlog.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	return b, l
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, s store.Store) {
	t.Helper()
	ok(t, s.Health.Close())
}

// furnish adds jobs in all conditions: running with a lock, a checkpoint, a log
// and an artifact; waiting in an order; held; delayed; and an answer of an
// idempotency key. It returns the key and the ids of the waiting jobs in order.
func (h house) furnish(s store.Store) (*store.Key, []string) {
	h.t.Helper()
	t, ctx := h.t, h.t.Context()
	now := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	blobs, logs := h.files()
	mk := func(name string, priority int, edit func(*job.Job)) job.Job {
		j := job.Job{
			ID: id.New(id.Job, now), Tenant: tenant, Name: name, Type: "command", Params: []byte(`{"argv":["/bin/true"]}`),
			Priority: priority, OnCrash: job.CrashRetry, Trigger: job.TriggerAPI, CreatedBy: "ann", CreatedAt: now, QueuedAt: now,
		}
		if edit != nil {
			edit(&j)
		}
		return j
	}
	ok(t, s.Leases.Register(ctx, store.Instance{ID: "inst_1", HostID: "host_1", StartedAt: now}, time.Second))
	_, err := s.Queue.Scale(ctx, store.Scale{Workers: 3, Tenant: tenant, At: now})
	ok(t, err)
	_, err = s.Jobs.Add(ctx, store.AddJobs{Jobs: []job.Job{mk("busy ä\n😀", 0, func(j *job.Job) { j.Locks = []string{"gpu"} })}})
	ok(t, err)
	got, err := s.Jobs.Claim(ctx, store.ClaimJobs{
		Instance: "inst_1", Now: now, Room: 1,
		Decide: claim.Decide,
	})
	ok(t, err)
	busy := got.Started[0]
	ok(t, s.Runs.SaveCheckpoint(ctx, store.Checkpoint{JobID: busy.Job.ID, RunID: busy.Run.ID, Epoch: busy.Job.Epoch, Data: []byte{0, 1, 0xff}}))
	w, err := logs.Writer(busy.Run.ID)
	ok(t, err)
	_, err = io.WriteString(w, strings.Repeat("a line of output\n", 1000))
	ok(t, err)
	w.Close()
	sum, size, err := blobs.Put(ctx, strings.NewReader("an artifact"), nil)
	ok(t, err)
	ok(t, s.Artifacts.Put(ctx, run.Artifact{
		ID: id.New(id.Artifact, now), Tenant: tenant, RunID: busy.Run.ID, Name: "a.txt", Size: size, SHA256: sum, MediaType: "text/plain", CreatedAt: now,
	}, busy.Job.Epoch, store.ArtifactLimits{}))
	key := &store.Key{
		Tenant: tenant, Owner: "ann", Text: "k1", Hash: "h", Now: now, Expires: now.Add(24 * time.Hour),
		Render: func(any) (store.Reply, error) { return store.Reply{Status: 201, Body: []byte("{}\n")}, nil },
	}
	_, err = s.Jobs.Add(ctx, store.AddJobs{Key: key, Jobs: []job.Job{
		mk("second", 5, nil), mk("held", 5, func(j *job.Job) { j.HeldReason = "look first" }), mk("first", 2, nil),
		mk("later", 5, func(j *job.Job) { j.NotBefore = now.Add(time.Hour) }), mk("last", 9, nil),
	}})
	ok(t, err)
	return key, waiting(t, s)
}

func waiting(t *testing.T, s store.Store) []string {
	t.Helper()
	p, err := s.Jobs.List(t.Context(), store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 100})
	ok(t, err)
	var out []string
	for _, j := range p.Jobs {
		out = append(out, j.ID+" "+j.Name+" "+j.HeldReason)
	}
	return out
}

// take makes an archive.
func (h house) take(s store.Store) []byte {
	h.t.Helper()
	blobs, logs := h.files()
	b, err := backup.Take(h.t.Context(), backup.Options{
		Snapshots: s.Snapshots, Blobs: blobs, Logs: logs, Folder: filepath.Join(h.dir, "tmp"), Version: "v1", Clock: clock.System{},
	})
	ok(h.t, err)
	var out bytes.Buffer
	_, err = b.Write(h.t.Context(), &out)
	ok(h.t, err)
	ok(h.t, b.Close())
	if left, _ := os.ReadDir(filepath.Join(h.dir, "tmp")); len(left) > 0 {
		h.t.Errorf("temporary files are left: %v", left)
	}
	return out.Bytes()
}

func (h house) restore(file []byte, edit ...func(*backup.RestoreOptions)) (archive.Manifest, error) {
	o := backup.RestoreOptions{
		Open:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil },
		Folder: h.dir, URL: h.url, Clock: clock.System{}, AllowUnsafe: true,
		OpenBlobs: func(context.Context) (blob.Store, error) {
			return blob.OpenFolder(filepath.Join(h.dir, "artifacts"), blob.Options{})
		},
	}
	for _, e := range edit {
		e(&o)
	}
	return backup.Restore(h.t.Context(), o)
}

// rows are the table members of an archive.
func rows(t *testing.T, file []byte) map[string]string {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(file))
	ok(t, err)
	out := map[string]string{}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		ok(t, err)
		b, err := io.ReadAll(r)
		ok(t, err)
		out[e.Name] = string(b)
	}
}

// TestRestoreAcrossEngines backs up a store in use on each engine and restores
// it on each: the rows are equal byte for byte, apart from what restore changes
// and says.
func TestRestoreAcrossEngines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2]bool{
		"sqlite to sqlite": {false, false}, "sqlite to postgres": {false, true},
		"postgres to sqlite": {true, false}, "postgres to postgres": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := newHouse(t, c[0]), newHouse(t, c[1])
			s := from.mustOpen()
			defer end(t, s)
			key, order := from.furnish(s)
			file := from.take(s)
			m, err := to.restore(file)
			ok(t, err)
			if m.Blobs.Count != 1 || m.Logs.Count != 1 || m.Product != "v1" {
				t.Errorf("manifest: %+v", m)
			}
			again := to.mustOpen()
			defer end(t, again)
			if d := cmp.Diff(order, waiting(t, again)); d != "" {
				t.Errorf("order (-want +got):\n%s", d)
			}
			var replay *store.Replay
			if err := again.Keys.Find(t.Context(), *key); !errors.As(err, &replay) || replay.Reply.Status != 201 {
				t.Errorf("the idempotency key: %v", err)
			}
			set, err := again.Queue.Settings(t.Context())
			ok(t, err)
			if !set.Paused || set.PausedBy != "restore" || !strings.Contains(set.PausedReason, "restored from a backup") {
				t.Errorf("the queue is not paused: %+v", set)
			}
			left, err := again.Leases.Leftovers(t.Context())
			if err != nil || len(left) != 1 || left[0].HostID != "" {
				t.Errorf("the running job is not left to rescue by any host: %+v %v", left, err)
			}
			want, got := rows(t, file), rows(t, to.take(again))
			for _, changed := range []string{"queue", "instances"} {
				delete(want, changed)
				delete(got, changed)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("members (-want +got):\n%s", d)
			}
		})
	}
}

// TestRestoreRefuses: what is there is not touched.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	for name, pg := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := newHouse(t, false)
			s := from.mustOpen()
			from.furnish(s)
			file := from.take(s)
			end(t, s)
			full := newHouse(t, pg)
			used := full.mustOpen()
			full.furnish(used)
			before := waiting(t, used)
			end(t, used)
			for _, force := range []bool{false, true} {
				_, err := full.restore(file, func(o *backup.RestoreOptions) { o.Force = force })
				if !fault.Is(err, fault.StoreNotEmpty) && !fault.Is(err, fault.OtherInstance) {
					t.Errorf("force %v: err = %v", force, err)
				}
			}
			used = full.mustOpen()
			defer end(t, used)
			if d := cmp.Diff(before, waiting(t, used)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRestoreOfDamagedFile writes nothing.
func TestRestoreOfDamagedFile(t *testing.T) {
	t.Parallel()
	from := newHouse(t, false)
	s := from.mustOpen()
	from.furnish(s)
	file := from.take(s)
	end(t, s)
	to := newHouse(t, false)
	try := func(what string, b []byte) {
		t.Helper()
		if _, err := to.restore(b); !fault.Is(err, fault.BackupInvalid) {
			t.Errorf("%s: err = %v", what, err)
		}
		if left, err := os.ReadDir(to.dir); err != nil || len(left) > 0 {
			t.Fatalf("%s: left %v %v", what, left, err)
		}
	}
	for n := 0; n < len(file); n += 4096 {
		try("cut", file[:n])
	}
	for n := 100; n < len(file); n += 1777 {
		b := bytes.Clone(file)
		b[n] ^= 0x10
		try("flip", b)
	}
}

// TestInterruptedRestore: what an interruption leaves is refused until the
// restore has run again.
func TestInterruptedRestore(t *testing.T) {
	t.Parallel()
	from := newHouse(t, false)
	s := from.mustOpen()
	_, order := from.furnish(s)
	file := from.take(s)
	end(t, s)
	to := newHouse(t, false)
	cause := errors.New("power is gone")
	reads := 0
	_, err := to.restore(file, func(o *backup.RestoreOptions) {
		o.Open = func() (io.ReadCloser, error) {
			if reads++; reads == 1 {
				return io.NopCloser(bytes.NewReader(file)), nil
			}
			return io.NopCloser(io.MultiReader(bytes.NewReader(file[:len(file)-2048]), broken{cause})), nil
		}
	})
	if !errors.Is(err, cause) {
		t.Fatalf("err = %v", err)
	}
	if err := backup.Unfinished(to.dir); !fault.Is(err, fault.RestoreUnfinished) {
		t.Errorf("a server would start: %v", err)
	}
	if _, err := to.restore(file); !fault.Is(err, fault.RestoreUnfinished) {
		t.Errorf("without force: %v", err)
	}
	_, err = to.restore(file, func(o *backup.RestoreOptions) { o.Force = true })
	ok(t, err)
	ok(t, backup.Unfinished(to.dir))
	again := to.mustOpen()
	defer end(t, again)
	if d := cmp.Diff(order, waiting(t, again)); d != "" {
		t.Error(d)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// TestAbsentBlob: content that retention removed does not break the backup.
func TestAbsentBlob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	s := h.mustOpen()
	defer end(t, s)
	h.furnish(s)
	blobs, logs := h.files()
	b, err := backup.Take(t.Context(), backup.Options{
		Snapshots: s.Snapshots, Blobs: blobs, Logs: logs, Folder: filepath.Join(h.dir, "tmp"), Clock: clock.System{},
	})
	ok(t, err)
	for info, err := range blobs.List(t.Context()) {
		ok(t, err)
		_, err = blobs.Delete(t.Context(), info.Sum, info.Put.Add(time.Hour))
		ok(t, err)
	}
	m, err := b.Write(t.Context(), io.Discard)
	ok(t, err)
	ok(t, b.Close())
	if m.AbsentBlobs != 1 || m.Blobs.Count != 0 {
		t.Errorf("manifest: %+v", m)
	}
}

// TestRestoreBesideAMark: where the mark of a database that was moved away is
// left, no server would start on what is restored.
func TestRestoreBesideAMark(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, false), newHouse(t, false)
	s := from.mustOpen()
	file := from.take(s)
	end(t, s)
	mark := filepath.Join(to.dir, "runsheet.db.moved")
	ok(t, os.WriteFile(mark, []byte("was migrated\n"), 0o600))
	if _, err := to.restore(file); !fault.Is(err, fault.StoreNotEmpty) {
		t.Errorf("err = %v", err)
	}
	ok(t, os.Remove(mark))
	ok(t, os.Chmod(to.dir, 0o755))
	_, err := to.restore(file)
	ok(t, err)
	if info, err := os.Stat(to.dir); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the folder: %v %v", info, err)
	}
	end(t, to.mustOpen())
}

// TestRestoreUnderAServer: a server that had opened the empty database before it
// was locked, and begins to work only then, is noticed.
func TestRestoreUnderAServer(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, false), newHouse(t, true)
	s := from.mustOpen()
	file := from.take(s)
	end(t, s)
	server := to.mustOpen()
	defer end(t, server)
	_, err := to.restore(file, func(o *backup.RestoreOptions) {
		open := o.OpenBlobs
		o.OpenBlobs = func(ctx context.Context) (blob.Store, error) {
			ok(t, server.Leases.Register(ctx, store.Instance{ID: "alive", HostID: "h"}, time.Hour))
			return open(ctx)
		}
	})
	if !fault.Is(err, fault.OtherInstance) {
		t.Errorf("err = %v", err)
	}
	if all, err := server.Leases.Instances(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("instances %+v, %v", all, err)
	}
}
