package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func (m *model) readGroup(groupID string) job.Group {
	g, err := m.s.Groups.Group(m.t.Context(), tenant, groupID)
	m.must(nil, err)
	return g
}

func (m *model) drawGroup(rt *rapid.T, fits func(job.Group) bool) job.Group {
	var list []job.Group
	for _, g := range m.groups {
		if fits(g) {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b job.Group) int { return cmp.Compare(m.slots[a.ID], m.slots[b.ID]) })
	return one(rt, "group", list)
}

func (m *model) drafts(rt *rapid.T) []job.Job {
	var js []job.Job
	for range rapid.IntRange(1, 4).Draw(rt, "members") {
		j := m.draft(rt)
		j.Trigger = job.TriggerGroup
		js = append(js, j)
	}
	return js
}

// full keeps sequences small enough to be read.
func (m *model) full(rt *rapid.T) {
	if len(m.jobs) > 14 {
		rt.Skip("enough")
	}
}

func (m *model) addGroup(rt *rapid.T) {
	m.full(rt)
	g := group(rapid.SampledFrom([]job.GroupMode{job.Parallel, job.Sequential}).Draw(rt, "mode"),
		rapid.SampledFrom([]job.OnFailure{job.FailureStop, job.FailureContinue}).Draw(rt, "on failure"))
	g.CreatedAt = m.now
	js := m.drafts(rt)
	p := store.AddGroup{Group: g, Jobs: js, Priority: rapid.SampledFrom([]int{2, 5, 8}).Draw(rt, "priority")}
	if rapid.IntRange(0, 2).Draw(rt, "placed") == 0 {
		p.Place = m.drawPlace(rt)
	}
	got, err := m.s.Groups.Create(m.t.Context(), p)
	m.must(nil, err)
	g.State, g.Version, g.Rank = job.GroupPending, 1, got.Group.Rank
	m.groups[g.ID] = g
	m.slots[g.ID] = m.tick()
	zone := job.Job{Priority: p.Priority, Trigger: job.TriggerGroup}.Zone()
	u := &unit{id: g.ID, zone: zone, born: m.tick(), moved: m.tick(), placed: p.Place != nil}
	if p.Place != nil {
		m.join([]*unit{u}, p.Place)
	}
	m.joined(g.ID, js, got)
	if p.Place == nil {
		m.join([]*unit{u}, nil)
	}
	m.equal("position", m.position(g.ID), got.Position)
}

// joined takes new members over.
func (m *model) joined(groupID string, js []job.Job, got store.GroupAdded) {
	g := m.groups[groupID]
	for i, j := range js {
		j.State, j.Version, j.GroupID, j.Rank = job.Queued, 1, groupID, rank.Member(g.Rank, g.NextMember)
		m.equal("member", j, got.Jobs[i])
		m.slots[j.ID] = g.NextMember
		g.NextMember++
		g.Total++
		m.jobs = append(m.jobs, j)
	}
	g.Version++
	m.groups[groupID] = g
	m.equal("group", g, got.Group)
}

func (m *model) addMembers(rt *rapid.T) {
	m.full(rt)
	g := m.drawGroup(rt, func(job.Group) bool { return true })
	js := m.drafts(rt)
	got, err := m.s.Groups.Add(m.t.Context(), store.AddMembers{Tenant: tenant, GroupID: g.ID, Jobs: js})
	if g.State != job.GroupPending {
		m.want(fault.GroupStarted, err)
		return
	}
	m.must(nil, err)
	m.joined(g.ID, js, got)
	m.equal("position", m.position(g.ID), got.Position)
}

// memberEnded counts a member's end, skips the rest of a stopped group, and
// takes a group that has ended out of the order.
func (m *model) memberEnded(j job.Job, stops bool) {
	g := m.groups[j.GroupID].Member(j.State, j.FinishedAt)
	m.groups[g.ID] = g
	if g.Terminal() {
		m.line = slices.DeleteFunc(m.line, func(u *unit) bool { return u.id == g.ID })
		return
	}
	if stops && g.State == job.GroupRunning && g.Stops(j.State) {
		for _, o := range m.members(g.ID) {
			m.dropped(o, j.FinishedAt, job.ReasonGroupStopped)
		}
	}
}

// dropped checks that a waiting job was skipped.
func (m *model) dropped(j job.Job, at time.Time, reason string) {
	got := m.read(j.ID)
	c, err := job.Apply(j, job.Dropped{At: at, Reason: reason, RunID: got.RunID})
	m.must(nil, err)
	m.equal("dropped", c.After, got)
	r, err := m.s.Runs.Run(m.t.Context(), tenant, got.RunID)
	m.must(nil, err)
	m.equal("why", []string{string(run.Skipped), reason}, []string{string(r.State), r.Reason})
	m.replace(m.index(j.ID), got)
}

func (m *model) cancelGroup(rt *rapid.T) {
	g := m.drawGroup(rt, func(job.Group) bool { return true })
	got, err := m.s.Groups.Cancel(m.t.Context(), store.CancelGroup{Tenant: tenant, ID: g.ID, By: "me", At: m.now})
	if g.Terminal() {
		m.want(fault.AlreadyFinished, err)
		return
	}
	m.must(nil, err)
	for _, j := range slices.Clone(m.jobs) {
		if j.GroupID != g.ID {
			continue
		}
		c, err := job.Apply(j, job.CancelAsked{At: m.now, By: "me"})
		m.must(nil, err)
		m.equal("cancelled", c.After, m.read(j.ID))
		i := m.index(j.ID)
		if m.jobs[i] = c.After; c.After.State.Terminal() {
			m.jobs = slices.Delete(m.jobs, i, i+1)
			m.memberEnded(c.After, false)
		}
	}
	m.equal("group", m.groups[g.ID], got)
}

// tidy does what a claim does first: it ends what is over.
func (m *model) tidy() {
	for _, j := range slices.Clone(m.jobs) {
		i := m.index(j.ID) // it may have been skipped with another of its group
		if i >= 0 && waiting(m.jobs[i]) && j.Attempt == 0 && !j.StartDeadline.IsZero() && !j.StartDeadline.After(m.now) {
			m.dropped(m.jobs[i], m.now, job.ReasonDeadline)
		}
	}
	for i, j := range m.jobs {
		if waiting(j) && j.HeldReason == "" && !j.NotBefore.IsZero() && !j.NotBefore.After(m.now) {
			c, err := job.Apply(j, job.Due{At: m.now})
			m.must(nil, err)
			m.jobs[i] = c.After
		}
	}
	m.outside = slices.DeleteFunc(m.outside, func(h job.Holder) bool { return !h.ExpiresAt.After(m.now) })
	m.direct = slices.DeleteFunc(m.direct, func(d *ask) bool { return !d.running && !d.Now.Add(d.TTL).After(m.now) })
}

// nextAt is when something is over by itself.
func (m *model) nextAt() time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, j := range m.jobs {
		if waiting(j) && j.HeldReason == "" && !j.NotBefore.IsZero() {
			sooner(j.NotBefore)
		}
		if waiting(j) && j.Attempt == 0 && !j.StartDeadline.IsZero() {
			sooner(j.StartDeadline)
		}
	}
	for _, h := range m.outside {
		sooner(h.ExpiresAt)
	}
	return next
}

// begun are the running groups, first begun first.
func (m *model) begun() []job.Group {
	var out []job.Group
	for _, g := range m.groups {
		if g.State == job.GroupRunning {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b job.Group) int { return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID)) })
	return out
}

func (m *model) claim(rt *rapid.T) {
	instance := one(rt, "instance", m.instances)
	if rapid.IntRange(0, 3).Draw(rt, "beats") > 0 {
		m.extend(instance)
	}
	m.claimFor(instance, rapid.IntRange(0, 4).Draw(rt, "room"))
}

func (m *model) claimFor(instance string, room int) {
	var seen []string
	asked := false
	decide := func(s job.Snapshot) job.Decision {
		asked, seen = true, nil
		err := s.Heads.Walk(func(string) bool { return false }, func(c job.Candidate, _ *job.GroupWork) bool {
			seen = append(seen, cmp.Or(c.Group, c.JobID))
			return true
		})
		m.must(nil, err)
		return m.decide(s)
	}
	cs, err := m.s.Jobs.Claim(m.t.Context(), store.ClaimJobs{Instance: instance, Now: m.now, Poll: true, Room: room, Decide: decide})
	if !m.leases[instance].After(m.now) {
		m.want(fault.StaleLease, err)
		return
	}
	m.must(nil, err)
	m.tidy()
	if asked {
		var ready []string
		for _, u := range m.line {
			if slices.ContainsFunc(m.crew(u), job.Job.Ready) {
				ready = append(ready, u.id)
			}
		}
		m.equal("ready, as the index sees it", ready, seen)
	}
	m.equal("next at", m.nextAt(), cs.NextAt)
	p := m.plan(instance, room)
	if d := diff(p.jobs, claimedIDs(cs.Started)); d != "" {
		m.rt.Fatalf("claimed (-want +got):\n%s\n%s", d, m.describe(instance, room))
	}
	var direct []string
	for _, d := range cs.Direct {
		direct = append(direct, d.Run.ID)
		m.started(d.Run)
	}
	m.equal("direct", p.direct, direct)
	m.begin(p.groups)
	for _, c := range cs.Started {
		m.fence(c.Job.Epoch)
		i := m.index(c.Job.ID)
		ch, err := job.Apply(m.jobs[i], job.Claimed{At: m.now, RunID: c.Run.ID, Instance: instance, Epoch: m.epoch})
		m.must(nil, err)
		m.equal("started", ch.After, c.Job)
		m.runs[c.Job.ID] = c.Run
		m.replace(i, c.Job)
	}
}

// describe is for people who look at a failure.
func (m *model) describe(instance string, room int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "claim for %s, room %d, workers %d, paused %v, now %s, rules %+v\n", instance, room, m.workers, m.paused, m.now, m.rules)
	for _, u := range m.line {
		fmt.Fprintf(&b, "place %s (%d waiting)\n", u.id, len(m.crew(u)))
	}
	for _, j := range m.jobs {
		fmt.Fprintf(&b, "job %s %s %s group %q active %v held %q not before %s locks %v limits %+v template %q\n",
			j.ID, j.State, j.Type, j.GroupID, j.GroupActive, j.HeldReason, j.NotBefore, j.Locks, j.Limits, j.TemplateID)
	}
	for _, g := range m.groups {
		fmt.Fprintf(&b, "group %s %s %s, %d at once\n", g.ID, g.State, g.Mode, g.MaxParallel)
	}
	for _, d := range m.direct {
		fmt.Fprintf(&b, "direct %s of %s, running %v, locks %v\n", d.Run.ID, d.Instance, d.running, d.Locks)
	}
	for _, h := range m.holders() {
		fmt.Fprintf(&b, "holder %+v\n", h)
	}
	fmt.Fprintf(&b, "capacities %v\n", m.capacity)
	return b.String()
}

// begin gives groups their slots.
func (m *model) begin(groups map[string]bool) {
	for name, begins := range groups {
		if !begins {
			continue
		}
		for i, j := range m.jobs {
			if j.GroupID == name && waiting(j) {
				c, err := job.Apply(j, job.GroupBegan{At: m.now})
				m.must(nil, err)
				m.jobs[i] = c.After
			}
		}
		g := m.groups[name]
		g.State, g.StartedAt = job.GroupRunning, m.now
		g.Version++
		m.groups[name] = g
	}
}

// fence checks that tokens grow.
func (m *model) fence(token int64) {
	if token <= m.epoch {
		m.rt.Fatalf("token %d after %d", token, m.epoch)
	}
	m.epoch = token
}

// holders are the units of locks that are taken.
func (m *model) holders() []job.Holder {
	out := slices.DeleteFunc(slices.Clone(m.outside), func(h job.Holder) bool { return !h.ExpiresAt.After(m.now) })
	for _, j := range m.jobs {
		for _, l := range j.Locks {
			if running(j) && !m.forced[unitName(l, j.Epoch)] {
				out = append(out, holder(l, j))
			}
		}
	}
	for _, d := range m.direct {
		for _, l := range d.Locks {
			if d.running && !m.forced[unitName(l, d.run.Epoch)] {
				out = append(out, job.Holder{Lock: l, Token: d.run.Epoch, Tenant: tenant, RunID: d.run.ID, HeldAt: d.run.StartedAt})
			}
		}
	}
	return out
}

func unitName(lock string, token int64) string { return lock + " " + time.UnixMilli(token).String() }

func (m *model) unitsOf(lock string) []job.Holder {
	return slices.DeleteFunc(m.holders(), func(h job.Holder) bool { return h.Lock != lock })
}

func (m *model) drawLock(rt *rapid.T) string {
	return m.prefix + rapid.SampledFrom([]string{"l", "m"}).Draw(rt, "lock")
}

func (m *model) setCapacity(rt *rapid.T) {
	l, n := m.drawLock(rt), rapid.IntRange(1, 3).Draw(rt, "units")
	_, err := m.s.Locks.SetCapacity(m.t.Context(), store.SetCapacity{Tenant: tenant, Name: l, Capacity: n, At: m.now})
	m.must(nil, err)
	if n < m.capacity[l] {
		m.forced["shrunk "+l] = true
	}
	m.capacity[l] = n
}

// shrunk says that a lock may have more holders than units, because it had more
// units before.
func (m *model) shrunk(lock string) bool { return m.forced["shrunk "+lock] }

func (m *model) acquire(rt *rapid.T) {
	l := m.drawLock(rt)
	p := store.AcquireLock{Tenant: tenant, Name: l, Holder: "program", TTL: time.Duration(rapid.IntRange(20, 200).Draw(rt, "ttl")) * time.Second, Now: m.now}
	h, err := m.s.Locks.Acquire(m.t.Context(), p)
	m.outside = slices.DeleteFunc(m.outside, func(h job.Holder) bool { return !h.ExpiresAt.After(m.now) })
	if len(m.unitsOf(l)) >= max(m.capacity[l], 1) {
		m.want(fault.LockHeld, err)
		return
	}
	m.must(nil, err)
	m.fence(h.Token)
	m.equal("holder", job.Holder{Lock: l, Token: h.Token, Tenant: tenant, Outside: "program", HeldAt: m.now, ExpiresAt: m.now.Add(p.TTL)}, h)
	m.outside = append(m.outside, h)
}

// giveBack renews or releases a lock from outside.
func (m *model) giveBack(rt *rapid.T) {
	h := one(rt, "holder", m.outside)
	over := !h.ExpiresAt.After(m.now)
	if rapid.Bool().Draw(rt, "renew") {
		got, err := m.s.Locks.Renew(m.t.Context(), store.RenewLock{Tenant: tenant, Name: h.Lock, Token: h.Token, TTL: time.Minute, Now: m.now})
		if over {
			m.want(fault.LockNotHeld, err)
			return
		}
		m.must(nil, err)
		m.outside[slices.Index(m.outside, h)] = got
		h.ExpiresAt = m.now.Add(time.Minute)
		m.equal("renewed", h, got)
		return
	}
	m.giveUp(h)
}

func (m *model) giveUp(h job.Holder) {
	_, err := m.s.Locks.Release(m.t.Context(), store.ReleaseLock{Tenant: tenant, Name: h.Lock, Token: h.Token, Now: m.now})
	if !h.ExpiresAt.After(m.now) {
		m.want(fault.LockNotHeld, err)
		return
	}
	m.must(nil, err)
	m.outside = slices.DeleteFunc(m.outside, func(o job.Holder) bool { return o == h })
}

// force takes a unit away from whoever has it.
func (m *model) force(rt *rapid.T) {
	hs := slices.DeleteFunc(m.holders(), func(h job.Holder) bool { return !strings.HasPrefix(h.Lock, m.prefix) })
	h := one(rt, "holder", hs)
	_, err := m.s.Locks.Release(m.t.Context(), store.ReleaseLock{Tenant: tenant, Name: h.Lock, Token: h.Token, Force: true, Now: m.now})
	m.must(nil, err)
	m.forced[unitName(h.Lock, h.Token)] = true
	m.outside = slices.DeleteFunc(m.outside, func(o job.Holder) bool { return o == h })
}

func (m *model) enter(rt *rapid.T) {
	instance := one(rt, "instance", m.instances)
	if len(m.direct) > 3 {
		rt.Skip("enough")
	}
	m.extend(instance)
	p := store.EnterDirect{
		Run:      run.Run{ID: id.New(id.Run, m.now), Tenant: tenant, JobType: "echo", Params: []byte(`{}`)},
		Instance: instance, TTL: ages, Now: m.now,
	}
	if rapid.IntRange(0, 2).Draw(rt, "short") == 0 {
		p.TTL = 20 * time.Second
	}
	if rapid.Bool().Draw(rt, "locks") {
		p.Locks = []string{m.drawLock(rt)}
	}
	got, err := m.s.Direct.Enter(m.t.Context(), p)
	m.must(nil, err)
	m.direct = slices.DeleteFunc(m.direct, func(d *ask) bool { return !d.running && !d.Now.Add(d.TTL).After(m.now) })
	ahead := 0
	var runs []string
	for _, d := range m.direct {
		if d.running {
			runs = append(runs, d.run.ID)
		} else {
			ahead++
		}
	}
	for _, j := range m.jobs {
		if running(j) {
			runs = append(runs, j.ID)
		}
	}
	slices.Sort(runs)
	slices.Sort(got.WaitedFor)
	m.equal("entered", store.Entered{WaitedFor: runs, Ahead: ahead, ArrivedAt: m.now, Timeout: m.rules.DirectTimeout}, got)
	m.epoch++ // it took a number
	m.direct = append(m.direct, &ask{EnterDirect: p})
}

func (m *model) started(r run.Run) {
	m.fence(r.Epoch)
	i := slices.IndexFunc(m.direct, func(d *ask) bool { return d.Run.ID == r.ID })
	m.direct[i].running, m.direct[i].run = true, r
}

func (m *model) leave(rt *rapid.T) {
	m.withdraw(one(rt, "request", slices.DeleteFunc(slices.Clone(m.direct), func(d *ask) bool { return d.running })))
}

func (m *model) withdraw(d *ask) {
	_, err := m.s.Direct.Leave(m.t.Context(), store.LeaveDirect{RunID: d.Run.ID})
	m.must(nil, err)
	m.direct = slices.DeleteFunc(m.direct, func(o *ask) bool { return o == d })
}

// answer ends a direct request that runs.
func (m *model) answer(rt *rapid.T) {
	d := one(rt, "request", slices.DeleteFunc(slices.Clone(m.direct), func(d *ask) bool { return !d.running }))
	m.endDirect(d, run.Succeeded{At: m.now})
}

func (m *model) endDirect(d *ask, ev any) {
	c, err := run.Apply(d.run, ev)
	m.must(nil, err)
	m.must(nil, m.s.Direct.Finish(m.t.Context(), []run.Change{c})[0])
	m.want(fault.StaleLease, m.s.Direct.Finish(m.t.Context(), []run.Change{c})[0])
	m.direct = slices.DeleteFunc(m.direct, func(o *ask) bool { return o == d })
}

// stale repeats the end of an attempt that has ended.
func (m *model) stale(rt *rapid.T) {
	f := one(rt, "end", m.gone)
	m.want(fault.StaleLease, m.s.Jobs.Finish(m.t.Context(), []store.Finish{f})[0])
	m.want(fault.StaleLease, m.s.Runs.SaveCheckpoint(m.t.Context(), store.Checkpoint{
		JobID: f.Job.Before.ID, RunID: f.Run.Before.ID, Epoch: f.Run.Before.Epoch, Data: []byte("x"), At: m.now,
	}))
}
