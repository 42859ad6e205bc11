package store

import (
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/job"
)

// Lock is one lock.
type Lock struct {
	Name      string
	Capacity  int // at least 1
	Holders   []job.Holder
	UpdatedAt time.Time // of the capacity; zero = never set
}

// ListLocks are the parameters of Locks.List.
type ListLocks struct {
	AfterName string
	Limit     int // at least 1
}

// LockPage is one page. More says that locks follow.
type LockPage struct {
	Locks []Lock
	More  bool
}

// AcquireLock are the parameters of Locks.Acquire.
type AcquireLock struct {
	Tenant string
	Name   string
	Holder string // what the program calls itself
	TTL    time.Duration
	Now    time.Time // zero = the authority's clock
	Key    *Key
	Audit  *audit.Entry
}

// RenewLock are the parameters of Locks.Renew.
type RenewLock struct {
	Tenant, Name string
	Token        int64
	TTL          time.Duration
	Now          time.Time // zero = the authority's clock
	Key          *Key
}

// SetCapacity are the parameters of Locks.SetCapacity.
type SetCapacity struct {
	Tenant, Name string
	Capacity     int // 1..1024
	At           time.Time
	Audit        *audit.Entry
}

// ReleaseLock are the parameters of Locks.Release.
type ReleaseLock struct {
	Tenant, Name string
	Token        int64
	Force        bool
	Now          time.Time // zero = the authority's clock
	Key          *Key
	Audit        *audit.Entry
}

// TakeLocks are the parameters of Locks.Take.
type TakeLocks struct {
	JobID, RunID string
	Epoch        int64
	Names        []string  // in any order
	Now          time.Time // zero = the authority's clock
}

// TakenLocks is the answer to an attempt that asks for locks.
type TakenLocks struct {
	// Granted says that the attempt has them all now.
	Granted bool
	// Blocked is one that it cannot have now, "" when Granted.
	Blocked string
}

// FreeLocks are the parameters of Locks.Free.
type FreeLocks struct {
	JobID, RunID string
	Epoch        int64
	Names        []string
}
