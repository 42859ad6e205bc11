package storetest

import (
	"cmp"
	"slices"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

// unit is what has one place in the order: a job or a group. It stays in the
// line while it runs or is cancelled, because it may come back.
type unit struct {
	id   string
	zone int
	// placed says that a person chose the place; the others stand in the order of
	// their zones and numbers.
	placed bool
	// born, moved, left and back number when it took its natural place, and when it
	// last changed its place, left the order, and came back.
	born, moved, left, back int
}

func (m *model) unit(name string) *unit {
	i := slices.IndexFunc(m.line, func(u *unit) bool { return u.id == name })
	if i < 0 {
		m.rt.Fatalf("%s has no place", name)
	}
	return m.line[i]
}

// crew are the waiting jobs of a unit: itself, or the members of a group that
// has not begun.
func (m *model) crew(u *unit) []job.Job {
	if g, ok := m.groups[u.id]; ok {
		if g.State != job.GroupPending {
			return nil
		}
		return m.members(u.id)
	}
	if i := m.index(u.id); i >= 0 && waiting(m.jobs[i]) {
		return m.jobs[i : i+1]
	}
	return nil
}

// members are the waiting members of a group in list order.
func (m *model) members(groupID string) []job.Job {
	var out []job.Job
	for _, j := range m.jobs {
		if j.GroupID == groupID && waiting(j) {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b job.Job) int { return cmp.Compare(m.slots[a.ID], m.slots[b.ID]) })
	return out
}

// shown are the ids of the units that wait, in order.
func (m *model) shown() []string {
	out := []string{}
	for _, u := range m.line {
		if len(m.crew(u)) > 0 {
			out = append(out, u.id)
		}
	}
	return out
}

func (m *model) position(name string) int { return slices.Index(m.shown(), name) }

// stored are the ids of the units that wait, in the order that the store shows.
func (m *model) stored() []string {
	out := []string{}
	for _, j := range m.listed() {
		name := cmp.Or(j.GroupID, j.ID)
		if !j.GroupActive && (len(out) == 0 || out[len(out)-1] != name) {
			out = append(out, name)
		}
	}
	return out
}

func (m *model) listed() []job.Job {
	page, err := m.s.Jobs.List(m.t.Context(), store.ListJobs{
		Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 100,
	})
	m.must(nil, err)
	return page.Jobs
}

// insert puts units before the at-th that waits.
func (m *model) insert(at int, us ...*unit) {
	n := 0
	for i, u := range m.line {
		if len(m.crew(u)) == 0 {
			continue
		}
		if n == at {
			m.line = slices.Insert(m.line, i, us...)
			return
		}
		n++
	}
	m.line = append(m.line, us...)
}

// target is where a place is in the order of all others.
func (m *model) target(p store.Place) int {
	order := m.shown()
	switch {
	case p.Before != "":
		return slices.Index(order, p.Before)
	case p.After != "":
		return slices.Index(order, p.After) + 1
	case p.Top:
		return 0
	case p.Bottom:
		return len(order)
	}
	return min(max(p.Position, 0), len(order))
}

// join adds new units: at a place, or where the store put them, if all that a
// person did not place is then in the order of zones and numbers (see check).
func (m *model) join(us []*unit, p *store.Place) {
	if p != nil {
		m.insert(m.target(*p), us...)
		return
	}
	order := m.stored()
	us = slices.Clone(us)
	slices.SortFunc(us, func(a, b *unit) int { return cmp.Compare(slices.Index(order, a.id), slices.Index(order, b.id)) })
	for _, u := range us {
		at := slices.Index(order, u.id)
		if at < 0 {
			m.rt.Fatalf("%s does not wait", u.id)
		}
		m.insert(at, u)
	}
}

// reappear puts a unit that comes back where the store shows it, which must be
// its old place among all that did not move meanwhile.
func (m *model) reappear(name string) {
	u := m.unit(name)
	u.back = m.tick()
	if m.position(name) == slices.Index(m.stored(), name) {
		return
	}
	old := slices.Index(m.line, u)
	after := map[string]bool{}
	for i, o := range m.line {
		after[o.id] = i > old
	}
	m.line = slices.Delete(m.line, old, old+1)
	m.join([]*unit{u}, nil)
	at := slices.Index(m.line, u)
	for i, o := range m.line {
		stayed := o.moved < u.left && u.moved < u.left && (o.left > u.left || o.back < u.left)
		if o != u && len(m.crew(o)) > 0 && stayed && after[o.id] != (i > at) {
			m.rt.Fatalf("%s did not come back to its old place: %s is on its other side", u.id, o.id)
		}
	}
	u.moved = m.tick() // where it is among those that are away is not known any more
}

func (m *model) drawPlace(rt *rapid.T) *store.Place {
	order := m.shown()
	kind := rapid.IntRange(0, 4).Draw(rt, "place")
	if len(order) == 0 {
		kind = min(kind, 2)
	}
	switch kind {
	case 0:
		return &store.Place{Top: true}
	case 1:
		return &store.Place{Bottom: true}
	case 2:
		return &store.Place{Position: rapid.IntRange(0, len(order)+1).Draw(rt, "position")}
	case 3:
		return &store.Place{Before: one(rt, "neighbour", order)}
	}
	return &store.Place{After: one(rt, "neighbour", order)}
}

// move moves one or more units to a place.
func (m *model) move(rt *rapid.T) {
	names := m.drawSome(rt, m.shown(), 1)
	p := m.drawPlace(rt)
	if slices.Contains(names, p.Before+p.After) {
		rt.Skip("beside itself")
	}
	before := m.shown()
	got := m.place(rt, names, p)
	m.equal("old position", slices.Index(before, names[0]), got.OldPosition)
	us := make([]*unit, len(names))
	for i, n := range names {
		us[i] = m.unit(n)
	}
	m.line = slices.DeleteFunc(m.line, func(u *unit) bool { return slices.Contains(us, u) })
	m.insert(m.target(*p), us...)
	m.replaced(us)
	m.equal("new position", m.position(names[0]), got.NewPosition)
}

// order gives some units, in a new order, the places that they have.
func (m *model) order(rt *rapid.T) {
	names := m.drawSome(rt, m.shown(), 2)
	m.place(rt, names, nil)
	var at []int
	var us []*unit
	for i, u := range m.line {
		if slices.Contains(names, u.id) {
			at = append(at, i)
		}
	}
	for _, n := range names {
		us = append(us, m.unit(n))
	}
	for k, i := range at {
		if m.line[i] != us[k] {
			us[k].moved, us[k].placed = m.tick(), true
		}
	}
	for k, i := range at {
		m.line[i] = us[k]
	}
	m.replaced(nil)
}

// inside moves members in their group.
func (m *model) inside(rt *rapid.T) {
	g := m.drawGroup(rt, func(g job.Group) bool { return len(m.members(g.ID)) > 1 })
	all := ids(m.members(g.ID))
	names := m.drawSome(rt, all, 1)
	var p *store.Place
	want := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(names, n) })
	if len(names) == 1 || rapid.Bool().Draw(rt, "to a place") {
		at := rapid.IntRange(0, len(want)).Draw(rt, "position")
		p = &store.Place{Position: at}
		want = slices.Insert(want, at, names...)
	} else {
		want = slices.Clone(all)
		left := names
		for i, n := range want {
			if slices.Contains(names, n) {
				want[i], left = left[0], left[1:]
			}
		}
	}
	var slots []int
	for _, n := range all {
		slots = append(slots, m.slots[n])
	}
	m.place(rt, names, p)
	for i, n := range want {
		m.slots[n] = slots[i]
	}
	m.replaced(nil)
}

func (m *model) drawSome(rt *rapid.T, from []string, least int) []string {
	if len(from) < least {
		rt.Skip("too few")
	}
	shuffled := rapid.Permutation(from).Draw(rt, "ids")
	return shuffled[:rapid.IntRange(least, min(len(from), 4)).Draw(rt, "n")]
}

func (m *model) place(rt *rapid.T, names []string, p *store.Place) store.Placed {
	send := slices.Clone(names)
	var gone []string
	if len(m.gone) > 0 && rapid.IntRange(0, 3).Draw(rt, "gone too") == 0 {
		if j := m.gone[0].Job.Before.ID; m.index(j) < 0 && !slices.Contains(m.cancelledIDs(), j) {
			gone = []string{j}
			send = append(send, j)
		}
	}
	got, err := m.s.Order.Place(m.t.Context(), store.PlaceJobs{Tenant: tenant, IDs: send, Place: p, IfRevision: m.revision, At: m.now})
	m.must(nil, err)
	m.equal("moved", names, got.Moved)
	m.equal("ignored", gone, got.Ignored)
	if got.Revision != m.revision && got.Revision != m.revision+1 {
		m.rt.Fatalf("revision %d after %d", got.Revision, m.revision)
	}
	m.revision = got.Revision
	return got
}

func (m *model) cancelledIDs() []string { return ids(m.cancelled) }

// replaced notes new places: those of us, and the ranks of all that wait.
func (m *model) replaced(us []*unit) {
	for _, u := range us {
		u.moved, u.placed = m.tick(), true
	}
	shown := map[string]job.Job{}
	for _, j := range m.listed() {
		shown[j.ID] = j
	}
	for i, j := range m.jobs {
		if !waiting(j) {
			continue
		}
		now, want := shown[j.ID], j
		if now.Rank != j.Rank {
			want.Rank, want.Version = now.Rank, j.Version+1
		}
		m.equal("moved job", want, now)
		m.jobs[i] = now
	}
	for name, g := range m.groups {
		if now := m.readGroup(name); now.Rank != g.Rank {
			g.Rank = now.Rank
			g.Version++
			m.groups[name] = g
		}
	}
}

// check compares what the store shows with the model, after every step.
func (m *model) check(*rapid.T) {
	var want, active []job.Job
	var natural []*unit
	for _, u := range m.line {
		crew := m.crew(u)
		want = append(want, crew...)
		if len(crew) > 0 && !u.placed {
			natural = append(natural, u)
		}
	}
	if !slices.IsSortedFunc(natural, func(a, b *unit) int { return cmp.Or(cmp.Compare(a.zone, b.zone), cmp.Compare(a.born, b.born)) }) {
		m.rt.Fatalf("jobs of the same priority are not in the order of their arrival: %v", m.shown())
	}
	var got, gotActive []job.Job
	for _, j := range m.listed() {
		if j.GroupActive {
			gotActive = append(gotActive, j)
		} else {
			got = append(got, j)
		}
	}
	m.equal("queue", want, got)
	for _, g := range m.groups {
		if g.State == job.GroupRunning {
			active = append(active, m.members(g.ID)...)
		}
		m.equal("group", g, m.readGroup(g.ID))
	}
	byID := func(a, b job.Job) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(active, byID)
	slices.SortFunc(gotActive, byID)
	m.equal("members of running groups", active, gotActive)
	m.checkSituation(got)
}

// checkSituation compares positions, locks and slots.
func (m *model) checkSituation(queue []job.Job) {
	sit, err := m.s.Jobs.Situation(m.t.Context(), queue)
	m.must(nil, err)
	snap := sit.Snapshot
	order := m.shown()
	positions := map[string]int{}
	for _, j := range queue {
		positions[j.ID] = slices.Index(order, cmp.Or(j.GroupID, j.ID))
	}
	m.equal("positions", positions, sit.Positions)
	held := map[string][]job.Holder{}
	n := 0
	for _, h := range m.holders() {
		if h.Outside == "" { // the store judges the others by its own clock here
			held[h.Lock] = append(held[h.Lock], h)
		}
		if have := len(m.unitsOf(h.Lock)); have > max(m.capacity[h.Lock], 1) && !m.shrunk(h.Lock) {
			m.rt.Fatalf("%d hold %s", have, h.Lock)
		}
	}
	for l, hs := range snap.Held {
		snap.Held[l] = slices.DeleteFunc(hs, func(h job.Holder) bool { return h.Outside != "" })
		if len(snap.Held[l]) == 0 {
			delete(snap.Held, l)
		}
	}
	for _, hs := range held {
		slices.SortFunc(hs, func(a, b job.Holder) int { return cmp.Compare(a.Token, b.Token) })
	}
	m.equal("locks", held, snap.Held)
	for _, j := range m.jobs {
		if running(j) {
			n++
		}
	}
	for _, d := range m.direct {
		if d.running {
			n++
		}
	}
	if len(snap.Running) != n || snap.Workers != m.workers || snap.Paused != m.paused || sit.Settings.Revision != m.revision {
		m.rt.Fatalf("running %d, workers %d, paused %v, revision %d; want %d, %d, %v, %d",
			len(snap.Running), snap.Workers, snap.Paused, sit.Settings.Revision, n, m.workers, m.paused, m.revision)
	}
}

// form makes a group of waiting jobs: it has the place of the first of them.
func (m *model) form(rt *rapid.T) {
	var free []string
	for _, name := range m.shown() {
		if _, isGroup := m.groups[name]; !isGroup {
			free = append(free, name)
		}
	}
	names := m.drawSome(rt, free, 1)
	g := group(rapid.SampledFrom([]job.GroupMode{job.Parallel, job.Sequential}).Draw(rt, "mode"),
		rapid.SampledFrom([]job.OnFailure{job.FailureStop, job.FailureContinue}).Draw(rt, "on failure"))
	g.CreatedAt = m.now
	first := slices.IndexFunc(m.line, func(u *unit) bool { return slices.Contains(names, u.id) })
	at := m.position(m.line[first].id)
	old := m.jobs[m.index(m.line[first].id)].Rank
	if rapid.IntRange(0, 3).Draw(rt, "with one that cannot") == 0 {
		m.formRefused(rt, g, names)
	}
	got, err := m.s.Groups.Form(m.t.Context(), store.FormGroup{Group: g, JobIDs: names, IfRevision: m.revision})
	m.must(nil, err)
	m.revision++
	m.equal("revision", m.revision, got.Revision)
	g.State, g.Version, g.Rank, g.Total, g.NextMember = job.GroupPending, 1, old, len(names), len(names)
	m.equal("group", g, got.Group)
	m.groups[g.ID] = g
	m.slots[g.ID] = m.tick()
	var us []*unit
	for i, name := range names {
		us = append(us, m.unit(name))
		m.slots[name] = i
		k := m.index(name)
		c, err := job.Apply(m.jobs[k], job.Grouped{At: m.now, GroupID: g.ID, Rank: rank.Member(old, i)})
		m.must(nil, err)
		m.equal("member", c.After, got.Jobs[i])
		m.jobs[k] = c.After
	}
	m.line[first] = &unit{id: g.ID, born: m.tick(), moved: m.tick(), placed: true}
	m.line = slices.DeleteFunc(m.line, func(u *unit) bool { return slices.Contains(us, u) })
	m.equal("position", at, m.position(g.ID))
	m.equal("position that is told", at, got.Position)
}

// formRefused names a job beside the others that cannot be a member.
func (m *model) formRefused(rt *rapid.T, g job.Group, names []string) {
	var code fault.Code
	bad := ""
	for _, j := range m.jobs {
		switch {
		case j.State == job.Running:
			bad, code = j.ID, fault.AlreadyStarted
		case j.GroupID != "":
			bad, code = j.ID, fault.NotGroupable
		}
	}
	if bad == "" {
		return
	}
	list := slices.Insert(slices.Clone(names), rapid.IntRange(0, len(names)).Draw(rt, "where"), bad)
	_, err := m.s.Groups.Form(m.t.Context(), store.FormGroup{Group: g, JobIDs: list})
	m.want(code, err)
}

// dissolve lets the waiting members of a group be ordinary jobs at its place.
func (m *model) dissolve(rt *rapid.T) {
	g := m.drawGroup(rt, func(job.Group) bool { return true })
	members := m.members(g.ID)
	got, err := m.s.Groups.Dissolve(m.t.Context(), store.DissolveGroup{Tenant: tenant, ID: g.ID, At: m.now, IfRevision: m.revision})
	switch {
	case g.Terminal():
		m.want(fault.AlreadyFinished, err)
		return
	case len(members) == 0:
		m.want(fault.AlreadyStarted, err)
		return
	}
	m.must(nil, err)
	m.revision++
	m.equal("revision", m.revision, got.Revision)
	m.equal("left", ids(members), got.JobIDs)
	u := m.unit(g.ID)
	pending := g.State == job.GroupPending
	at := slices.Index(m.line, u)
	shown := m.position(g.ID)
	var us []*unit
	for _, j := range members {
		now := m.read(j.ID)
		c, err := job.Apply(j, job.Ungrouped{At: m.now, Rank: now.Rank})
		m.must(nil, err)
		m.equal("member that left", c.After, now)
		m.jobs[m.index(j.ID)] = c.After
		us = append(us, &unit{id: j.ID, born: m.tick(), moved: m.tick(), placed: true})
	}
	g.Total -= len(members)
	g.Version++
	ended := g.Total == g.Ended()
	if ended {
		g.State, g.FinishedAt = job.GroupPartial, m.now
		if g.Succeeded == g.Total {
			g.State = job.GroupCompleted
		}
	}
	m.equal("what is left", g, got.Group)
	if m.groups[g.ID] = g; got.Deleted {
		delete(m.groups, g.ID)
		_, err := m.s.Groups.Group(m.t.Context(), tenant, g.ID)
		m.want(fault.NotFound, err)
	}
	m.equal("deleted", g.Total == 0, got.Deleted)
	// A group that has begun is not shown, and its place among others that are away
	// may not be known: then what left is where the store shows it, side by side.
	if pending {
		m.line = slices.Insert(m.line, at+1, us...)
	} else {
		stored := m.stored()
		from := slices.Index(stored, us[0].id)
		if from < 0 || from+len(us) > len(stored) {
			m.rt.Fatalf("%v do not wait as %v", ids(members), stored)
		}
		m.equal("side by side", ids(members), stored[from:from+len(us)])
		m.besides(u, us, from)
	}
	if ended {
		m.line = slices.DeleteFunc(m.line, func(o *unit) bool { return o == u })
	}
	if pending {
		m.equal("position", shown, m.position(us[0].id))
	}
	m.equal("position that is told", m.position(us[0].id), got.Position)
	m.replaced(nil)
}

// besides puts what left a running group behind it, if that is before the from-th
// that waits; otherwise there, and checks that nothing is passed by it that did not
// move since the group began.
func (m *model) besides(g *unit, us []*unit, from int) {
	at := slices.Index(m.line, g)
	n := 0
	for _, o := range m.line[:at] {
		if len(m.crew(o)) > 0 {
			n++
		}
	}
	if n == from {
		m.line = slices.Insert(m.line, at+1, us...)
		return
	}
	old := slices.Clone(m.line)
	m.insert(from, us...)
	now := slices.Index(m.line, us[0])
	for i, o := range old {
		was, is := i > at, slices.Index(m.line, o) > now
		if o != g && len(m.crew(o)) > 0 && was != is && o.moved < g.moved && o.back < g.moved {
			m.rt.Fatalf("%s is on the other side of what left group %s", o.id, g.id)
		}
	}
}
