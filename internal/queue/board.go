package queue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
)

// board is a snapshot in a form that answers "may this start?", and that a
// decision changes while it takes slots, locks and units of limits. Nothing on
// it is ever given back: a decision only starts things.
type board struct {
	s job.Snapshot
	// free slots; negative when there are fewer workers than running jobs.
	free int
	// used counts running jobs by resource, without locks: "type:command".
	used map[string]int
	// held are the holders of each lock.
	held map[string][]job.Holder
	// wanted are locks that a direct request waits for, by lock.
	wanted map[string]job.Direct
	// barred are locks that a job waits for that was overtaken too often.
	barred map[string]job.Overtaken
	// wall stops everything behind it, see Rules.StrictOrder.
	wall *job.Overtaken
	// barriers that were not passed yet, in order.
	barriers []job.Overtaken
}

func newBoard(s job.Snapshot) *board {
	b := &board{
		s: s, used: map[string]int{}, held: map[string][]job.Holder{},
		wanted: map[string]job.Direct{}, barred: map[string]job.Overtaken{},
	}
	b.free = slots(s) - Busy(s)
	for _, o := range s.Running {
		b.count(o.Needs)
	}
	for l, hs := range s.Held {
		b.held[l] = slices.Clone(hs)
	}
	for _, o := range s.Overtaken {
		if o.Starts >= s.Rules.MaxOvertakes || s.Now.Sub(o.Since) >= s.Rules.MaxOvertakeAge {
			b.barriers = append(b.barriers, o)
		}
	}
	return b
}

// Busy is the number of slots in use: a running group has one, whatever runs
// in it.
func Busy(s job.Snapshot) int {
	n := len(s.Groups)
	for _, o := range s.Running {
		if o.Group == "" {
			n++
		}
	}
	return n
}

// slots is how many slots there are.
func slots(s job.Snapshot) int {
	if g := s.Rules.MaxGlobal; g != nil {
		return min(s.Workers, *g)
	}
	return s.Workers
}

// count adds a running job to the limits.
func (b *board) count(c job.Class) {
	for _, r := range limited(c) {
		b.used[r]++
	}
}

// limited names what a class counts against, without locks and without the
// limits that its template sets.
func limited(c job.Class) []string {
	var out []string
	if c.Type != "" { // a direct request has none
		out = append(out, job.ResourceType+c.Type, job.ResourceTenant+c.Tenant)
	}
	if c.TemplateID != "" {
		out = append(out, job.ResourceTemplate+c.TemplateID)
	}
	if c.Key != "" {
		out = append(out, job.ResourceKey+c.Key)
	}
	return out
}

// take gives a job or direct request everything but its slot.
func (b *board) take(c job.Class, h job.Holder) {
	b.count(c)
	for _, l := range c.Locks {
		h.Lock = l
		b.held[l] = append(b.held[l], h)
	}
}

// full reports whether every unit of a lock is taken.
func (b *board) full(lock string) bool { return len(b.held[lock]) >= b.capacity(lock) }

func (b *board) capacity(lock string) int { return max(b.s.Capacity[lock], 1) }

// limit returns the bound of a resource as job.Class.Resources names it, and
// how many units are used; -1 = no bound.
func (b *board) limit(resource string) (most, used int) {
	base, own := resource, -1
	if i := strings.LastIndexByte(resource, '@'); i >= 0 {
		if n, err := strconv.Atoi(resource[i+1:]); err == nil {
			base, own = resource[:i], n
		}
	}
	most = own
	add := func(m map[string]int, prefix string) {
		if n, ok := m[strings.TrimPrefix(base, prefix)]; ok && strings.HasPrefix(base, prefix) && (most < 0 || n < most) {
			most = n
		}
	}
	add(b.s.Rules.MaxPerJob, job.ResourceType)
	add(b.s.Rules.MaxPerTemplate, job.ResourceTemplate)
	add(b.s.Rules.MaxPerTenant, job.ResourceTenant)
	if strings.HasPrefix(base, job.ResourceKey) && most < 0 {
		most = 1
	}
	return most, b.used[base]
}

// blocked reports whether a resource keeps every job that needs it from
// starting. The index skips whole classes by it.
func (b *board) blocked(resource string) bool {
	if l, ok := strings.CutPrefix(resource, job.ResourceLock); ok {
		if _, taken := b.wanted[l]; taken {
			return true
		}
		if _, taken := b.barred[l]; taken {
			return true
		}
		return b.full(l)
	}
	most, used := b.limit(resource)
	return most >= 0 && used >= most
}

// pass puts the barriers before r on the board: whatever is behind them has to
// leave them what they need.
func (b *board) pass(r rank.Rank) {
	for len(b.barriers) > 0 && b.barriers[0].Rank < r {
		o := b.barriers[0]
		b.barriers = b.barriers[1:]
		for _, l := range o.Needs.Locks {
			if _, ok := b.barred[l]; !ok {
				b.barred[l] = o
			}
		}
		if b.s.Rules.StrictOrder && b.wall == nil {
			b.wall = &o
		}
	}
}

// obstacle returns the first thing, other than a missing slot or earlier jobs,
// that keeps something with these needs from starting. inside says that it
// belongs to a group that has its slot: it waits for nobody who waits for that
// slot, or both would wait for ever.
func (b *board) obstacle(c job.Class, inside bool) (job.Waiting, bool) {
	if b.s.Paused {
		return job.Waiting{Code: job.WaitPaused, Detail: "the queue is paused: running jobs finish, none starts"}, true
	}
	for _, l := range c.Locks {
		if b.full(l) {
			return b.lockTaken(l, c.Tenant), true
		}
		if d, ok := b.wanted[l]; ok && !inside {
			return job.Waiting{
				Code: job.WaitDirectFirst, Detail: "a direct request waits for lock " + l, Holder: visible(d.Tenant, c.Tenant, d.RunID),
			}, true
		}
		if o, ok := b.barred[l]; ok && !inside {
			return job.Waiting{
				Code: job.WaitLock, Holder: visible(o.Needs.Tenant, c.Tenant, o.JobID),
				Detail: fmt.Sprintf("lock %s is kept free for %s, which was overtaken %s", l, named(o.Needs.Tenant, c.Tenant, o.JobID), often(o)),
			}, true
		}
	}
	if b.wall != nil && !inside {
		o := *b.wall
		return job.Waiting{
			Code: job.WaitPosition, Holder: visible(o.Needs.Tenant, c.Tenant, o.JobID),
			Detail: fmt.Sprintf("the order is strict, and %s was overtaken %s: nothing behind it starts first", named(o.Needs.Tenant, c.Tenant, o.JobID), often(o)),
		}, true
	}
	for _, r := range c.Resources() {
		if strings.HasPrefix(r, job.ResourceLock) || strings.HasPrefix(r, job.ResourceGroup) {
			continue
		}
		if most, used := b.limit(r); most >= 0 && used >= most {
			return job.Waiting{Code: job.WaitLimit, Detail: limitText(r, c, most, used)}, true
		}
	}
	return job.Waiting{}, false
}

func limitText(resource string, c job.Class, most, used int) string {
	kind, _, _ := strings.Cut(resource, ":")
	switch kind + ":" {
	case job.ResourceType:
		return fmt.Sprintf("max_per_job: %d of %d jobs of type %s run", used, most, c.Type)
	case job.ResourceTemplate:
		return fmt.Sprintf("max_per_template: %d of %d jobs of template %s run", used, most, c.TemplateID)
	case job.ResourceTenant:
		return fmt.Sprintf("max_per_tenant: %d of %d jobs of the tenant run", used, most)
	}
	return fmt.Sprintf("max_per_key: %d of %d jobs with the same concurrency key run", used, most)
}

func often(o job.Overtaken) string {
	return plural(o.Starts, "time", "times") + " since " + o.Since.UTC().Format("15:04:05 MST")
}

// lockTaken says who has a lock.
func (b *board) lockTaken(l, tenant string) job.Waiting {
	h := b.held[l][0]
	who := h.JobID
	if who == "" {
		who = h.Outside
	}
	if who == "" {
		who = "direct request " + h.RunID
	}
	w := job.Waiting{Code: job.WaitLock, Until: h.ExpiresAt}
	switch n := b.capacity(l); {
	case h.Tenant != tenant:
		w.Detail = fmt.Sprintf("lock %s is held by a job of another tenant", l)
	case n > 1:
		w.Detail = fmt.Sprintf("all %d units of lock %s are taken, one by %s", n, l, who)
	default:
		w.Detail = fmt.Sprintf("lock %s is held by %s", l, who)
	}
	if h.Lost {
		w.Detail += "; holder lost: its server is gone, and the lock gets free when its work is known to have ended"
	}
	if h.Tenant == tenant {
		if w.Holder = h.JobID; w.Holder == "" {
			w.Holder = h.RunID + h.Outside
		}
	}
	return w
}

// visible hides the ids of other tenants.
func visible(owner, reader, id string) string {
	if owner != reader {
		return ""
	}
	return id
}

func named(owner, reader, id string) string {
	if owner != reader {
		return "a job of another tenant"
	}
	return "job " + id
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
