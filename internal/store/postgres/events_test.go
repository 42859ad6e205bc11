package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

var base = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newJob() job.Job {
	return job.Job{
		ID: id.New(id.Job, base), Tenant: "default", Name: "j", Type: "command", Params: []byte(`{}`), Priority: 5,
		OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: base, QueuedAt: base,
	}
}

func add(t testing.TB, s store.Store) job.Job {
	t.Helper()
	added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}})
	if err != nil {
		t.Fatal(err)
	}
	return added[0].Job
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

// TestSinceDoesNotPassALateCommit inserts an event first and commits it last,
// with readers in between that see later insertions.
func TestSinceDoesNotPassALateCommit(t *testing.T) {
	t.Parallel()
	url := testsvc.Postgres(t)
	s := open(t, postgres.Options{URL: url})
	late, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := late.Exec(t.Context(), `INSERT INTO events (tenant, type, at_ms, job_id, run_id, template_id, data)
		VALUES ('default', 'job.queued', 0, 'job_late', '', '', '')`); err != nil {
		t.Fatal(err)
	}
	var seen []string
	var seq int64
	follow := func() {
		t.Helper()
		evs, err := s.Events.Since(t.Context(), "default", seq, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range evs {
			if e.Seq <= seq {
				t.Errorf("seq %d after %d", e.Seq, seq)
			}
			seq = e.Seq
			seen = append(seen, e.JobID)
		}
	}
	one := add(t, s)
	follow() // an open transaction must not hold the others up
	two := add(t, s)
	if len(seen) != 1 || seen[0] != one.ID {
		t.Fatalf("while it is open: %v", seen)
	}
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	follow()
	want := map[string]bool{"job_late": true, one.ID: true, two.ID: true}
	for _, jobID := range seen {
		delete(want, jobID)
	}
	if len(want) != 0 || len(seen) != 3 {
		t.Errorf("seen %v, missed %v", seen, want)
	}
}

func TestHintsReachOtherInstances(t *testing.T) {
	t.Parallel()
	direct := testsvc.Postgres(t)
	for name, o := range map[string]postgres.Options{
		"direct": {URL: direct},
		// Told to expect a pooler, an instance listens only by the URL for that.
		"pooled": {URL: direct + "&pooler=transaction", ListenURL: direct},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := open(t, o), open(t, o)
			hints, end := two.Events.Watch()
			defer end()
			j := add(t, one)
			want := map[store.Hint]bool{{Topic: store.HintQueue}: true, {Topic: store.HintJob, ID: j.ID}: true}
			timeout := time.After(time.Minute)
			for len(want) > 0 {
				select {
				case h := <-hints:
					if !h.Remote {
						t.Errorf("%v does not say that it comes from elsewhere", h)
					}
					h.Remote = false
					delete(want, h)
				case <-timeout:
					t.Fatalf("hints that did not come: %v", want)
				}
			}
		})
	}
}

// TestListenerComesBack kills the listening session: watchers are told to look
// at everything, and then hints arrive again.
func TestListenerComesBack(t *testing.T) {
	t.Parallel()
	url := testsvc.Postgres(t)
	one, two := open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})
	hints, end := two.Events.Watch()
	defer end()
	if _, err := connect(t, url).Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE 'LISTEN%'`); err != nil {
		t.Fatal(err)
	}
	timeout := time.After(time.Minute)
	for {
		select {
		case h := <-hints:
			if h.Topic != store.HintAll {
				continue
			}
		case <-timeout:
			t.Fatal("nobody was told that hints may be lost")
		}
		break
	}
	j := add(t, one)
	for {
		select {
		case h := <-hints:
			if h.ID == j.ID {
				return
			}
		case <-timeout:
			t.Fatal("no hints after the listener came back")
		}
	}
}
