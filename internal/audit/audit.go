// Package audit is the record of who did what: entries that are only ever
// appended, each bound to the one before by a hash.
//
// Every tenant has a chain of its own, numbered from 1 without gaps. The store
// writes an entry in the transaction of the change that it tells of, so there is
// neither a change without its entry nor the reverse. Whoever can write the
// database can still rewrite a whole chain; a hash that was noted elsewhere (the
// export, a ticket, paper) shows that, because all later entries depend on it.
//
// The package is pure: it makes and checks hashes and knows nothing of storage.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Action names what was done, "token.create". The text is part of the API.
type Action string

// The actions.
const (
	SetUp                Action = "setup"                 // the first administrator was made
	Login                Action = "login"                 // a session began
	LoginFailed          Action = "login.failed"          // a wrong name, password or one-time code
	Logout               Action = "logout"                // a session was ended by its owner
	UserCreated          Action = "user.create"           //
	UserUpdated          Action = "user.update"           // roles, name, disabled
	UserPassword         Action = "user.password"         // a password was set
	UserDeleted          Action = "user.delete"           //
	TokenCreated         Action = "token.create"          //
	TokenRevoked         Action = "token.revoke"          //
	TenantCreated        Action = "tenant.create"         //
	TenantUpdated        Action = "tenant.update"         //
	TemplateCreate       Action = "template.create"       // a recipe for jobs: the right to run code
	TemplateUpdate       Action = "template.update"       //
	TemplateDelete       Action = "template.delete"       //
	WorkersScaled        Action = "workers.scale"         // the worker count of the installation
	QueuePaused          Action = "queue.pause"           //
	QueueResumed         Action = "queue.resume"          //
	QueueReordered       Action = "queue.reorder"         // a person changed the order
	GroupFormed          Action = "group.form"            // waiting jobs were made a group
	GroupDissolved       Action = "group.dissolve"        // waiting members of a group are ordinary jobs again
	JobsChanged          Action = "jobs.bulk"             // many jobs were changed at once
	LimitsUpdated        Action = "limits.update"         // how many jobs run at a time
	RulesUpdated         Action = "settings.update"       // the rules by which the queue decides
	LockForced           Action = "lock.force_release"    // a lock was taken away from its holder
	LockCapacity         Action = "lock.capacity"         // how many may hold a lock
	BackupMade           Action = "backup.create"         // everything that is stored was read
	WebhookCreated       Action = "webhook.create"        // somebody gets to know what happens
	WebhookUpdated       Action = "webhook.update"        //
	WebhookRotated       Action = "webhook.rotate"        // a new secret
	WebhookDeleted       Action = "webhook.delete"        //
	WebhookTested        Action = "webhook.test"          // a test message was sent
	WebhookDisabled      Action = "webhook.disable"       // by the server: it was gone, or failed for days
	WebhookSecretRotated Action = "webhook_secret.rotate" // what signs the webhooks of jobs
	WebhookRedelivered   Action = "webhook.redeliver"     // one message was sent again
	SecretSet            Action = "secret.set"            // a value, grants or the description
	SecretDeleted        Action = "secret.delete"         //
	SecretsKeyRotated    Action = "secret.rotate_key"     // another master key
	DirectiveCreate      Action = "directive.create"      // instructions and permissions for language models
	DirectiveUpdate      Action = "directive.update"      //
	DirectiveDelete      Action = "directive.delete"      //
	BudgetUpdated        Action = "budget.update"         // how many tokens may be used on a day
	BudgetDeleted        Action = "budget.delete"         //
	SourceRefused        Action = "source.refuse"         // a run, or who asked for it, wanted a source that its directive does not allow
	CalendarOverride     Action = "calendar.override"     // what is said of single dates was changed: when schedules fire
	ScheduleCreated      Action = "schedule.create"       // something is started again and again
	ScheduleUpdated      Action = "schedule.update"       // what, when or how
	ScheduleDeleted      Action = "schedule.delete"       //
	SchedulePaused       Action = "schedule.pause"        //
	ScheduleResumed      Action = "schedule.resume"       //
	ScheduleRun          Action = "schedule.run_now"      // a person started a run beside the plan
	ScheduleBackfilled   Action = "schedule.backfill"     // a person had nominals of the past run
	ScheduleSkipped      Action = "schedule.skip_next"    // a person does not want some nominals
	ApprovalApproved     Action = "approval.approve"      // one person's yes; its status says whether it was enough
	ApprovalRejected     Action = "approval.reject"       //
	ApprovalDelegated    Action = "approval.delegate"     // somebody else may decide in a person's place
	ApprovalRecalled     Action = "approval.recall"       // that person took it back
	ApprovalRerequested  Action = "approval.re_request"   // a new request took the place of an old one
	ApprovalExpired      Action = "approval.expire"       // by the server: nobody decided in time
	WorkflowApplied      Action = "workflow.apply"        // what a workflow does: the right to run code
	WorkflowActivated    Action = "workflow.activate"     // another version is used
	WorkflowRolledBack   Action = "workflow.rollback"     // by a person, or by a node of a workflow
	WorkflowTagged       Action = "workflow.tag"          // a tag names a version, perhaps in place of another
	WorkflowUntagged     Action = "workflow.untag"        // a tag is gone
	WorkflowDeleted      Action = "workflow.delete"       // it is archived
	WorkflowRunPaused    Action = "workflow.run.pause"    // it starts nothing more
	WorkflowRunResumed   Action = "workflow.run.resume"   // it goes on
	WorkflowRunMigrated  Action = "workflow.run.migrate"  // it goes on with another version
	WorkflowNodeSkipped  Action = "workflow.node.skip"    // it ends as if it had gone well
	WorkflowNodeDecided  Action = "workflow.node.decide"  // what an attempt did that was cut off
	WorkflowEventPosted  Action = "workflow.event.post"   // it woke nodes
	DemoAdded            Action = "demo.add"              // demonstration data
	DemoRemoved          Action = "demo.remove"           //
	AuditExported        Action = "audit.export"          //
)

// Actor is who did it, as access.Principal knows them, and from where.
type Actor struct {
	// Name is what people know, for example a user's or a token's name.
	Name string
	// ID is that of the user or token; "" for tokens that were given at start.
	ID string
	// Remote is the address of the caller, without port; "" = this process.
	Remote string
	// RequestID finds the request in the server's own log; "" = none.
	RequestID string
}

// Entry is one line of the record.
type Entry struct {
	Tenant string
	// Seq is the place in the tenant's chain, from 1. The store sets it.
	Seq    int64
	At     time.Time
	Actor  Actor
	Action Action
	// Object is the id of what was changed, and ObjectName its name at that time;
	// "" where there is none.
	Object, ObjectName string
	// Before and After are SHA-256 in hex of the object's representation in the
	// API; "" = it did not exist, or has no representation.
	Before, After string
	// Detail holds a few plain values, never secrets; for example {"roles": "viewer"}.
	Detail map[string]string
	// Prev is the Hash of the entry before, "" for the first; Hash is Sum of this
	// one. The store sets both.
	Prev, Hash string
}

// version begins what is hashed. It changes with the format.
const version = "runsheet audit 1"

// Sum is the hash that binds e to the entry before it: SHA-256, in hex, over the
// decimal length, a colon and the text of each field, in the order of the
// struct, times as Unix milliseconds, Detail as its sorted keys and values with
// their number in front. Hash itself is left out.
func Sum(e Entry) string {
	h := sha256.New()
	put := func(texts ...string) {
		for _, s := range texts {
			_, _ = fmt.Fprintf(h, "%d:%s", len(s), s) // a hash takes everything
		}
	}
	put(version, e.Tenant, strconv.FormatInt(e.Seq, 10), strconv.FormatInt(e.At.UnixMilli(), 10),
		e.Actor.Name, e.Actor.ID, e.Actor.Remote, e.Actor.RequestID, string(e.Action), e.Object, e.ObjectName, e.Before, e.After,
		strconv.Itoa(len(e.Detail)))
	for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
		put(k, e.Detail[k])
	}
	put(e.Prev)
	return hex.EncodeToString(h.Sum(nil))
}

// Digest is how Before and After are made from a representation.
func Digest(representation []byte) string {
	sum := sha256.Sum256(representation)
	return hex.EncodeToString(sum[:])
}

// ParseHash reads a hash as a person noted it: 64 hex digits, of which upper and
// lower case are the same. It returns false for everything else.
func ParseHash(s string) (string, bool) {
	b, err := hex.DecodeString(s)
	return hex.EncodeToString(b), err == nil && len(b) == sha256.Size
}

// NotHash says what is wrong with a text that ParseHash does not take.
const NotHash = "must be a hash, which has 64 hex digits"

// Lost says that a noted hash is in no entry of a chain that fits in itself.
const Lost = "no entry has the hash that was noted: the record was rewritten, or its end was cut off"

// Link returns e as the successor of the entry with the given number and hash
// (0 and "" for the first).
func Link(e Entry, seq int64, prev string) Entry {
	e.Seq, e.Prev = seq+1, prev
	e.At = e.At.UTC().Truncate(time.Millisecond)
	e.Hash = Sum(e)
	return e
}

// Verifier checks a chain entry by entry, in order. The zero value expects the
// first entry; set Seq and Hash to begin after an entry that is trusted.
type Verifier struct {
	// Seq and Hash are those of the last entry that was checked.
	Seq  int64
	Hash string
}

// Check takes the next entry. It returns an error that says what does not fit;
// the chain is broken there, and v stays where it was.
func (v *Verifier) Check(e Entry) error {
	switch {
	case e.Seq != v.Seq+1:
		return fmt.Errorf("entry %d follows entry %d: entries are missing or doubled", e.Seq, v.Seq)
	case e.Prev != v.Hash:
		return fmt.Errorf("entry %d does not follow from entry %d: one of them was replaced", e.Seq, v.Seq)
	case e.Hash != Sum(e):
		return fmt.Errorf("entry %d was changed: its hash does not fit its content", e.Seq)
	}
	v.Seq, v.Hash = e.Seq, e.Hash
	return nil
}
