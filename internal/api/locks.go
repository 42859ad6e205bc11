package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// lockPath begins the paths of locks, in which the name is one step: a slash in
// it is escaped as %2F.
const lockPath = "/api/locks/"

// Bounds of how long a program outside holds a lock without a renewal.
const (
	minLockTTL = time.Second
	maxLockTTL = 24 * time.Hour
)

func (s *service) lockRoutes() []operation {
	const one = lockPath + "{name}"
	grant := []answer{{Status: http.StatusOK, Doc: "the program holds it", Body: wire.LockGrant{}}}
	lock := []answer{{Status: http.StatusOK, Doc: "the lock", Body: wire.Lock{}}}
	return []operation{
		{
			ID: "list_locks", Method: http.MethodGet, Path: "/api/locks", Scope: access.LocksRead, Tag: "locks", Summary: "List locks and who holds them",
			Doc:   "Those that somebody holds or that have a capacity other than 1, by name. Holders of other tenants have no names.",
			Query: pageParams(includeParam("waiters")), Faults: []fault.Code{fault.CursorInvalid}, Handle: s.listLocks,
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.LockList{}}},
		},
		{
			ID: "get_lock", Method: http.MethodGet, Path: one, Scope: access.LocksRead, Tag: "locks", Summary: "Read a lock",
			Doc: "Also one that nobody holds: every name is a lock. A slash in a name is written %2F.", Answers: lock, Handle: s.getLock,
			Faults: []fault.Code{fault.InvalidParameter},
		},
		{
			ID: "patch_lock", Method: http.MethodPatch, Path: one, Scope: access.LocksWrite, Tag: "locks", Summary: "Say how many may hold a lock",
			Doc:  "A smaller capacity takes it from nobody: it is reached as holders end.",
			Body: wire.LockPatch{}, Patch: true, Answers: lock, Handle: s.patchLock, Faults: []fault.Code{fault.InvalidParameter},
		},
		{
			ID: "acquire_lock", Method: http.MethodPost, Path: one + "/acquire", Scope: access.LocksUse, Tag: "locks", Summary: "Hold a lock from outside of the queue",
			Doc: "Jobs that need it wait meanwhile, with its name as the reason. It is free again when it is released, or its ttl is over without a renewal. " +
				"With Prefer: wait the answer waits for it to get free; who waits here has no place in the queue.",
			Body: wire.LockInput{}, Waits: true, Faults: []fault.Code{fault.LockHeld, fault.InvalidParameter}, Answers: grant, Handle: s.acquireLock,
		},
		{
			ID: "renew_lock", Method: http.MethodPost, Path: one + "/renew", Scope: access.LocksUse, Tag: "locks", Summary: "Hold a lock for longer",
			Doc:  "lock_not_held means that another may have it: stop what it protects at once.",
			Body: wire.LockRenewal{}, Faults: []fault.Code{fault.LockNotHeld, fault.InvalidParameter}, Answers: grant, Handle: s.renewLock,
		},
		{
			ID: "release_lock", Method: http.MethodPost, Path: one + "/release", Scope: access.LocksUse, Tag: "locks", Summary: "Give a lock back",
			Body: wire.LockToken{}, Faults: []fault.Code{fault.LockNotHeld, fault.InvalidParameter}, Handle: s.releaseLock,
			Answers: []answer{{Status: http.StatusNoContent, Doc: "it is free"}},
		},
		{
			ID: "force_release_lock", Method: http.MethodPost, Path: one + "/force-release", Scope: access.LocksWrite, Tag: "locks", Summary: "Take a lock away from its holder",
			Doc: "Whoever holds it is not stopped: an attempt of a job goes on without it, and the next job may start beside it. A program outside learns it at its " +
				"next renewal. It is recorded in the audit.",
			Body: wire.LockToken{}, Faults: []fault.Code{fault.LockNotHeld, fault.InvalidParameter}, Handle: s.forceReleaseLock,
			Answers: []answer{{Status: http.StatusOK, Doc: "who held it", Body: wire.LockHolder{}}},
		},
	}
}

// lockName returns the name in the path.
func (r *request) lockName() (string, error) {
	name := r.PathValue("name")
	if !lockName.MatchString(name) {
		return "", fault.Newf(fault.InvalidParameter, "%q is not a lock's name", clip(name)).
			At("path/name", "pattern", "letters, digits and . _ : / -, at most 128, beginning with a letter or digit; a slash is written %2F")
	}
	return name, nil
}

func checkTTL(d wire.Duration) (time.Duration, error) {
	ttl := time.Duration(d)
	if ttl < minLockTTL || ttl > maxLockTTL {
		return 0, fault.New(fault.InvalidInput, "a lock is held for one second to 24 hours, and then renewed").At("/ttl", "out_of_range", "must be PT1S to PT24H")
	}
	return ttl, nil
}

func (s *service) listLocks(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListLocks{Limit: r.query.limit()}
	if c != nil {
		p.AfterName = c.Name
	}
	page, err := s.Store.Locks.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	names, err := s.holderNames(r, page.Locks...)
	if err != nil {
		return reply{}, err
	}
	out := wire.LockList{Items: []wire.Lock{}}
	for _, l := range page.Locks {
		out.Items = append(out.Items, wire.LockOf(l.Name, l.Capacity, l.Holders, r.tenant(), names))
		out.NextCursor = r.next(page.More, cursor{Name: l.Name})
	}
	return reply{Status: http.StatusOK, Body: out}, s.includeWaiters(r, out.Items)
}

// lock reads the lock that the path names.
func (s *service) lock(r *request) (store.Lock, error) {
	name, err := r.lockName()
	if err != nil {
		return store.Lock{}, err
	}
	return s.Store.Locks.Lock(r.Context(), name)
}

// holderNames are the names of the caller's jobs that hold the locks, by their ids.
func (s *service) holderNames(r *request, locks ...store.Lock) (map[string]string, error) {
	var ids []string
	for _, l := range locks {
		for _, h := range l.Holders {
			if h.JobID != "" {
				ids = append(ids, h.JobID)
			}
		}
	}
	return s.names(r, ids)
}

// names are the names of jobs, templates and runs of workflows by their ids.
func (s *service) names(r *request, ids []string) (map[string]string, error) {
	if len(ids) == 0 {
		return map[string]string{}, nil
	}
	return s.Store.Views.Names(withoutCancel(r.Context()), r.tenant(), ids)
}

func (s *service) lockReply(r *request, l store.Lock) (reply, error) {
	names, err := s.holderNames(r, l)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.LockOf(l.Name, l.Capacity, l.Holders, r.tenant(), names)}, nil
}

func (s *service) getLock(r *request) (reply, error) {
	l, err := s.lock(r)
	if err != nil {
		return reply{}, err
	}
	return s.lockReply(r, l)
}

func (s *service) patchLock(r *request) (reply, error) {
	l, err := s.lock(r)
	if err != nil {
		return reply{}, err
	}
	in, err := patched(s, r, wire.LockPatch{Capacity: l.Capacity})
	if err != nil {
		return reply{}, err
	}
	if in.Capacity == l.Capacity {
		return s.lockReply(r, l)
	}
	entry, err := s.record(r, change{
		Action: audit.LockCapacity, Name: l.Name, Detail: map[string]string{"from": itoa(l.Capacity), "to": itoa(in.Capacity)},
	})
	if err != nil {
		return reply{}, err
	}
	l, err = s.Store.Locks.SetCapacity(r.Context(), store.SetCapacity{
		Tenant: r.tenant(), Name: l.Name, Capacity: in.Capacity, At: s.Clock.Now(), Audit: entry,
	})
	if err != nil {
		return reply{}, err
	}
	return s.lockReply(r, l)
}

func renderGrant(h job.Holder) reply {
	return reply{Status: http.StatusOK, Body: wire.LockGrantOf(h)}
}

func (s *service) acquireLock(r *request) (reply, error) {
	var in wire.LockInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	name, err := r.lockName()
	if err != nil {
		return reply{}, err
	}
	ttl, err := checkTTL(in.TTL)
	if err != nil {
		return reply{}, err
	}
	h, err := s.acquire(r, store.AcquireLock{Tenant: r.tenant(), Name: name, Holder: in.Holder, TTL: ttl, Key: keyed(r, renderGrant)})
	if err != nil {
		if fault.Is(err, fault.LockHeld) {
			if l, lerr := s.Store.Locks.Lock(withoutCancel(r.Context()), name); lerr == nil {
				if now, lerr := s.lockReply(r, l); lerr == nil {
					err = &stale{error: err, current: now.Body}
				}
			}
		}
		return reply{}, err
	}
	out := renderGrant(h)
	out.Waited = r.wait > 0
	return out, s.settle(r, out)
}

// acquire takes a lock at once, or as soon as it is free within the time that
// the caller wants to wait.
func (s *service) acquire(r *request, p store.AcquireLock) (job.Holder, error) {
	if r.wait == 0 {
		return s.Store.Locks.Acquire(r.Context(), p)
	}
	r.body = nil
	r.hold.Free() // a wait must not hold a body
	hints, done := s.Store.Events.Watch()
	defer done()
	end := s.Clock.NewTimer(r.wait)
	defer end.Stop()
	for {
		h, err := s.Store.Locks.Acquire(r.Context(), p)
		if !fault.Is(err, fault.LockHeld) {
			return h, err
		}
		for {
			more, werr := s.lockMayBeFree(r.Context(), hints, end.C())
			if werr != nil {
				return h, werr
			}
			if !more {
				// After the time it is tried once more: it may be free since.
				return s.Store.Locks.Acquire(r.Context(), p)
			}
			// Reading costs claims nothing; taking holds them up.
			l, lerr := s.Store.Locks.Lock(r.Context(), p.Name)
			if lerr != nil {
				return h, lerr
			}
			if len(l.Holders) < l.Capacity {
				break
			}
		}
	}
}

// restBetween is the least pause between two looks at a lock that somebody waits
// for, however much happens in the queue.
const restBetween = 100 * time.Millisecond

// lockMayBeFree blocks until it is time to look at a lock again. It returns false
// when end has come.
func (s *service) lockMayBeFree(ctx context.Context, hints <-chan store.Hint, end <-chan time.Time) (bool, error) {
	if err := clock.Sleep(ctx, s.Clock, restBetween); err != nil {
		return false, err
	}
	t := s.Clock.NewTimer(pollEvery - restBetween)
	defer t.Stop()
	for {
		select {
		case h := <-hints:
			if h.Topic == store.HintAll || h.Topic == store.HintQueue {
				return true, nil
			}
		case <-t.C():
			return true, nil
		case <-end:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (s *service) renewLock(r *request) (reply, error) {
	var in wire.LockRenewal
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	name, err := r.lockName()
	if err != nil {
		return reply{}, err
	}
	ttl, err := checkTTL(in.TTL)
	if err != nil {
		return reply{}, err
	}
	h, err := s.Store.Locks.Renew(r.Context(), store.RenewLock{Tenant: r.tenant(), Name: name, Token: in.Token, TTL: ttl, Key: keyed(r, renderGrant)})
	if err != nil {
		return reply{}, err
	}
	return renderGrant(h), nil
}

func (s *service) releaseLock(r *request) (reply, error) {
	var in wire.LockToken
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	name, err := r.lockName()
	if err != nil {
		return reply{}, err
	}
	render := func(job.Holder) reply { return reply{Status: http.StatusNoContent} }
	h, err := s.Store.Locks.Release(r.Context(), store.ReleaseLock{Tenant: r.tenant(), Name: name, Token: in.Token, Key: keyed(r, render)})
	if err != nil {
		return reply{}, err
	}
	return render(h), nil
}

func (s *service) forceReleaseLock(r *request) (reply, error) {
	var in wire.LockToken
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	l, err := s.lock(r)
	if err != nil {
		return reply{}, err
	}
	who := ""
	for _, h := range l.Holders {
		if h.Token == in.Token {
			if who = h.JobID + h.Outside; who == "" {
				who = h.RunID
			}
		}
	}
	entry, err := s.record(r, change{
		Action: audit.LockForced, Name: l.Name, Detail: map[string]string{"token": strconv.FormatInt(in.Token, 10), "holder": who},
	})
	if err != nil {
		return reply{}, err
	}
	names, err := s.holderNames(r, l)
	if err != nil {
		return reply{}, err
	}
	render := func(h job.Holder) reply {
		return reply{Status: http.StatusOK, Body: wire.LockHolderOf(h, r.tenant(), names[h.JobID])}
	}
	h, err := s.Store.Locks.Release(r.Context(), store.ReleaseLock{
		Tenant: r.tenant(), Name: l.Name, Token: in.Token, Force: true, Key: keyed(r, render), Audit: entry,
	})
	if err != nil {
		return reply{}, err
	}
	return render(h), nil
}
