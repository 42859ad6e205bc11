package portable

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

type orders struct{ *db }

// unit is what has one place in the order: a job, or a group with its waiting
// members.
type unit struct {
	id    string
	place rank.Rank
	group bool
	jobs  []job.Job // waiting, in order
}

// shift gives a unit another place.
type shift struct {
	unit unit
	to   rank.Rank
	// enters is the group of which a job becomes a member; leaves says that it is one no
	// more.
	enters string
	leaves bool
}

// of is what the shift does to one of its jobs.
func (sh shift) of(j job.Job, at time.Time) any {
	switch {
	case sh.enters != "":
		return job.Grouped{At: at, GroupID: sh.enters, Rank: sh.to}
	case sh.leaves:
		return job.Ungrouped{At: at, Rank: sh.to}
	case sh.unit.group:
		return job.Placed{At: at, Rank: sh.to + j.Rank[len(j.Rank.Place()):]}
	}
	return job.Placed{At: at, Rank: sh.to}
}

func (s orders) Place(ctx context.Context, p store.PlaceJobs) (store.Placed, error) {
	var out store.Placed
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Placed{}
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		// Claims and other moves wait; what is added meanwhile goes where its zone says.
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		now, err := settings(ctx, tx)
		if err != nil {
			return err
		}
		if p.IfRevision != 0 && p.IfRevision != now.Revision {
			return fault.Newf(fault.VersionMismatch, "the order has revision %d by now", now.Revision)
		}
		out.Revision = now.Revision
		units, member, err := s.units(ctx, tx, p, &out)
		if err != nil {
			return err
		}
		if len(units) == 0 {
			return storeKey(ctx, tx, p.Key, out)
		}
		shifts, err := s.shifts(ctx, tx, p, units, member, &out)
		if err != nil {
			return err
		}
		moved, err := carryOut(ctx, tx, shifts, p.At)
		if err != nil {
			return err
		}
		if moved != "" {
			about := ""
			if len(p.IDs) == 1 && !units[0].group {
				about = units[0].id
			}
			if out.Revision, err = bumpRevision(ctx, tx, p.Tenant, about, p.At, moved); err != nil {
				return err
			}
			if err := record(ctx, tx, p.Audit); err != nil {
				return err
			}
		}
		if len(units[0].jobs) > 0 {
			if out.Job, err = jobByID(ctx, tx, p.Tenant, units[0].jobs[0].ID); err != nil {
				return err
			}
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// bumpRevision gives the order its next revision and tells of it, and of what
// moved.
func bumpRevision(ctx context.Context, tx Tx, tenant, jobID string, at time.Time, moved string) (int64, error) {
	var revision int64
	if err := tx.Row(ctx, `UPDATE queue SET revision = revision + 1 WHERE id = 1 RETURNING revision`).Scan(&revision); err != nil {
		return 0, fmt.Errorf("change the order's revision: %w", err)
	}
	return revision, announceMoved(ctx, tx, []event.Event{{
		Tenant: tenant, Type: event.QueueReordered, At: at, JobID: jobID,
		Data: map[string]string{"revision": strconv.FormatInt(revision, 10)},
	}}, moved)
}

// units reads what is to be moved, and the group if these are members of one.
func (s orders) units(ctx context.Context, tx Tx, p store.PlaceJobs, out *store.Placed) (us []unit, member string, err error) {
	seen := map[string]bool{}
	groups := map[string]bool{}
	for i, name := range p.IDs {
		if seen[name] {
			return nil, "", fault.Newf(fault.InvalidInput, "%s is named twice", name).At("/order/"+strconv.Itoa(i), "duplicate", "is named twice")
		}
		seen[name] = true
		u, j, waits, err := s.unit(ctx, tx, p.Tenant, name)
		if fault.Is(err, fault.NotFound) && len(p.IDs) > 1 {
			waits, err = false, nil
		}
		if err != nil {
			return nil, "", err
		}
		if !waits {
			out.Ignored = append(out.Ignored, name)
			continue
		}
		for _, j := range u.jobs {
			if p.Allow != nil {
				if err := p.Allow(j); err != nil {
					return nil, "", err
				}
			}
		}
		groups[j.GroupID] = true
		us = append(us, u)
		out.Moved = append(out.Moved, name)
	}
	if len(groups) > 1 {
		return nil, "", fault.New(fault.WrongGroup, "these are members of a group and others: a member moves only inside its group")
	}
	for g := range groups {
		member = g
	}
	return us, member, nil
}

// unit reads one thing by id. waits is false when it is not in the order any
// more. For a job, j is the job.
func (s orders) unit(ctx context.Context, tx Tx, tenant, name string) (u unit, j job.Job, waits bool, err error) {
	if id.Check(id.Group, name) == nil {
		g, err := lockGroup(ctx, tx, s.db, tenant, name)
		if err != nil {
			return u, j, false, err
		}
		js, err := leanJobs(ctx, tx, `group_id = $1 AND group_id <> '' AND state = 'QUEUED' ORDER BY rank`, name)
		return unit{name, g.Rank, true, js}, j, g.State == job.GroupPending && len(js) > 0, err
	}
	if err := s.LockJob(ctx, tx, name); err != nil {
		return u, j, false, err
	}
	if j, err = jobByID(ctx, tx, tenant, name); err != nil {
		return u, j, false, err
	}
	return unit{name, j.Rank, false, []job.Job{j}}, j, j.State == job.Queued && j.Parked == "", nil
}

func queryJobs(ctx context.Context, tx Tx, cond string, args ...any) ([]job.Job, error) {
	rows, err := tx.Query(ctx, `SELECT `+jobColumns+` FROM jobs WHERE `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	return collect(rows, scanJob)
}

// leanJobs is queryJobs without params: many jobs may be read at once, each with
// up to a megabyte of them.
func leanJobs(ctx context.Context, tx Tx, cond string, args ...any) ([]job.Job, error) {
	rows, err := tx.Query(ctx, `SELECT `+leanColumns+` FROM jobs WHERE `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	return collect(rows, scanJob)
}

// shifts decides who goes where.
func (s orders) shifts(ctx context.Context, tx Tx, p store.PlaceJobs, us []unit, member string, out *store.Placed) ([]shift, error) {
	if member != "" {
		return s.inside(ctx, tx, p, us, member, out)
	}
	kept, err := reserved(ctx, tx)
	if err != nil {
		return nil, err
	}
	var shifts []shift
	err = s.with(ctx, tx, func(x *order.Index) error {
		before := x.Position(us[0].place)
		to := make([]rank.Rank, 0, len(us))
		if p.Place == nil {
			for _, u := range us {
				to = append(to, u.place)
			}
			slices.Sort(to)
		} else {
			moving := map[rank.Rank]bool{}
			natural := make([]rank.Rank, 0, len(us))
			for _, u := range us {
				moving[u.place] = true
				natural = append(natural, u.place)
			}
			slices.Sort(natural)
			var err error
			if to, err = s.ranksAt(ctx, tx, x, wish{p.Tenant, *p.Place, natural, moving, kept}); err != nil {
				return err
			}
		}
		for i, u := range us {
			if to[i] != u.place {
				shifts = append(shifts, shift{unit: u, to: to[i]})
			}
		}
		// The position that the first will have: those that leave from before it are
		// gone, those that come before it are there.
		after := x.Position(to[0])
		for i, u := range us {
			if u.place < to[0] {
				after--
			}
			if to[i] < to[0] {
				after++
			}
		}
		out.OldPosition, out.NewPosition = before, after
		var err error
		shifts, err = s.shorten(ctx, tx, x, shifts, kept)
		return err
	})
	return shifts, err
}

// wish is where somebody wants something to go.
type wish struct {
	tenant string
	place  store.Place
	// natural are the ranks that it gets in an empty order, ascending; moving are
	// the places of what moves there, which are no neighbours.
	natural []rank.Rank
	moving  map[rank.Rank]bool
	kept    []rank.Rank // see reserved
}

// ranksAt returns len(w.natural) ascending ranks for a place.
func (d *db) ranksAt(ctx context.Context, tx Tx, x *order.Index, w wish) ([]rank.Rank, error) {
	p, natural, moving := w.place, w.natural, w.moving
	var lo, hi rank.Rank
	var near string // which neighbour the place belongs to
	n := x.Places()
	switch {
	case p.Before != "" || p.After != "":
		target, err := d.neighbour(ctx, tx, w.tenant, p.Before+p.After)
		if err != nil {
			return nil, err
		}
		at := x.Position(target)
		if moving[target] {
			return nil, fault.New(fault.InvalidInput, "a job cannot be moved before or behind itself")
		}
		if p.Before != "" {
			lo, hi, near = prior(x, at-1, moving), target, "hi"
		} else {
			if r, ok := x.At(at); ok && r == target { // else it came after the index looked
				at++
			}
			lo, hi, near = target, next(x, at, moving), "lo"
		}
	case p.Top:
		hi, near = next(x, 0, moving), "hi"
	case p.Bottom:
		lo, near = prior(x, n-1, moving), "lo"
	default:
		// Counted among the others: those that move are skipped.
		at, old := max(p.Position, 0), n
		for _, m := range sortedRanks(moving) {
			if i := x.Position(m); i <= at {
				at++
				old = min(old, i)
			}
		}
		hi = next(x, at, moving)
		lo = prior(x, at-1, moving)
		// What is moved down belongs behind what it passed, what is moved up before it.
		if near = "hi"; hi == "" || lo != "" && old < at && len(moving) > 0 {
			near = "lo"
		}
	}
	if lo == "" && hi == "" {
		return slices.Sorted(slices.Values(natural)), nil
	}
	for _, r := range w.kept {
		switch {
		case r <= lo || hi != "" && r >= hi:
		case near == "hi":
			lo = r
		default:
			hi = r
		}
	}
	if near == "hi" {
		first := rank.Before(lo, hi)
		return append([]rank.Rank{first}, rank.Spread(first, hi, len(natural)-1)...), nil
	}
	last := rank.After(lo, hi)
	return append(rank.Spread(lo, last, len(natural)-1), last), nil
}

// reserved are the places to which something may come back: those of running
// jobs and groups. Nothing else may get them meanwhile. It must be asked before
// the index: what comes back in between is then known twice, the other way round
// not at all.
func reserved(ctx context.Context, tx Tx) ([]rank.Rank, error) {
	list, err := texts(ctx, tx, `SELECT rank FROM jobs WHERE state = 'RUNNING' AND group_id = ''
		UNION ALL SELECT rank FROM jobs WHERE parked <> '' AND group_id = ''
		UNION ALL SELECT rank FROM job_groups WHERE state = 'RUNNING'`)
	if err != nil {
		return nil, fmt.Errorf("read the places of what runs: %w", err)
	}
	out := make([]rank.Rank, len(list))
	for i, r := range list {
		out[i] = rank.Rank(r)
	}
	return out, nil
}

func sortedRanks(m map[rank.Rank]bool) []rank.Rank {
	out := make([]rank.Rank, 0, len(m))
	for r := range m {
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}

// prior is the last place at i or before that does not move, "" if there is none.
func prior(x *order.Index, i int, moving map[rank.Rank]bool) rank.Rank {
	for i = min(i, x.Places()-1); i >= 0; i-- {
		if r, ok := x.At(i); ok && !moving[r] {
			return r
		}
	}
	return ""
}

// next is the first place at i or behind that does not move, "" if there is none.
func next(x *order.Index, i int, moving map[rank.Rank]bool) rank.Rank {
	for ; ; i++ {
		r, ok := x.At(i)
		if !ok {
			return ""
		}
		if !moving[r] {
			return r
		}
	}
}

// neighbour is the place of a job or group that waits.
func (d *db) neighbour(ctx context.Context, tx Tx, tenant, name string) (rank.Rank, error) {
	u, j, waits, err := orders{d}.unit(ctx, tx, tenant, name)
	if err != nil {
		return "", err
	}
	if !waits || j.GroupActive {
		return "", fault.Newf(fault.AlreadyStarted, "%s does not wait any more", name)
	}
	return u.place.Place(), nil
}

// inside moves members of a group inside it: they exchange their ranks.
func (s orders) inside(ctx context.Context, tx Tx, p store.PlaceJobs, us []unit, group string, out *store.Placed) ([]shift, error) {
	if _, err := lockGroup(ctx, tx, s.db, p.Tenant, group); err != nil {
		return nil, err
	}
	all, err := leanJobs(ctx, tx, `group_id = $1 AND group_id <> '' AND state = 'QUEUED' ORDER BY rank`, group)
	if err != nil {
		return nil, err
	}
	find := func(list []job.Job, name string) int {
		return slices.IndexFunc(list, func(j job.Job) bool { return j.ID == name })
	}
	out.OldPosition = find(all, us[0].id)
	rest := slices.Clone(all)
	var named []job.Job
	for _, u := range us {
		i := find(rest, u.id)
		if i < 0 {
			return nil, fault.Newf(fault.Conflict, "job %s changed meanwhile", u.id)
		}
		named = append(named, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	var want []job.Job
	if p.Place == nil {
		left := named
		for _, j := range all {
			if slices.Contains(out.Moved, j.ID) {
				j, left = left[0], left[1:]
			}
			want = append(want, j)
		}
	} else {
		at := min(max(p.Place.Position, 0), len(rest))
		switch target := p.Place.Before + p.Place.After; {
		case target != "":
			if at = find(rest, target); at < 0 {
				return nil, fault.Newf(fault.WrongGroup, "%s is not a waiting member of group %s: a member moves only inside its group", target, group)
			}
			if p.Place.After != "" {
				at++
			}
		case p.Place.Top:
			at = 0
		case p.Place.Bottom:
			at = len(rest)
		}
		want = slices.Insert(rest, at, named...)
	}
	out.NewPosition = find(want, us[0].id)
	var shifts []shift
	for i, j := range want {
		if j.Rank != all[i].Rank {
			shifts = append(shifts, shift{unit: unit{j.ID, j.Rank, false, []job.Job{j}}, to: all[i].Rank})
		}
	}
	return shifts, nil
}

// spreadWindow is how many neighbours on each side get new ranks when one has
// become too long.
const spreadWindow = 64

// shorten gives the neighbours of a rank that has become too long new ranks
// too, so that ranks stay short however often things are moved between the same
// two jobs.
func (s orders) shorten(ctx context.Context, tx Tx, x *order.Index, shifts []shift, kept []rank.Rank) ([]shift, error) {
	i := slices.IndexFunc(shifts, func(sh shift) bool { return len(sh.to) > rank.MaxLen })
	if i < 0 {
		return shifts, nil
	}
	moving := map[rank.Rank]bool{}
	for _, sh := range shifts {
		moving[sh.unit.place] = true
	}
	center := x.Position(shifts[i].to)
	for width := spreadWindow; ; width *= 4 {
		lo, hi := max(center-width, 0), min(center+width, x.Places())
		var window []shift
		for at := lo; at < hi; at++ {
			r, ok := x.At(at)
			if !ok || moving[r] {
				continue
			}
			u, err := s.unitAt(ctx, tx, r)
			if err != nil {
				return nil, err
			}
			window = append(window, shift{unit: u, to: r})
		}
		first, last := prior(x, lo-1, moving), next(x, hi, moving)
		for _, sh := range shifts {
			if sh.to > first && (last == "" || sh.to < last) {
				window = append(window, sh)
			}
		}
		slices.SortFunc(window, func(a, b shift) int { return strings.Compare(string(a.to), string(b.to)) })
		fresh := rank.Spread(first, last, len(window)+len(kept))
		fresh = slices.DeleteFunc(fresh, func(r rank.Rank) bool { return slices.Contains(kept, r) })
		long := slices.ContainsFunc(fresh, func(r rank.Rank) bool { return len(r) > rank.MaxLen/2 })
		if long && (lo > 0 || hi < x.Places()) {
			continue
		}
		for k := range window {
			window[k].to = fresh[k]
		}
		for _, sh := range shifts {
			if !slices.ContainsFunc(window, func(w shift) bool { return w.unit.id == sh.unit.id }) {
				window = append(window, sh)
			}
		}
		return window, nil
	}
}

// unitAt reads what has a place.
func (s orders) unitAt(ctx context.Context, tx Tx, place rank.Rank) (unit, error) {
	js, err := leanJobs(ctx, tx, `state = 'QUEUED' AND rank >= $1 AND rank <= $2 ORDER BY rank`, string(place), string(place)+"!~")
	if err != nil {
		return unit{}, err
	}
	if len(js) == 0 {
		return unit{}, fault.Newf(fault.Conflict, "the order changed meanwhile")
	}
	if g := js[0].GroupID; g != "" {
		return unit{g, place, true, js}, nil
	}
	return unit{js[0].ID, place, false, js}, nil
}

// carryOut writes the new places and returns what the index must know of them.
func carryOut(ctx context.Context, tx Tx, shifts []shift, at time.Time) (string, error) {
	// Ranks are exchanged: no two may meet on the way.
	if len(shifts) > 1 {
		for _, sh := range shifts {
			for _, j := range sh.unit.jobs {
				if _, err := tx.Exec(ctx, `UPDATE jobs SET rank = $1 WHERE job_id = $2 AND version = $3 AND state = 'QUEUED'`,
					"~"+string(j.Rank), j.ID, j.Version); err != nil {
					return "", fmt.Errorf("take job out of its place: %w", err)
				}
			}
		}
	}
	var moved strings.Builder
	for _, sh := range shifts {
		for _, j := range sh.unit.jobs {
			c, err := job.Apply(j, sh.of(j, at))
			if err != nil {
				return "", err
			}
			text, done, err := changeRow(ctx, tx, c)
			if err != nil {
				return "", err
			}
			if !done {
				return "", fault.Newf(fault.Conflict, "job %s changed meanwhile", j.ID)
			}
			moved.WriteString(text)
			tx.Hint(store.Hint{Topic: store.HintJob, ID: j.ID})
		}
		if sh.unit.group {
			if _, err := tx.Exec(ctx, `UPDATE job_groups SET rank = $1, version = version + 1 WHERE group_id = $2`, string(sh.to), sh.unit.id); err != nil {
				return "", fmt.Errorf("move group: %w", err)
			}
		}
	}
	return moved.String(), nil
}

func (s orders) Places(ctx context.Context) (int, error) {
	var n int
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		return s.with(ctx, tx, func(x *order.Index) error {
			n = x.Places()
			return nil
		})
	})
	return n, err
}

func (s orders) Front(ctx context.Context, n int) (store.Front, error) {
	var out store.Front
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out = store.Front{Groups: map[string]job.Group{}}
		if out.Jobs, err = leanJobs(ctx, tx, `state = 'QUEUED' AND parked = '' ORDER BY rank LIMIT $1`, n); err != nil {
			return err
		}
		for _, j := range out.Jobs {
			if _, known := out.Groups[j.GroupID]; known || j.GroupID == "" {
				continue
			}
			if out.Groups[j.GroupID], err = groupByID(ctx, tx, j.Tenant, j.GroupID); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
