package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"
)

func lockPath(name string) string { return "/api/locks/" + escape(name) }

// Locks walks over the locks that somebody holds or that have a capacity other
// than 1, by name.
func (c *Client) Locks(ctx context.Context, pageSize int) iter.Seq2[Lock, error] {
	return pages(func(cursor string) ([]Lock, *string, error) {
		var page LockList
		err := c.get(ctx, "/api/locks", values{}.number("limit", pageSize).text("cursor", cursor).url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// Lock returns one lock and who holds it.
func (c *Client) Lock(ctx context.Context, name string) (Lock, error) {
	var out Lock
	err := c.get(ctx, lockPath(name), nil, &out)
	return out, err
}

// AcquireLock takes a lock for in.TTL. With call.Wait it waits for the lock to
// get free; a Problem with code lock_held says who has it. HoldLock does this and
// the renewing.
func (c *Client) AcquireLock(ctx context.Context, name string, in LockInput, call Call) (LockGrant, error) {
	var out LockGrant
	err := c.post(ctx, lockPath(name)+"/acquire", in, call, &out)
	return out, err
}

// RenewLock holds a lock for longer. A Problem with code lock_not_held says that
// it is lost: another may have it.
func (c *Client) RenewLock(ctx context.Context, name string, in LockRenewal) (LockGrant, error) {
	var out LockGrant
	// Without a key: the server need not remember each renewal for a day.
	err := c.postSecret(ctx, lockPath(name)+"/renew", in, &out)
	return out, err
}

// ReleaseLock gives a lock back. A Problem with code lock_not_held says that it
// was lost before.
func (c *Client) ReleaseLock(ctx context.Context, name string, token int64, call Call) error {
	return c.post(ctx, lockPath(name)+"/release", LockToken{Token: token}, call, nil)
}

// ForceReleaseLock takes a lock away from whoever holds it with a token. What
// relied on it is not stopped.
func (c *Client) ForceReleaseLock(ctx context.Context, name string, token int64, call Call) (LockHolder, error) {
	var out LockHolder
	err := c.post(ctx, lockPath(name)+"/force-release", LockToken{Token: token}, call, &out)
	return out, err
}

// SetLockCapacity says how many may hold a lock at a time.
func (c *Client) SetLockCapacity(ctx context.Context, name string, capacity int) (Lock, error) {
	var out Lock
	err := c.patch(ctx, lockPath(name), LockPatch{Capacity: capacity}, Call{}, &out)
	return out, err
}

// Hold is how HoldLock holds a lock.
type Hold struct {
	// Holder is what the program calls itself, for people. Required.
	Holder string
	// TTL is how long the lock stays taken when this program dies; 0 = 30 s. It is
	// renewed after a third of that. If no renewal succeeds for two thirds, the work
	// is told to stop: it has the last third to do so, in which nobody else gets the
	// lock.
	TTL time.Duration
	// Wait is how long to wait for the lock; 0 = not at all, negative = until the
	// context ends.
	Wait time.Duration
}

// LockLost says that a lock was lost while it was needed: taken away, or not
// renewed in time.
type LockLost struct {
	Name  string
	Token int64
	// Err is what the last renewal said; nil = there was no answer in time.
	Err error
}

// Error implements error.
func (l *LockLost) Error() string {
	s := fmt.Sprintf("lock %s was lost (token %d)", l.Name, l.Token)
	if l.Err != nil {
		s += ": " + l.Err.Error()
	}
	return s
}

// Unwrap returns what the last renewal said.
func (l *LockLost) Unwrap() error { return l.Err }

// HoldLock takes a lock, calls work while it is held, and gives it back. It
// returns what work returns, or why the lock could not be had. When the lock is
// lost meanwhile, the context of work ends (its cause is a *LockLost), and the
// error of HoldLock is a *LockLost together with that of work.
//
// No program can know in time that it has lost a lock: it may stand still for a
// minute just before it writes. Give token to what the lock protects, and let that
// refuse a token smaller than one it has seen.
func (c *Client) HoldLock(ctx context.Context, name string, h Hold, work func(ctx context.Context, token int64) error) error {
	if h.TTL == 0 {
		h.TTL = 30 * time.Second
	}
	grant, lease, end, err := c.takeLock(ctx, name, h)
	if err != nil {
		return err
	}
	held, lose := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { lose(c.keepLock(held, lease, end, grant, h.TTL)) })
	defer keeper.Wait()
	defer lose(nil)
	err = work(held, grant.Token)
	if lost, is := errors.AsType[*LockLost](context.Cause(held)); is {
		return errors.Join(lost, err)
	}
	lose(nil)
	keeper.Wait()
	// Also when the caller has given up: others wait for it.
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), h.TTL)
	defer stop()
	if rerr := c.ReleaseLock(last, name, grant.Token, Call{}); err == nil {
		err = rerr
	}
	return err
}

// askWait is how long one request waits for a lock.
const askWait = 30 * time.Second

// leased is how long a lock of a TTL is trusted.
func leased(ttl time.Duration) time.Duration { return ttl * 2 / 3 }

// takeLock takes a lock. The lease that it returns ends before the lock does: it
// is shorter, and began before the request did.
func (c *Client) takeLock(ctx context.Context, name string, h Hold) (LockGrant, context.Context, context.CancelFunc, error) {
	in := LockInput{Holder: h.Holder, TTL: h.TTL.String()}
	for left := h.Wait; ; left -= askWait {
		wait := askWait
		if h.Wait >= 0 {
			wait = max(0, min(left, askWait))
		}
		lease, end := context.WithTimeout(ctx, leased(h.TTL))
		grant, err := c.AcquireLock(ctx, name, in, Call{Wait: wait})
		if err == nil && wait > 0 {
			// When during the wait it was taken is not known.
			end()
			lease, end = context.WithTimeout(ctx, leased(h.TTL))
			grant, err = c.RenewLock(ctx, name, LockRenewal{Token: grant.Token, TTL: in.TTL})
		}
		if err == nil {
			grant.Name = name
			return grant, lease, end, nil
		}
		end()
		var p *Problem
		busy := errors.As(err, &p) && (p.Code == "lock_held" || wait > 0 && p.Code == "lock_not_held")
		if !busy || h.Wait >= 0 && left <= askWait {
			return grant, nil, nil, err
		}
		if ctx.Err() != nil {
			return grant, nil, nil, ctx.Err()
		}
	}
}

// keepLock renews until ctx ends, and returns nil then, or a *LockLost.
func (c *Client) keepLock(ctx, lease context.Context, end context.CancelFunc, grant LockGrant, ttl time.Duration) error {
	defer func() { end() }()
	pause := ttl / 3
	for {
		timer, stop := context.WithTimeout(ctx, pause)
		select {
		case <-timer.Done():
		case <-lease.Done():
		}
		stop()
		if ctx.Err() != nil {
			return nil
		}
		if lease.Err() != nil {
			return &LockLost{Name: grant.Name, Token: grant.Token}
		}
		next, endNext := context.WithTimeout(ctx, leased(ttl))
		_, err := c.RenewLock(lease, grant.Name, LockRenewal{Token: grant.Token, TTL: ttl.String()})
		if err == nil {
			end()
			lease, end, pause = next, endNext, ttl/3
			continue
		}
		endNext()
		if ctx.Err() != nil {
			return nil
		}
		var p *Problem
		if errors.As(err, &p) && p.Status >= 400 && p.Status < 500 && p.Status != http.StatusTooManyRequests {
			return &LockLost{Name: grant.Name, Token: grant.Token, Err: err}
		}
		pause = ttl / 10
	}
}
