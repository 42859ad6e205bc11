package portable

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

type jobs struct{ *db }

func (s jobs) Add(ctx context.Context, p store.AddJobs) ([]store.Added, error) {
	if s.Columnwise() && plain(p) {
		done, err := s.adds.Do(ctx, adding{ctx, p})
		return done.out, cmp.Or(err, done.err)
	}
	return s.addAlone(ctx, p)
}

// plain says that a job comes at the end of its zone, whatever else is there: then its
// transaction locks no row of others, and several may share one.
func plain(p store.AddJobs) bool {
	return len(p.Jobs) == 1 && p.Place == nil && p.Unique == nil && len(p.Approvals) == 0 && len(p.Seeds) == 0
}

// adding is a request to add a plain job.
type adding struct {
	ctx context.Context //nolint:containedctx // of its caller
	p   store.AddJobs
}

// addition is what became of it.
type addition struct {
	out []store.Added
	err error
}

const (
	// addWriters is how many transactions of new jobs are under way at the same time.
	addWriters = 2
	// maxAdds bounds the new jobs of one transaction.
	maxAdds = 64
	// addTime bounds one, with the wait for a connection.
	addTime = time.Minute
	// addsAlone is how many jobs are added at the same time when they cannot be together.
	addsAlone = 8
)

// errKnown ends a transaction of several adds of which one has an idempotency key that is
// there already, or is expired.
var errKnown = errors.New("an idempotency key is known")

// addTogether adds the jobs of several callers in one transaction. When it is refused,
// each is added in one of its own, so that one that cannot be stored keeps out no other.
func (s jobs) addTogether(list []adding) []addition {
	out := make([]addition, len(list))
	var here []int // those whose callers have not given up
	for i, a := range list {
		if out[i].err = a.ctx.Err(); out[i].err == nil {
			here = append(here, i)
		}
	}
	if len(here) > 1 {
		batch := make([]adding, len(here))
		for n, i := range here {
			batch[n] = list[i]
		}
		added, err := s.addBatch(batch)
		switch {
		case err == nil:
			for n, i := range here {
				out[i].out = added[n : n+1 : n+1]
			}
			return out
		case fault.Is(err, fault.StorageUnavailable): // perhaps they were added
			for _, i := range here {
				out[i].err = err
			}
			return out
		}
	}
	var alone errgroup.Group // one may have to wait for another request with its key
	alone.SetLimit(addsAlone)
	for _, i := range here {
		alone.Go(func() error {
			out[i].out, out[i].err = s.addAlone(list[i].ctx, list[i].p)
			return nil
		})
	}
	_ = alone.Wait() // each has its own outcome
	return out
}

// addBatch adds plain jobs in one transaction, which goes on when one of their callers
// gives up.
func (s jobs) addBatch(list []adding) ([]store.Added, error) {
	js := make([]job.Job, len(list))
	for i, a := range list {
		js[i] = a.p.Jobs[0]
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(list[0].ctx), addTime)
	defer cancel()
	var out []store.Added
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		ranks, at, now, err := s.placesOf(ctx, tx, js, nil)
		if err != nil {
			return err
		}
		out = make([]store.Added, len(list))
		added := make([]job.Job, len(list))
		for i, j := range js {
			j.Rank = ranks[i]
			added[i] = waiting(j, now)
			out[i] = store.Added{Job: added[i], Position: at[i]}
		}
		if err := storeKeys(ctx, tx, list, out); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return s.writeNew(ctx, tx, added)
	})
	return out, err
}

// placesOf are the ranks of new jobs, at a place or at the ends of their zones, and where
// in the order they are then.
func (s jobs) placesOf(ctx context.Context, tx Tx, js []job.Job, place *store.Place) (ranks []rank.Rank, at []int, now time.Time, err error) {
	var kept []rank.Rank
	if place != nil {
		if err := s.LockQueue(ctx, tx); err != nil {
			return nil, nil, now, err
		}
		if kept, err = reserved(ctx, tx); err != nil {
			return nil, nil, now, err
		}
	}
	first, err := s.NextSeq(ctx, tx, len(js))
	if err != nil {
		return nil, nil, now, err
	}
	if now, err = s.addedAt(ctx, tx, js); err != nil {
		return nil, nil, now, err
	}
	ranks, at = make([]rank.Rank, len(js)), make([]int, len(js))
	for i, j := range js {
		ranks[i] = rank.Natural(j.Zone(), first+int64(i))
	}
	// The index is asked before anything is written, see places.
	if err := s.with(ctx, tx, func(x *order.Index) (err error) {
		if place != nil && len(js) > 0 {
			if ranks, err = s.ranksAt(ctx, tx, x, wish{js[0].Tenant, *place, ranks, nil, kept}); err != nil {
				return err
			}
		}
		for i, r := range ranks {
			at[i] = x.Position(r)
		}
		return nil
	}); err != nil {
		return nil, nil, now, err
	}
	sorted := slices.Sorted(slices.Values(ranks))
	for i, r := range ranks { // and the new ones before each
		before, _ := slices.BinarySearch(sorted, r)
		at[i] += before
	}
	return ranks, at, now, nil
}

func (s jobs) addAlone(ctx context.Context, p store.AddJobs) ([]store.Added, error) {
	var out []store.Added
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = nil
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		equal, err := s.equalJob(ctx, tx, p)
		if err != nil {
			return err
		}
		if equal != nil {
			out = []store.Added{*equal}
			return storeKey(ctx, tx, p.Key, out)
		}
		ranks, at, now, err := s.placesOf(ctx, tx, p.Jobs, p.Place)
		if err != nil {
			return err
		}
		if out, err = s.writeAdded(ctx, tx, p, ranks, now); err != nil {
			return err
		}
		for i := range out {
			out[i].Position = at[i]
		}
		if err := s.seedWorkflows(ctx, tx, p.Seeds, now); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// writeAdded writes and announces new jobs at their places.
func (s jobs) writeAdded(ctx context.Context, tx Tx, p store.AddJobs, ranks []rank.Rank, now time.Time) ([]store.Added, error) {
	out := make([]store.Added, len(p.Jobs))
	if len(p.Jobs) == 1 || len(p.Approvals) > 0 {
		for i, j := range p.Jobs {
			j.Rank = ranks[i]
			var err error
			if out[i].Job, err = addAsking(ctx, tx, j, requestAbout(p.Approvals, j.ID), now); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	list := make([]job.Job, len(p.Jobs))
	for i, j := range p.Jobs {
		j.Rank = ranks[i]
		list[i] = waiting(j, now)
		out[i].Job = list[i]
	}
	return out, s.writeNew(ctx, tx, list)
}

// waiting is a new job as it comes into the queue.
func waiting(j job.Job, now time.Time) job.Job {
	j.State, j.Version = job.Queued, 1
	if j.CreatedAt.IsZero() {
		j.CreatedAt = now
	}
	if j.QueuedAt.IsZero() {
		j.QueuedAt = now
	}
	return stored(j)
}

// addJob writes and announces a new job that has its rank.
func addJob(ctx context.Context, tx Tx, j job.Job, now time.Time) (job.Job, error) {
	j = waiting(j, now)
	if err := insertJob(ctx, tx, j); err != nil {
		return j, err
	}
	return j, announceOf(ctx, tx, []event.Event{{
		Tenant: j.Tenant, Type: event.JobQueued, At: j.QueuedAt, JobID: j.ID,
	}}, deltaText(order.Spot{}, j.Spot()), &j)
}

// equalJob looks for a job that stands in the way of the new ones. It refuses
// them, or returns it when the caller wants that.
func (s jobs) equalJob(ctx context.Context, tx Tx, p store.AddJobs) (*store.Added, error) {
	if p.Unique == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	for _, j := range p.Jobs {
		other, err := s.lookEqual(ctx, tx, j, p.Unique)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !p.Unique.Return {
			return nil, notUnique(other)
		}
		out := store.Added{Job: other, Existing: true}
		if other.State != job.Queued || other.Parked != "" || other.Rank == "" {
			return &out, nil
		}
		return &out, s.with(ctx, tx, func(x *order.Index) error {
			out.Position = x.Position(other.Rank.Place())
			return nil
		})
	}
	return nil, nil //nolint:nilnil // there is none
}

func notUnique(other job.Job) error {
	return fault.Newf(fault.NotUnique, "job %s does the same and is %s", other.ID, other.State).At("/unique", string(fault.NotUnique), other.ID)
}

// lookEqual returns a job that is equal to j and counts; sql.ErrNoRows.
func (s jobs) lookEqual(ctx context.Context, tx Tx, j job.Job, u *store.Unique) (job.Job, error) {
	if j.UniqueKey == "" {
		return job.Job{}, sql.ErrNoRows
	}
	// Two equal jobs that come at once must see each other.
	if err := s.LockContent(ctx, tx, "unique "+j.Tenant+" "+j.UniqueKey); err != nil {
		return job.Job{}, err
	}
	states := u.States
	if len(states) == 0 {
		states = []job.State{job.Queued, job.Running}
	}
	other, err := equalTo(ctx, tx, j, u.Since, states, []string{j.ID})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("look for an equal job: %w", err)
	}
	return other, err
}

// equalTo returns a job that is equal to j, but for the given ids; sql.ErrNoRows.
func equalTo(ctx context.Context, tx Tx, j job.Job, since time.Time, states []job.State, except []string) (job.Job, error) {
	var w where
	w.add("tenant = %s", j.Tenant)
	w.add("unique_key = %s", j.UniqueKey)
	w.conds = append(w.conds, "unique_key <> ''")
	w.add("created_ms >= %s", clock.Millis(since))
	in(&w, "state", states)
	for _, id := range except {
		w.add("job_id <> %s", id)
	}
	return scanJobWith(tx.Row(ctx, `SELECT `+jobColumns+` FROM jobs`+w.String()+`
		ORDER BY CASE WHEN finished_ms = 0 THEN 0 ELSE 1 END, created_ms DESC LIMIT 1`, w.args...).Scan)
}

// addedAt asks for the time only when a job came without one.
func (s jobs) addedAt(ctx context.Context, tx Tx, js []job.Job) (time.Time, error) {
	for _, j := range js {
		if j.CreatedAt.IsZero() || j.QueuedAt.IsZero() {
			return s.Now(ctx, tx, time.Time{})
		}
	}
	return time.Time{}, nil
}

func (s jobs) Job(ctx context.Context, tenant, id string) (job.Job, error) {
	var j job.Job
	err := s.Look(ctx, func(ctx context.Context, tx Tx) (err error) {
		j, err = jobByID(ctx, tx, tenant, id)
		return err
	})
	return j, err
}

func (s jobs) List(ctx context.Context, p store.ListJobs) (store.JobPage, error) {
	var w where
	switch {
	// The planner needs the literal to use the index of a tenant's waiting jobs.
	case p.Sort == store.SortQueue && slices.Equal(p.States, []job.State{job.Queued}):
		w.conds = append(w.conds, "state = 'QUEUED'")
		w.add("tenant = %s", p.Tenant)
	// And here that of what runs, and not one that begins with the tenant.
	case slices.Equal(p.States, []job.State{job.Running}):
		w.conds = append(w.conds, "state = 'RUNNING'")
		w.add("tenant || '' = %s", p.Tenant)
	default:
		w.add("tenant = %s", p.Tenant)
		in(&w, "state", p.States)
	}
	in(&w, "job_type", p.Types)
	in(&w, "template_id", p.TemplateIDs)
	w.madeBy(p.ScheduleID)
	if p.RetryOf != "" {
		w.conds = append(w.conds, "retry_of <> ''") // for the index
		w.add("retry_of = %s", p.RetryOf)
	}
	if p.GroupID != "" {
		w.conds = append(w.conds, "group_id <> ''")
		w.add("group_id = %s", p.GroupID)
	}
	w.labels("labels", p.Labels)
	w.contains("name_folded", p.Text)
	w.between("created_ms", p.CreatedAfter, p.CreatedBefore)
	by := "created_ms DESC, job_id DESC"
	switch p.Sort {
	case store.SortQueue:
		// Ranks of waiting jobs are unique; others may have equal ones.
		by = "rank, job_id"
		if slices.Equal(p.States, []job.State{job.Queued}) {
			by = "rank"
		}
		switch {
		case p.After == nil:
		case by == "rank":
			w.add("rank > %s", string(p.After.Rank))
		default:
			w.add("(rank, job_id) > (%s, %s)", string(p.After.Rank), p.After.ID)
		}
	case store.SortCreated:
		by = "created_ms, job_id"
		if p.After != nil {
			w.add("(created_ms, job_id) > (%s, %s)", p.After.CreatedAt.UnixMilli(), p.After.ID)
		}
	case store.SortNewest, "":
		if p.After != nil {
			w.add("(created_ms, job_id) < (%s, %s)", p.After.CreatedAt.UnixMilli(), p.After.ID)
		}
	}
	query := fmt.Sprintf(`SELECT %s FROM jobs%s ORDER BY %s LIMIT %d`, jobColumns, w.String(), by, p.Limit+1)
	var page store.JobPage
	err := s.Look(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list jobs: %w", err)
		}
		page.Jobs, err = collect(rows, scanJob)
		return err
	})
	if len(page.Jobs) > p.Limit {
		page.Jobs, page.More = page.Jobs[:p.Limit], true
	}
	return page, err
}

func (s jobs) Move(ctx context.Context, p store.MoveJob) (job.Job, error) {
	var out job.Job
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		c := p.Change
		if p.Unique != nil && c.After.UniqueKey != c.Before.UniqueKey {
			other, err := s.lookEqual(ctx, tx, c.After, p.Unique)
			if err == nil {
				return notUnique(other)
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		if c.After.Rank == "" {
			seq, err := s.NextSeq(ctx, tx, 1)
			if err != nil {
				return err
			}
			c.After.Rank = rank.Natural(c.After.Zone(), seq)
			if _, err := bumpRevision(ctx, tx, c.After.Tenant, c.After.ID, c.Emit[0].At, ""); err != nil {
				return err
			}
		}
		done, err := change(ctx, tx, c)
		if err != nil {
			return err
		}
		if !done {
			if _, err := jobByID(ctx, tx, c.Before.Tenant, c.Before.ID); err != nil {
				return err
			}
			return fault.Newf(fault.Conflict, "job %s changed meanwhile", c.Before.ID)
		}
		if err := dropCheckpoint(ctx, tx, c.After); err != nil {
			return err
		}
		out = stored(c.After)
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// attemptsPage is how many jobs one statement of Attempts names.
const attemptsPage = 500

func (s jobs) Attempts(ctx context.Context, jobIDs []string) (map[string]store.Attempt, error) {
	out := make(map[string]store.Attempt, len(jobIDs))
	for ids := range slices.Chunk(jobIDs, attemptsPage) {
		// Few different statements: some name the last job more than once.
		for ids = slices.Clip(ids); len(ids)&(len(ids)-1) != 0; {
			ids = append(ids, ids[len(ids)-1])
		}
		var w where
		in(&w, "job_id", ids)
		err := s.Look(ctx, func(ctx context.Context, tx Tx) error {
			rows, err := tx.Query(ctx, `SELECT job_id, state, epoch, cancel_asked_ms FROM jobs`+w.String(), w.args...)
			if err != nil {
				return fmt.Errorf("look at attempts: %w", err)
			}
			_, err = collect(rows, func(r Rows) (struct{}, error) {
				var id string
				var a store.Attempt
				var asked int64
				err := r.Scan(&id, &a.State, &a.Epoch, &asked)
				a.CancelAskedAt = clock.FromMillis(asked)
				out[id] = a
				return struct{}{}, err
			})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s jobs) Counts(ctx context.Context, tenant string) (map[job.State]int, error) {
	out := map[job.State]int{}
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		clear(out)
		rows, err := tx.Query(ctx, `SELECT state, count(*) FROM jobs WHERE tenant = $1 OR $2 = '' GROUP BY state`, tenant, tenant)
		if err != nil {
			return fmt.Errorf("count jobs: %w", err)
		}
		_, err = collect(rows, func(r Rows) (struct{}, error) {
			var st job.State
			var n int
			err := r.Scan(&st, &n)
			out[st] = n
			return struct{}{}, err
		})
		return err
	})
	return out, err
}
