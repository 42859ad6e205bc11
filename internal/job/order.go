package job

import (
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
)

// Zones of the one order, by rank.Rank.Zone. The lanes come first: whatever is
// in a lower zone starts before everything in a higher one, except for jobs that
// a person placed among others.
//
// zoneQueue is the first zone of the queue: two for each priority. Those before
// it are for work that had started, waited outside of the queue and goes on: it
// stands before everything that has not begun.
const zoneQueue = 2

// zoneResumed is the lane of resumed runs: what had begun, was parked or came back,
// and goes on.
const zoneResumed = 1

// Zone is where j enters the order when nobody says otherwise: behind all jobs
// of an equal or sooner insertion class, which is the priority and, inside one
// priority, manual jobs before scheduled ones. A run that goes on is before them all.
func (j Job) Zone() int {
	if j.Resuming {
		return zoneResumed
	}
	z := zoneQueue + 2*j.Priority
	if j.Trigger == TriggerSchedule {
		z++
	}
	return z
}

// Spot is what the index of the order knows of j. A parked job waits outside of it.
func (j Job) Spot() order.Spot {
	if j.State != Queued || j.Rank == "" || j.Parked != "" {
		return order.Spot{}
	}
	return order.Spot{Rank: j.Rank, Class: j.Class().String(), Listed: !j.GroupActive, Ready: j.Ready()}
}

// Ready reports whether a claim may look at j at all: it is not held or parked, needs
// no approval (any more), its time has come, and no group that has begun decides about it. A delayed job gets
// ready when a claim finds that its time has come.
func (j Job) Ready() bool {
	return j.State == Queued && j.HeldReason == "" && j.Parked == "" && j.NotBefore.IsZero() && !j.GroupActive && j.ApprovalUntil.IsZero()
}

// AwaitsApproval reports whether j cannot start before somebody approves it.
func (j Job) AwaitsApproval() bool { return j.State == Queued && !j.ApprovalUntil.IsZero() }

// Class is what can block a job. Jobs of one class are blocked by the same
// things, so only the first of them matter to a claim.
type Class struct {
	Type, TemplateID, Tenant string
	// MaxTemplate is the most jobs of the template that run at once, 0 = no limit.
	MaxTemplate int
	// Key and MaxKey are the job's own concurrency key, see Limits.
	Key    string
	MaxKey int
	Locks  []string // sorted, no duplicates
	// Group is set for members of a group; then only Group and Tenant are: the group as a
	// whole is looked at.
	Group string
}

// Class is the class of j.
func (j Job) Class() Class {
	if j.GroupID != "" {
		return Class{Group: j.GroupID, Tenant: j.Tenant}
	}
	return j.Needs()
}

// Needs is what j itself needs in order to start, also as a member of a group.
func (j Job) Needs() Class {
	return Class{
		Type: j.Type, TemplateID: j.TemplateID, Tenant: j.Tenant, MaxTemplate: j.Limits.MaxRunning,
		Key: j.Limits.Key, MaxKey: j.Limits.MaxPerKey, Locks: j.locks(),
	}
}

// locks are all that a claim takes for j.
func (j Job) locks() []string {
	if len(j.ResumeLocks) == 0 {
		return j.Locks
	}
	all := slices.Concat(j.Locks, j.ResumeLocks)
	slices.Sort(all)
	return slices.Compact(all)
}

const classSep = "\x1f"

// String is the class's text in the database. ParseClass reads it.
func (c Class) String() string {
	if c.Group != "" {
		return classSep + c.Group + classSep + c.Tenant
	}
	return strings.Join(append([]string{c.Type, atMost(c.TemplateID, c.MaxTemplate), c.Tenant, atMost(c.Key, c.MaxKey)}, c.Locks...), classSep)
}

// KeyName is the name under which jobs with the concurrency key count: tenants
// choose their keys without knowing of each other.
func (c Class) KeyName() string { return c.Tenant + classSep + c.Key }

// atMost is a name with a limit. A name that looks as if it had one gets a 0, so
// that splitMost takes off what was put on.
func atMost(name string, n int) string {
	if n == 0 && !strings.Contains(name, "@") {
		return name
	}
	return name + "@" + strconv.Itoa(n)
}

func splitMost(s string) (name string, n int) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return s, 0
	}
	n, err := strconv.Atoi(s[i+1:])
	if err != nil {
		return s, 0
	}
	return s[:i], n
}

// ParseClass reads the text of a class. Text that is none gives a class that
// nothing blocks.
func ParseClass(s string) Class {
	f := strings.Split(s, classSep)
	if f[0] == "" && len(f) == 3 {
		return Class{Group: f[1], Tenant: f[2]}
	}
	if len(f) < 4 {
		return Class{Type: f[0]}
	}
	c := Class{Type: f[0], Tenant: f[2], Locks: f[4:]}
	c.TemplateID, c.MaxTemplate = splitMost(f[1])
	c.Key, c.MaxKey = splitMost(f[3])
	return c
}

// Prefixes of resources.
const (
	ResourceType     = "type:"
	ResourceTemplate = "template:"
	ResourceTenant   = "tenant:"
	ResourceKey      = "key:"
	ResourceLock     = "lock:"
	ResourceGroup    = "group:"
	// ResourceBudget is a budget of tokens: of a tenant, or of a template. What needs
	// a model takes from both.
	ResourceBudget = "budget:"
)

// Resources names, first what blocks most classes, all that the class takes a unit of while one of its jobs
// runs: "type:command", "template:tmpl_..@2" (with the limit that the template
// sets), "tenant:default", "key:default/..@1", "lock:gpu:0"; what needs a model takes "budget:default" too. A group takes only itself
// ("group:group_.."); what its members need is looked at when its turn comes.
func (c Class) Resources() []string {
	if c.Group != "" {
		return []string{ResourceGroup + c.Group}
	}
	out := make([]string, 0, 6+len(c.Locks))
	for _, l := range c.Locks {
		out = append(out, ResourceLock+l)
	}
	out = append(out, ResourceType+c.Type, ResourceTenant+c.Tenant)
	if c.TemplateID != "" {
		out = append(out, ResourceTemplate+atMost(c.TemplateID, c.MaxTemplate))
	}
	if c.Key != "" {
		out = append(out, ResourceKey+c.Tenant+classSep+atMost(c.Key, c.MaxKey))
	}
	if slices.ContainsFunc(c.Locks, IsModelLock) {
		out = append(out, ResourceBudget+c.Tenant)
		if c.TemplateID != "" {
			out = append(out, ResourceBudget+c.Tenant+classSep+c.TemplateID)
		}
	}
	return out
}

// ClassResources is Class.Resources of a class's text. The index asks it for
// hundreds of classes in one claim, so the names are parts of one string.
func ClassResources(class string) []string {
	var f [8]string
	n := 0
	rest, more := class, true
	for more && n < len(f) {
		f[n], rest, more = strings.Cut(rest, classSep)
		n++
	}
	if n < 4 || more || f[0] == "" {
		return ParseClass(class).Resources()
	}
	var all strings.Builder
	all.Grow(3*len(class) + 96)
	out := make([]string, 0, n+2)
	add := func(parts ...string) {
		from := all.Len()
		for _, p := range parts {
			all.WriteString(p)
		}
		out = append(out, all.String()[from:])
	}
	for _, l := range f[4:n] {
		add(ResourceLock, l)
	}
	add(ResourceType, f[0])
	add(ResourceTenant, f[2])
	if f[1] != "" {
		add(ResourceTemplate, f[1])
	}
	if f[3] != "" {
		add(ResourceKey, f[2], classSep, f[3])
	}
	if slices.ContainsFunc(f[4:n], IsModelLock) {
		add(ResourceBudget, f[2])
		if f[1] != "" {
			template, _ := splitMost(f[1])
			add(ResourceBudget, f[2], classSep, template)
		}
	}
	return out
}

// Candidate is what a claim decision knows of one waiting job.
type Candidate struct {
	JobID string
	Rank  rank.Rank
	Needs Class
	Group string // "" = none
}
