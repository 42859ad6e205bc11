package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/job"
)

// LockInput takes a unit of a lock for a program outside of the queue.
type LockInput struct {
	Holder string   `json:"holder" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"what the program calls itself, for people" example:"train.py"`
	TTL    Duration `json:"ttl" doc:"the unit is free again after this time unless it is renewed; 1 s to 24 h" example:"PT30S"`
}

// LockRenewal keeps a unit of a lock for longer.
type LockRenewal struct {
	Token int64    `json:"token" minimum:"1" maximum:"9007199254740991" doc:"from the answer to acquire" example:"17"`
	TTL   Duration `json:"ttl" doc:"from now; 1 s to 24 h" example:"PT30S"`
}

// LockToken names one unit of a lock that is held.
type LockToken struct {
	Token int64 `json:"token" minimum:"1" maximum:"9007199254740991" example:"17"`
}

// LockPatch is what may be changed of a lock; a merge patch.
type LockPatch struct {
	Capacity int `json:"capacity" minimum:"1" maximum:"1024" doc:"how many may hold it at a time"`
}

// LockGrant is a unit of a lock that a program outside holds.
type LockGrant struct {
	Name      string    `json:"name" example:"gpu:0"`
	Token     int64     `json:"token" doc:"greater than that of every earlier holder: give it to what the lock protects, which refuses smaller ones" example:"17"`
	Holder    string    `json:"holder"`
	Since     time.Time `json:"since"`
	ExpiresAt time.Time `json:"expires_at"`
}

// LockHolder is who has a unit of a lock.
type LockHolder struct {
	Kind        string     `json:"kind" enum:"job,direct,outside"`
	OtherTenant bool       `json:"other_tenant" doc:"it belongs to another tenant, and its name and ids are not shown"`
	JobID       *string    `json:"job_id"`
	JobName     *string    `json:"job_name" doc:"null where there is no job"`
	RunID       *string    `json:"run_id" doc:"of the attempt or the direct request"`
	Holder      *string    `json:"holder" doc:"what a program outside calls itself"`
	Token       int64      `json:"token"`
	Since       time.Time  `json:"since"`
	ExpiresAt   *time.Time `json:"expires_at" doc:"of a program outside; the others hold it until their attempt ends"`
	Lost        bool       `json:"lost" doc:"the server that ran it is gone; the lock gets free when its work is known to have ended"`
}

// Lock is a name that as many as its capacity may hold at a time.
type Lock struct {
	Name     string       `json:"name" example:"gpu:0"`
	Capacity int          `json:"capacity"`
	Free     int          `json:"free"`
	Holders  []LockHolder `json:"holders"`
	Waiters  []LockWaiter `json:"waiters,omitempty" doc:"who needs it, in order, among the first 1000 jobs of the queue; with include=waiters"`
}

// LockList is one page.
type LockList struct {
	Items      []Lock  `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// LockOf shows a lock to a tenant; names are those of its jobs by their ids.
func LockOf(name string, capacity int, holders []job.Holder, tenant string, names map[string]string) Lock {
	out := Lock{Name: name, Capacity: capacity, Free: max(0, capacity-len(holders)), Holders: []LockHolder{}}
	for _, h := range holders {
		out.Holders = append(out.Holders, LockHolderOf(h, tenant, names[h.JobID]))
	}
	return out
}

// LockHolderOf shows a holder to a tenant; name is that of its job.
func LockHolderOf(h job.Holder, tenant, name string) LockHolder {
	out := LockHolder{Kind: "outside", OtherTenant: h.Tenant != tenant, Token: h.Token, Since: h.HeldAt.UTC(), ExpiresAt: instant(h.ExpiresAt), Lost: h.Lost}
	switch {
	case h.JobID != "":
		out.Kind = "job"
	case h.RunID != "":
		out.Kind = "direct"
	}
	if !out.OtherTenant {
		out.JobID, out.JobName, out.RunID, out.Holder = str(h.JobID), str(name), str(h.RunID), str(h.Outside)
	}
	return out
}

// LockGrantOf shows a unit to the program that holds it.
func LockGrantOf(h job.Holder) LockGrant {
	return LockGrant{Name: h.Lock, Token: h.Token, Holder: h.Outside, Since: h.HeldAt.UTC(), ExpiresAt: h.ExpiresAt.UTC()}
}
