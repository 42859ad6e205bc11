package powerloss

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// kind is the class of a finding.
type kind string

const (
	lost    kind = "acknowledged but lost" // gone, or older than acknowledged
	halved  kind = "half a transaction"    // rows that contradict each other
	strange kind = "never asked for"       // changes that nobody made
	corrupt kind = "corrupt"               // SQLite says so, or it does not open
	stuck   kind = "does not work"         // the queue cannot go on
)

// finding is one broken promise.
type finding struct {
	kind kind
	text string
}

func (f finding) String() string { return string(f.kind) + ": " + f.text }

// checker compares a reopened store with the ledger.
type checker struct {
	w     *world
	found []finding
	// stored are all jobs by id, as they were before the checker changed any.
	stored map[string]job.Job
}

func (c *checker) report(k kind, format string, args ...any) {
	c.found = append(c.found, finding{k, fmt.Sprintf(format, args...)})
}

// check looks at everything. The store must be open and idle.
func (w *world) check(ctx context.Context) []finding {
	c := &checker{w: w}
	for _, f := range []func(context.Context) error{c.database, c.jobs, c.additions, c.runs, c.templates, c.goesOn} {
		if err := f(ctx); err != nil {
			c.report(corrupt, "%v", err)
		}
		if len(c.found) > 0 {
			break // what follows would only repeat it
		}
	}
	return c.found
}

// database asks SQLite itself, on a connection of its own.
func (c *checker) database(ctx context.Context) error {
	d := c.w.disk.Driver("")
	db, err := sql.Open(d.Name, d.DSN(dbPath, []string{"busy_timeout(5000)"}, true))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(c.integrity(ctx, db), c.rules(ctx, db), db.Close())
}

func (c *checker) integrity(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&verdict); err != nil {
		return fmt.Errorf("integrity check: %w", err)
	}
	if verdict != "ok" {
		c.report(corrupt, "integrity check: %s", verdict)
	}
	var table string
	err := db.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	if err == nil {
		c.report(halved, "%s: a row without what it refers to", table)
	} else if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("foreign key check: %w", err)
	}
	return nil
}

// rules are facts that every transaction keeps: each query selects the ids of
// rows that break one.
var rules = []struct{ text, query string }{
	{"a job whose queued events do not fit", `SELECT job_id FROM jobs j WHERE (SELECT count(*) FROM events e
		WHERE e.job_id = j.job_id AND type = 'job.queued') <> 1 + failures - (state = 'FAILED')`},
	{"a job whose attempts have no started events", `SELECT job_id FROM jobs j WHERE attempt <> (SELECT count(*) FROM events e
		WHERE e.job_id = j.job_id AND type = 'job.started')`},
	{"a job whose attempts have no runs", `SELECT job_id FROM jobs j WHERE attempt <> (SELECT count(*) FROM runs r WHERE r.job_id = j.job_id)`},
	{"a job whose version does not fit its events", `SELECT job_id FROM jobs j WHERE version <> 1 + (SELECT count(*) FROM events e
		WHERE e.job_id = j.job_id AND type IN ('job.started', 'job.run.completed', 'job.run.failed', 'job.run.skipped', 'job.cancel_asked'))
		+ (state = 'CANCELLED' AND attempt = 0) + (state = 'CANCELLED' AND attempt > 0 AND failures = attempt)
		+ (approval_id <> '' AND approval_until_ms = 0)`},
	{"a cancelled job without its event", `SELECT job_id FROM jobs j WHERE (state = 'CANCELLED') <> (SELECT count(*) FROM events e
		WHERE e.job_id = j.job_id AND type = 'job.cancelled')`},
	{"a running job without its active run", `SELECT job_id FROM jobs j WHERE state = 'RUNNING' AND NOT EXISTS (SELECT 1 FROM runs r
		WHERE r.run_id = j.run_id AND r.job_id = j.job_id AND r.epoch = j.epoch AND r.instance_id = j.instance_id AND r.state = 'ACTIVE')`},
	{"an active run without its running job", `SELECT run_id FROM runs r WHERE state = 'ACTIVE' AND NOT EXISTS (SELECT 1 FROM jobs j
		WHERE j.job_id = r.job_id AND j.run_id = r.run_id AND j.state = 'RUNNING')`},
	{"a run whose end has no event", `SELECT run_id FROM runs r WHERE (state <> 'ACTIVE') <> (SELECT count(*) FROM events e
		WHERE e.run_id = r.run_id AND type LIKE 'job.run.%')`},
	{"a lock that no running job holds", `SELECT name FROM lock_holders l WHERE l.job_id <> '' AND NOT EXISTS (SELECT 1 FROM jobs j
		WHERE j.job_id = l.job_id AND j.epoch = l.token AND j.state = 'RUNNING')`},
	{"a running job without its lock", `SELECT j.job_id FROM jobs j, json_each(nullif(j.locks, '')) k WHERE state = 'RUNNING' AND NOT EXISTS
		(SELECT 1 FROM lock_holders l WHERE l.name = k.value AND l.job_id = j.job_id AND l.token = j.epoch)`},
	{"a checkpoint of a job that ended", `SELECT c.job_id FROM checkpoints c LEFT JOIN jobs j ON j.job_id = c.job_id
		WHERE j.state IS NULL OR j.state NOT IN ('QUEUED', 'RUNNING')`},
	{"an event without its job", `SELECT e.job_id FROM events e WHERE job_id <> '' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = e.job_id)`},
	{"an event without its run", `SELECT e.run_id FROM events e WHERE run_id <> '' AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = e.run_id)`},
	{"a gap in the events", `SELECT max(seq) FROM events HAVING max(seq) <> count(*)`},
	{"a template without its versions", `SELECT template_id FROM templates t WHERE version <> (SELECT count(*) FROM template_versions v
		WHERE v.template_id = t.template_id)`},
	{"a template without its events", `SELECT template_id FROM templates t WHERE version <> (SELECT count(*) FROM events e
		WHERE e.template_id = t.template_id)`},
	{"a key without an answer", `SELECT key FROM idempotency_keys WHERE status = 0`},
	{"a place given twice", `SELECT rank FROM jobs GROUP BY rank HAVING count(*) > 1`},
	{"a place or epoch that was never reserved", `SELECT id FROM queue WHERE printf('%014x', next_seq) < (SELECT coalesce(max(substr(rank, 2)), '') FROM jobs)
		OR epoch < (SELECT coalesce(max(epoch), 0) FROM runs)`},
}

func (c *checker) rules(ctx context.Context, db *sql.DB) error {
	for _, r := range rules {
		var broken string
		err := db.QueryRowContext(ctx, r.query).Scan(&broken)
		if err == nil {
			c.report(halved, "%s: %s", r.text, broken)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("look for %s: %w", r.text, err)
		}
	}
	return nil
}

// differ describes the difference of two values, "" if there is none. A nil
// slice or map is as good as an empty one.
func differ(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return "" // far quicker than what follows
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

// jobs compares every job with what was acknowledged.
func (c *checker) jobs(ctx context.Context) error {
	page, err := c.w.store.Jobs.List(ctx, store.ListJobs{Tenant: tenant, Sort: store.SortCreated, Limit: 100_000})
	if err != nil {
		return fmt.Errorf("list jobs: %w", err)
	}
	c.stored = map[string]job.Job{}
	for _, j := range page.Jobs {
		c.stored[j.ID] = j
		if c.w.ledger.jobs[j.ID] == nil {
			c.report(strange, "job %s was never added", j.ID)
		}
	}
	for jobID, n := range c.w.ledger.jobs {
		j, ok := c.stored[jobID]
		want := n.job
		switch {
		case want.Version == 0:
			continue // c.additions knows more
		case !ok:
			c.report(lost, "job %s (%s, version %d) is gone", jobID, want.State, want.Version)
		case j.Version < want.Version:
			c.report(lost, "job %s is %s, version %d; acknowledged was %s, version %d", jobID, j.State, j.Version, want.State, want.Version)
		case j.Version > want.Version+int64(n.maybe+c.w.ledger.claims):
			c.report(strange, "job %s has version %d; %d and %d+%d changes without an answer were all", jobID, j.Version, want.Version, n.maybe, c.w.ledger.claims)
		case j.Version > want.Version && want.State.Terminal():
			c.report(strange, "job %s was %s and is %s", jobID, want.State, j.State)
		case j.Version == want.Version:
			if diff := differ(want, j); diff != "" {
				c.report(lost, "job %s differs from the acknowledged one (-want +got):\n%s", jobID, diff)
			}
		}
	}
	return nil
}

// additions checks that each Add happened wholly or not at all, and that
// repeating one with its key adds nothing twice.
func (c *checker) additions(ctx context.Context) error {
	for _, a := range c.w.ledger.adds {
		there := 0
		for _, j := range a.params.Jobs {
			if _, ok := c.stored[j.ID]; ok {
				there++
			}
		}
		if there != 0 && there != len(a.params.Jobs) {
			c.report(halved, "%d of %d jobs of one request are there", there, len(a.params.Jobs))
		}
		if a.params.Key == nil || a.acked && there > 0 && c.w.rng.IntN(8) > 0 {
			continue
		}
		_, err := c.w.store.Jobs.Add(ctx, a.params)
		var replay *store.Replay
		switch {
		case errors.As(err, &replay):
			if there == 0 {
				c.report(halved, "key %s is known, its jobs are not", a.params.Key.Text)
			}
		case err != nil:
			return fmt.Errorf("repeat add: %w", err)
		case there > 0:
			c.report(halved, "the jobs of key %s are there, the key is not", a.params.Key.Text)
		}
		a.acked = true
		for _, j := range a.params.Jobs {
			// The repetition acknowledges the jobs, in whatever state they are.
			now, err := c.w.store.Jobs.Job(ctx, tenant, j.ID)
			if err != nil {
				c.report(lost, "job %s of a repeated request: %v", j.ID, err)
				continue
			}
			c.w.ledger.sawJob(now)
		}
	}
	return nil
}

// runs compares runs and checkpoints.
func (c *checker) runs(ctx context.Context) error {
	for runID, want := range c.w.ledger.runs {
		got, err := c.w.store.Runs.Run(ctx, tenant, runID)
		switch {
		case fault.Is(err, fault.NotFound):
			c.report(lost, "run %s is gone", runID)
		case err != nil:
			return fmt.Errorf("read run: %w", err)
		case got.Epoch != want.Epoch || got.State != want.State && want.State.Terminal():
			c.report(lost, "run %s is %s, epoch %d; acknowledged was %s, epoch %d", runID, got.State, got.Epoch, want.State, want.Epoch)
		case got.State == want.State:
			if diff := differ(want, got); diff != "" {
				c.report(lost, "run %s differs from the acknowledged one (-want +got):\n%s", runID, diff)
			}
		case c.w.ledger.note(want.JobID).maybe == 0:
			c.report(strange, "run %s is %s although nobody ended it", runID, got.State)
		}
	}
	for jobID, n := range c.w.ledger.saved {
		got, err := c.w.store.Runs.Checkpoint(ctx, jobID)
		if err != nil {
			return fmt.Errorf("read checkpoint: %w", err)
		}
		same := func(b []byte) bool { return bytes.Equal(b, got) }
		if same(n.acked) || slices.ContainsFunc(n.maybe, same) {
			continue
		}
		j, err := c.w.store.Jobs.Job(ctx, tenant, jobID)
		if err != nil {
			return fmt.Errorf("read job: %w", err)
		}
		if !j.State.Terminal() || len(got) > 0 {
			c.report(lost, "checkpoint of job %s (%s): %d bytes, acknowledged were %d", jobID, j.State, len(got), len(n.acked))
		}
	}
	return nil
}

func (c *checker) templates(ctx context.Context) error {
	for tmplID, n := range c.w.ledger.templates {
		got, err := c.w.store.Templates.Template(ctx, tenant, tmplID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return fmt.Errorf("read template: %w", err)
		}
		switch {
		case got.Version < n.acked.Version:
			c.report(lost, "template %s has version %d, acknowledged was %d", tmplID, got.Version, n.acked.Version)
		case got.Version > n.acked.Version+n.maybe:
			c.report(strange, "template %s has version %d, asked for was %d", tmplID, got.Version, n.acked.Version+n.maybe)
		case got.Version == n.acked.Version && got.Version > 0:
			if diff := differ(n.acked, got); diff != "" {
				c.report(lost, "template %s differs from the acknowledged one (-want +got):\n%s", tmplID, diff)
			}
		}
	}
	return nil
}

// goesOn adds a job, claims it and ends it. Other jobs may be claimed with it.
func (c *checker) goesOn(ctx context.Context) error {
	s, now := c.w.store, c.w.clock.Now()
	probe := job.Job{
		ID: id.New(id.Job, now), Tenant: tenant, Name: "probe", Type: "command", Params: []byte(`{}`), OnCrash: job.CrashFail,
		Trigger: job.TriggerAPI, Priority: job.PriorityMin, CreatedAt: now, QueuedAt: now,
	}
	a := &addition{params: store.AddJobs{Jobs: []job.Job{probe}}}
	added, err := s.Jobs.Add(ctx, a.params)
	if err != nil {
		c.report(stuck, "add: %v", err)
		return nil
	}
	c.w.ledger.answer(true, func() { c.w.ledger.sawAddition(a, added, true) })
	got, err := s.Jobs.Claim(ctx, store.ClaimJobs{Instance: instance, Room: 4, Decide: claim.Decide})
	if fault.Is(err, fault.StaleLease) {
		c.report(lost, "the instance, which was registered: %v", err)
		return nil
	}
	if err != nil || !slices.ContainsFunc(got.Started, func(s store.Claimed) bool { return s.Job.ID == probe.ID }) {
		c.report(stuck, "claim: %v, %d started", err, len(got.Started))
		return nil
	}
	for _, st := range got.Started {
		jc, err := job.Apply(st.Job, job.Succeeded{At: now})
		if err != nil {
			return err
		}
		rc, err := run.Apply(st.Run, run.Succeeded{At: now})
		if err != nil {
			return err
		}
		if err := s.Jobs.Finish(ctx, []store.Finish{{Job: jc, Run: rc}})[0]; err != nil {
			c.report(stuck, "finish: %v", err)
			return nil
		}
		c.w.ledger.answer(true, func() {
			c.w.ledger.sawJob(jc.After)
			c.w.ledger.sawRun(rc.After)
		})
	}
	return nil
}
