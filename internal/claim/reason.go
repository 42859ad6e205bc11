package claim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/job"
)

// reason puts an obstacle into words for a reader of a tenant, who learns no
// ids of others.
func (b *board) reason(x obstacle, c job.Class) job.Waiting {
	switch x.kind {
	case lockFull:
		return b.lockTaken(x.lock, c.Tenant)
	case lockWanted:
		return job.Waiting{
			Code: job.WaitDirectFirst, Detail: "a direct request waits for lock " + x.lock, Holder: visible(x.direct.Tenant, c.Tenant, x.direct.RunID),
		}
	case lockKept:
		return behind(*x.barrier, c, job.WaitLock, "lock "+x.lock+" is kept free for")
	case strictOrder:
		return behind(*x.barrier, c, job.WaitPosition, "the order is strict, and nothing starts before")
	case limitKept:
		return behind(*x.barrier, c, job.WaitLimit, limitText(x, c)+"; the last place is kept free for")
	case limitReached:
		return job.Waiting{Code: job.WaitLimit, Detail: limitText(x, c)}
	case budgetSpent:
		return job.Waiting{Code: job.WaitLimit, Detail: BudgetText(*x.budget), Until: job.BudgetEnd(b.s.Now)}
	case nothing:
	}
	return job.Waiting{}
}

// BudgetText says that a budget is spent, in the words that those who wait for it
// read.
func BudgetText(x job.Budget) string {
	of := "of the tenant"
	if x.TemplateID != "" {
		of = "of template " + x.TemplateID
	}
	return fmt.Sprintf("token budget %s is spent: %d of %d tokens were used today (UTC); it begins anew at midnight", of, x.Spent, x.Tokens)
}

// behind names the barrier o for a reader of class c.
func behind(o job.Overtaken, c job.Class, code job.WaitCode, before string) job.Waiting {
	return job.Waiting{
		Code: code, Detail: before + " " + named(o.Needs.Tenant, c.Tenant, o.JobID) + ", which was overtaken " + often(o),
		Holder: visible(o.Needs.Tenant, c.Tenant, o.JobID),
	}
}

func limitText(x obstacle, c job.Class) string {
	name, of := "max_per_key", "with the same concurrency key"
	switch x.what.kind {
	case job.ResourceType:
		name, of = "max_per_job", "of type "+c.Type
	case job.ResourceTemplate:
		name, of = "max_per_template", "of template "+c.TemplateID
	case job.ResourceTenant:
		name, of = "max_per_tenant", "of the tenant"
	}
	if x.most == 0 {
		return fmt.Sprintf("%s is 0: no job %s starts", name, of)
	}
	return fmt.Sprintf("%s: %d of %d jobs %s run", name, x.used, x.most, of)
}

func often(o job.Overtaken) string {
	return plural(o.Starts, "time", "times") + " since " + o.Since.UTC().Format("15:04:05 MST")
}

// lockTaken says who has a lock.
func (b *board) lockTaken(l, tenant string) job.Waiting {
	hs := b.s.Held[l]
	verb := "is held by"
	if len(hs) == 0 {
		hs, verb = b.taken[l], "is about to be taken by"
	}
	// The reader's own holder says more than a nameless one.
	own := slices.IndexFunc(hs, func(h job.Holder) bool { return h.Tenant == tenant })
	h := hs[max(own, 0)]
	who := "another tenant"
	w := job.Waiting{Code: job.WaitLock, Until: b.freeAt(l)}
	switch {
	case own < 0 && h.JobID != "":
		who = "a job of another tenant"
	case own < 0:
	case h.JobID != "":
		who, w.Holder = h.JobID, h.JobID
	case h.Outside != "":
		who, w.Holder = h.Outside, h.Outside
	default:
		who, w.Holder = "direct request "+h.RunID, h.RunID
	}
	if n := b.capacity(l); n > 1 {
		w.Detail = fmt.Sprintf("all %d units of lock %s are taken, one by %s", n, l, who)
	} else {
		w.Detail = fmt.Sprintf("lock %s %s %s", l, verb, who)
	}
	if h.Lost {
		w.Detail += "; holder lost: its server is gone, and the lock gets free when its work is known to have ended"
	}
	return w
}

// freeAt is when so many holders of a full lock have expired that it has a free
// unit; zero = unknown.
func (b *board) freeAt(l string) time.Time {
	var ends []time.Time
	for _, h := range b.s.Held[l] {
		if !h.ExpiresAt.IsZero() {
			ends = append(ends, h.ExpiresAt)
		}
	}
	need := len(b.s.Held[l]) + len(b.taken[l]) - b.capacity(l) + 1
	if need > len(ends) {
		return time.Time{}
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends[need-1]
}

// overtakenText says how often a job that waits was overtaken itself, with a
// separator before it; "" if it was not.
func (b *board) overtakenText(jobID string) string {
	i := slices.IndexFunc(b.s.Overtaken, func(o job.Overtaken) bool { return o.JobID == jobID })
	if i < 0 || b.s.Overtaken[i].Starts == 0 {
		return ""
	}
	o := b.s.Overtaken[i]
	var out strings.Builder
	fmt.Fprintf(&out, "; this job was overtaken %s", often(o))
	if o.Affinity > 0 {
		fmt.Fprintf(&out, ", %s of them because a model was loaded", strconv.Itoa(o.Affinity))
	}
	switch {
	case !b.isBarrier(o):
		fmt.Fprintf(&out, " (at most %d)", b.s.Rules.MaxOvertakes)
	case b.s.Rules.StrictOrder:
		out.WriteString("; nothing behind it starts first any more")
	default:
		out.WriteString("; what it needs is kept free for it")
	}
	return out.String()
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
