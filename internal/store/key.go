package store

import "time"

// Key makes a request repeatable: the answer of the first request with a key
// is stored in the same transaction as its effect and given to each repetition.
type Key struct {
	Tenant string
	// Owner is the principal, so that two callers' keys never meet.
	Owner string
	Text  string
	// Hash is over method, path and body: another request under the same key is
	// an idempotency_mismatch.
	Hash string
	Now  time.Time
	// Expires is when the key is forgotten.
	Expires time.Time
	// InFlightUntil, when not zero, marks the stored answer as provisional until
	// Keys.Complete: a repetition before that time gets idempotency_in_flight,
	// later ones get the provisional answer.
	InFlightUntil time.Time
	// Render makes the answer from what the method returns on success ([]Added,
	// job.Job, job.Template or Settings). It runs inside the transaction: no I/O.
	Render func(result any) (Reply, error)
}

// Reply is a stored answer.
type Reply struct {
	Status   int
	Location string // "" = none
	ETag     string // "" = none
	Body     []byte
}

// Replay is the error by which a method says that the request was done
// before. Nothing was changed.
type Replay struct{ Reply Reply }

// Error implements error.
func (r *Replay) Error() string { return "the request was done before" }
