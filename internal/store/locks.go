package store

import (
	"time"

	"github.com/runsheet/runsheet/internal/audit"
)

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
