package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/audit"
)

// AuditActor is who did something, and from where.
type AuditActor struct {
	Name      string `json:"name"`
	ID        string `json:"id" doc:"of the user or token; empty for a token that the server was started with"`
	Remote    string `json:"remote" doc:"the address of the caller"`
	RequestID string `json:"request_id" doc:"for the server's log"`
}

// AuditEntry is one line of the record. Empty texts are values: the hash covers
// them.
type AuditEntry struct {
	Tenant     string            `json:"tenant" example:"default"`
	Seq        int64             `json:"seq" doc:"place in the tenant's chain, from 1 without gaps"`
	CreatedAt  time.Time         `json:"created_at" doc:"exact to a millisecond"`
	Actor      AuditActor        `json:"actor"`
	Action     string            `json:"action" example:"token.create"`
	Object     string            `json:"object" doc:"id of what was changed"`
	ObjectName string            `json:"object_name"`
	Before     string            `json:"before_hash" doc:"SHA-256 of the object as the API showed it before"`
	After      string            `json:"after_hash"`
	Detail     map[string]string `json:"detail"`
	Prev       string            `json:"prev_hash" doc:"hash of the entry before; empty for the first"`
	Hash       string            `json:"hash" doc:"binds the entry to all before it"`
}

// AuditList is one page of the record.
type AuditList struct {
	Items      []AuditEntry `json:"items"`
	NextCursor *string      `json:"next_cursor"`
}

// AuditCheck is what a walk over the whole chain found.
type AuditCheck struct {
	Tenant   string  `json:"tenant" example:"default"`
	Valid    bool    `json:"valid"`
	Entries  int64   `json:"entries" doc:"how many fit, from the first on"`
	HeadSeq  int64   `json:"head_seq" doc:"the last entry that fits"`
	HeadHash string  `json:"head_hash" doc:"write it down elsewhere: who rewrites the chain cannot keep it"`
	Error    *string `json:"error" doc:"what does not fit"`
	BrokenAt *int64  `json:"broken_at" doc:"seq of the entry that does not fit; null when the noted hash is what is missing"`
}

// AuditEntryOf shows an entry.
func AuditEntryOf(e audit.Entry) AuditEntry {
	return AuditEntry{
		Tenant: e.Tenant, Seq: e.Seq, CreatedAt: e.At.UTC(),
		Actor:  AuditActor{Name: e.Actor.Name, ID: e.Actor.ID, Remote: e.Actor.Remote, RequestID: e.Actor.RequestID},
		Action: string(e.Action), Object: e.Object, ObjectName: e.ObjectName, Before: e.Before, After: e.After,
		Detail: labels(e.Detail), Prev: e.Prev, Hash: e.Hash,
	}
}

// Domain reads an entry back, as who verifies an export needs it.
func (e AuditEntry) Domain() audit.Entry {
	return audit.Entry{
		Tenant: e.Tenant, Seq: e.Seq, At: e.CreatedAt,
		Actor:  audit.Actor{Name: e.Actor.Name, ID: e.Actor.ID, Remote: e.Actor.Remote, RequestID: e.Actor.RequestID},
		Action: audit.Action(e.Action), Object: e.Object, ObjectName: e.ObjectName, Before: e.Before, After: e.After,
		Detail: e.Detail, Prev: e.Prev, Hash: e.Hash,
	}
}
