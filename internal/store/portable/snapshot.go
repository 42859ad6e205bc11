package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
)

// scene is what a snapshot begins with: what always has to be asked.
type scene struct {
	snap job.Snapshot
	// noted is how many jobs have a note that they were overtaken; some may not wait at
	// their places any more.
	noted int
	// running is how many attempts each group has.
	running map[string]int
	there   struct{ budgets, directs, holders, capacities, groups bool }
}

// askScene asks for what a snapshot begins with; it is there after Tx.Flush.
func askScene(ctx context.Context, tx Tx) (*scene, error) {
	c := &scene{snap: job.Snapshot{Rules: job.DefaultRules(), Held: map[string][]job.Holder{}}, running: map[string]int{}}
	s, there := &c.snap, &c.there
	// What the tables that are mostly empty have is asked first, and at once.
	if err := tx.Ask(ctx, func(rows Rows) error {
		var rules, loaded string
		if err := single(&s.Workers, &s.Paused, &rules, &loaded, &there.budgets, &there.directs, &there.holders, &there.capacities, &there.groups, &c.noted)(rows); err != nil {
			return err
		}
		return errors.Join(decode(rules, &s.Rules), decode(loaded, &s.Loaded))
	}, `SELECT workers, paused, rules, loaded, EXISTS (SELECT 1 FROM llm_budgets), EXISTS (SELECT 1 FROM direct_requests),
		EXISTS (SELECT 1 FROM lock_holders), EXISTS (SELECT 1 FROM lock_capacities), EXISTS (SELECT 1 FROM job_groups WHERE state = 'RUNNING'),
		(SELECT count(*) FROM overtaken) FROM queue WHERE id = 1`); err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	if err := tx.Ask(ctx, func(rows Rows) error {
		for rows.Next() {
			o, err := scanOccupant(rows)
			if err != nil {
				return err
			}
			s.Running = append(s.Running, o)
			c.running[o.Group]++
		}
		return rows.Err()
	}, `SELECT job_id, run_id, tenant, job_type, template_id, locks, limits, group_id, started_ms FROM jobs WHERE state = 'RUNNING'`); err != nil {
		return nil, fmt.Errorf("read running jobs: %w", err)
	}
	return c, nil
}

func scanOccupant(rows Rows) (o job.Occupant, err error) {
	var j job.Job
	var locks, limits string
	var started int64
	if err := rows.Scan(&o.JobID, &o.RunID, &j.Tenant, &j.Type, &j.TemplateID, &locks, &limits, &o.Group, &started); err != nil {
		return o, err
	}
	o.Since = clock.FromMillis(started)
	if err := errors.Join(decode(locks, &j.Locks), decode(limits, &j.Limits)); err != nil {
		return o, err
	}
	o.Needs = j.Needs()
	return o, nil
}

// snapshot reads what a decision may look at, but for the waiting jobs. Its cost
// is that of what runs, however much waits.
func snapshot(ctx context.Context, tx Tx, now time.Time) (job.Snapshot, error) {
	c, err := askScene(ctx, tx)
	if err != nil {
		return job.Snapshot{}, err
	}
	if err := tx.Flush(ctx); err != nil {
		return job.Snapshot{}, fmt.Errorf("read queue: %w", err)
	}
	return c.snapshot(ctx, tx, now)
}

// snapshot completes what was asked.
func (c *scene) snapshot(ctx context.Context, tx Tx, now time.Time) (s job.Snapshot, err error) {
	s, there := c.snap, c.there
	s.Now = now
	if there.budgets {
		if s.Budgets, err = readBudgets(ctx, tx, now, `1 = 1`); err != nil {
			return s, err
		}
	}
	var lent map[string]bool
	if there.directs {
		if lent, err = directs(ctx, tx, &s); err != nil {
			return s, err
		}
	}
	if there.holders {
		hs, err := holders(ctx, tx, now, `1 = 1`)
		if err != nil {
			return s, err
		}
		for _, h := range hs {
			s.Held[h.Lock] = append(s.Held[h.Lock], h)
		}
	}
	if there.capacities {
		if s.Capacity, err = capacities(ctx, tx); err != nil {
			return s, err
		}
	}
	if there.groups {
		if s.Groups, err = runningGroups(ctx, tx, c.running, lent); err != nil {
			return s, err
		}
	}
	if c.noted > 0 {
		s.Overtaken, err = overtaken(ctx, tx)
	}
	return s, err
}

// directs reads the direct lane into s and returns the groups that lend their
// slots.
func directs(ctx context.Context, tx Tx, s *job.Snapshot) (map[string]bool, error) {
	lent := map[string]bool{}
	rows, err := tx.Query(ctx, `SELECT run_id, seq, tenant, kind, state, locks, instance_id, group_id, lease_until_ms, started_ms, created_by, arrived_ms
		FROM direct_requests ORDER BY seq`)
	if err != nil {
		return nil, fmt.Errorf("read direct requests: %w", err)
	}
	_, err = collect(rows, func(r Rows) (struct{}, error) {
		var d job.Direct
		var state, locks, group string
		var until, started, arrived int64
		if err := r.Scan(&d.RunID, &d.Seq, &d.Tenant, &d.Kind, &state, &locks, &d.Instance, &group, &until, &started, &d.CreatedBy, &arrived); err != nil {
			return struct{}{}, err
		}
		d.Since = clock.FromMillis(arrived)
		if err := decode(locks, &d.Locks); err != nil {
			return struct{}{}, err
		}
		switch {
		case state == directRunning:
			s.Running = append(s.Running, job.Occupant{RunID: d.RunID, Needs: d.Needs(), Group: group, Since: clock.FromMillis(started)})
			if group != "" {
				lent[group] = true
			}
		case until > clock.Millis(s.Now):
			s.Direct = append(s.Direct, d)
		}
		return struct{}{}, nil
	})
	return lent, err
}

// runningGroups reads the groups that have their slot and what they would do
// next.
func runningGroups(ctx context.Context, tx Tx, running map[string]int, lent map[string]bool) ([]job.GroupWork, error) {
	rows, err := tx.Query(ctx, `SELECT `+groupColumns+` FROM job_groups WHERE state = 'RUNNING' ORDER BY started_ms, group_id`)
	if err != nil {
		return nil, fmt.Errorf("read running groups: %w", err)
	}
	gs, err := collect(rows, scanGroup)
	if err != nil {
		return nil, err
	}
	var out []job.GroupWork
	for _, g := range gs {
		w, err := groupWork(ctx, tx, g)
		if err != nil {
			return nil, err
		}
		w.Running, w.Lent = running[g.ID], lent[g.ID]
		out = append(out, w)
	}
	return out, nil
}

// groupWork reads which members of a group may start next.
func groupWork(ctx context.Context, tx Tx, g job.Group) (job.GroupWork, error) {
	w := job.GroupWork{Group: g}
	most := g.MaxParallel
	if g.Mode == job.Sequential {
		most = 1
	}
	// More than can run together, so that those that a lock blocks do not keep the
	// others out.
	js, err := leanJobs(ctx, tx, `group_id = $1 AND `+startable+` ORDER BY rank LIMIT $2`, g.ID, 4*most)
	if err != nil {
		return w, err
	}
	if g.Mode == job.Parallel && len(js) == 4*most && !slices.ContainsFunc(js, unbound) {
		if js, err = withOtherNeeds(ctx, tx, g, js); err != nil {
			return w, err
		}
	}
	for _, j := range js {
		w.Next = append(w.Next, candidate(j))
	}
	if g.Mode == job.Sequential {
		var first sql.NullString
		if err := tx.Row(ctx, `SELECT min(rank) FROM jobs WHERE group_id = $1 AND group_id <> '' AND state = 'QUEUED'`, g.ID).Scan(&first); err != nil {
			return w, fmt.Errorf("read the first member: %w", err)
		}
		w.Blocked = len(js) == 0 || first.String != string(js[0].Rank)
	}
	return w, nil
}

// startable are the members of a group that may be claimed now.
const startable = `group_id <> '' AND state = 'QUEUED' AND held_reason = '' AND not_before_ms = 0 AND approval_until_ms = 0 AND parked = ''`

// unbound reports whether j needs nothing that another job could have.
func unbound(j job.Job) bool { return len(j.Locks)+len(j.ResumeLocks) == 0 && j.Limits.Key == "" }

// otherNeeds bounds how many members withOtherNeeds adds.
const otherNeeds = 64

// withOtherNeeds adds to the first members of a group, all of which may wait for
// one lock, the first member of each further set of needs. It reads the whole
// group, so it is for groups in which that may be necessary.
func withOtherNeeds(ctx context.Context, tx Tx, g job.Group, js []job.Job) ([]job.Job, error) {
	more, err := leanJobs(ctx, tx, `rank > $1 AND state = 'QUEUED' AND group_id <> '' AND rank IN (SELECT min(rank) FROM jobs
		WHERE group_id = $2 AND `+startable+`
		GROUP BY locks, resume_locks, limits, job_type, template_id) ORDER BY rank LIMIT $3`, string(js[len(js)-1].Rank), g.ID, otherNeeds)
	return append(js, more...), err
}

func candidate(j job.Job) job.Candidate {
	return job.Candidate{JobID: j.ID, Rank: j.Rank, Needs: j.Needs(), Group: j.GroupID}
}

// overtaken reads the few jobs that were overtaken and still wait at their
// places.
func overtaken(ctx context.Context, tx Tx) ([]job.Overtaken, error) {
	rows, err := tx.Query(ctx, `SELECT job_id, rank, starts, affinity, since_ms FROM overtaken ORDER BY rank`)
	if err != nil {
		return nil, fmt.Errorf("read overtaken jobs: %w", err)
	}
	noted, err := collect(rows, func(r Rows) (o job.Overtaken, err error) {
		var since int64
		err = r.Scan(&o.JobID, &o.Rank, &o.Starts, &o.Affinity, &since)
		o.Since = clock.FromMillis(since)
		return o, err
	})
	if err != nil || len(noted) == 0 {
		return nil, err
	}
	// By their ids, so that no planner begins with the many that wait.
	ids := make([]string, len(noted))
	for i, o := range noted {
		ids[i] = o.JobID
	}
	list, args := values(ids)
	js, err := leanJobs(ctx, tx, `job_id IN (`+list+`)`, args...)
	if err != nil {
		return nil, err
	}
	var out []job.Overtaken
	for _, o := range noted {
		i := slices.IndexFunc(js, func(j job.Job) bool { return j.ID == o.JobID })
		if i >= 0 && js[i].Ready() && js[i].Rank == o.Rank {
			o.Needs = js[i].Needs()
			out = append(out, o)
		}
	}
	return out, nil
}

// forgetOvertaken drops the notes of jobs that do not wait at their places any
// more, or that are held or delayed: one that comes back begins anew, and is no
// barrier because of what was before.
func forgetOvertaken(ctx context.Context, tx Tx, known []job.Overtaken, noted int) error {
	if noted == len(known) {
		return nil
	}
	return keepOvertaken(ctx, tx, known)
}

// keepOvertaken drops all notes but those of the given jobs.
func keepOvertaken(ctx context.Context, tx Tx, known []job.Overtaken) error {
	ids := []string{""}
	for _, o := range known {
		ids = append(ids, o.JobID)
	}
	list, args := values(ids)
	if _, err := tx.Exec(ctx, `DELETE FROM overtaken WHERE job_id NOT IN (`+list+`)`, args...); err != nil {
		return fmt.Errorf("forget overtaking: %w", err)
	}
	return nil
}

// saveOvertaken writes the list that a decision made, where it differs.
func saveOvertaken(ctx context.Context, tx Tx, before, after []job.Overtaken) error {
	old := map[string]job.Overtaken{}
	for _, o := range before {
		old[o.JobID] = o
	}
	var rows []string
	var args []any
	for _, o := range after {
		was, there := old[o.JobID]
		delete(old, o.JobID)
		if there && was.Starts == o.Starts && was.Affinity == o.Affinity {
			continue
		}
		n := len(args)
		rows = append(rows, fmt.Sprintf("($%d, $%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4, n+5))
		args = append(args, o.JobID, string(o.Rank), o.Starts, o.Affinity, clock.Millis(o.Since))
	}
	if len(rows) > 0 {
		if _, err := tx.Exec(ctx, `INSERT INTO overtaken (job_id, rank, starts, affinity, since_ms) VALUES `+strings.Join(rows, ", ")+`
			ON CONFLICT (job_id) DO UPDATE SET rank = excluded.rank, starts = excluded.starts, affinity = excluded.affinity,
			since_ms = excluded.since_ms`, args...); err != nil {
			return fmt.Errorf("count overtaking: %w", err)
		}
	}
	if len(rows) == 0 && len(old) == 0 {
		return nil
	}
	return keepOvertaken(ctx, tx, after)
}

// heads gives a decision the waiting jobs from the index, and reads each in the
// claim's transaction before the decision sees it.
type heads struct {
	ctx   context.Context
	tx    Tx
	index *order.Index
	// ahead is how many jobs are read at once, by an engine that is Columnwise.
	ahead int
	err   error
}

// first reads the jobs that a walk meets first, by rank; nil for those that have
// changed.
func (h *heads) first(blocked func(resource string) bool) (map[rank.Rank]*job.Job, error) {
	if h.ahead < 2 {
		return nil, nil
	}
	var ranks []string
	found := map[rank.Rank]*job.Job{}
	h.index.Walk(blocked, func(r rank.Rank, _ string) bool {
		ranks, found[r] = append(ranks, string(r)), nil
		return len(ranks) < h.ahead
	})
	if len(ranks) < 2 {
		return nil, nil
	}
	// Each is looked for by itself. Asked for all of them at once, the planner may read all
	// that wait: it believes that little does, because it counted when that was so.
	rows, err := h.tx.Query(h.ctx, `SELECT `+headColumns+` FROM unnest((SELECT $1::text[])) AS heads (head)
		CROSS JOIN LATERAL (SELECT * FROM jobs WHERE state = 'QUEUED' AND rank = heads.head LIMIT 1) AS found`, ranks)
	if err != nil {
		return nil, fmt.Errorf("read the first jobs: %w", err)
	}
	js, err := collect(rows, scanHead)
	for i := range js {
		found[js[i].Rank] = &js[i]
	}
	return found, err
}

// at reads the job at a place; nil if there is none any more.
func (h *heads) at(r rank.Rank, first map[rank.Rank]*job.Job) (*job.Job, error) {
	if j, read := first[r]; read {
		return j, nil
	}
	rows, err := h.tx.Query(h.ctx, `SELECT `+headColumns+` FROM jobs WHERE state = 'QUEUED' AND rank = $1`, string(r))
	if err != nil {
		return nil, fmt.Errorf("read a job that waits: %w", err)
	}
	js, err := collect(rows, scanHead)
	if err != nil || len(js) == 0 {
		return nil, err
	}
	return &js[0], nil
}

func (h *heads) Walk(blocked func(resource string) bool, yield func(c job.Candidate, g *job.GroupWork) bool) error {
	first, err := h.first(blocked)
	if err != nil {
		h.err = err
		return err
	}
	offered := map[string]bool{} // groups that were looked at in this walk
	h.index.Walk(func(resource string) bool { return offered[resource] || blocked(resource) }, func(r rank.Rank, _ string) bool {
		j, err := h.at(r, first)
		if err != nil {
			h.err = err
			return false
		}
		if j == nil || !j.Ready() {
			return true // a person changes it at this moment
		}
		c := candidate(*j)
		if c.Group == "" {
			return yield(c, nil)
		}
		offered[job.ResourceGroup+c.Group] = true
		g, err := scanGroupWith(h.tx.Row(h.ctx, `SELECT `+groupColumns+` FROM job_groups WHERE group_id = $1`, c.Group).Scan)
		if err != nil {
			h.err = fmt.Errorf("read group: %w", err)
			return false
		}
		w, err := groupWork(h.ctx, h.tx, g)
		if err != nil {
			h.err = err
			return false
		}
		return yield(c, &w)
	})
	return h.err
}

// scanBlocked is how many blocked classes a decision looks at for those that
// are overtaken.
const scanBlocked = 256

func (h *heads) Blocked(blocked func(resource string) bool, n int) ([]job.Candidate, error) {
	found := h.index.Blocked(blocked, n, scanBlocked)
	if len(found) == 0 {
		return nil, nil
	}
	ranks := make([]string, len(found))
	for i, b := range found {
		ranks[i] = string(b.Rank)
	}
	list, args := values(ranks)
	js, err := leanJobs(h.ctx, h.tx, `state = 'QUEUED' AND rank IN (`+list+`) ORDER BY rank`, args...)
	if err != nil {
		h.err = err
		return nil, err
	}
	var out []job.Candidate
	for _, j := range js {
		if j.Ready() && j.GroupID == "" {
			out = append(out, candidate(j))
		}
	}
	return out, nil
}
