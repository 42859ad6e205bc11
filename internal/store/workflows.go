package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
)

// Workflows keeps the definitions of workflows: immutable versions, the pointer to
// the active one, and the log of how it moved. A workflow is known by the slug that
// its author gave it.
type Workflows interface {
	// Apply stores a definition as the version behind the newest one, unless it has
	// the hash of the newest: then there is no new version. With p.Activate that version
	// becomes the active one. An archived workflow is there again. Of several at
	// once, each gets a version of its own. version_mismatch when p.IfRevision is set and
	// differs. p.Key as in Jobs.Add. The audit entry's detail gets "version"; nothing
	// is recorded if nothing changed.
	Apply(ctx context.Context, p ApplyWorkflow) (AppliedWorkflow, error)
	// Workflow returns what is common to all versions; not_found.
	Workflow(ctx context.Context, tenant, id string) (Workflow, error)
	// Version returns one version with its definition, 0 = the active one; not_found,
	// version_not_found, no_active_version.
	Version(ctx context.Context, tenant, id string, version int) (WorkflowVersion, error)
	// List returns a page ordered by id.
	List(ctx context.Context, p ListWorkflows) (WorkflowPage, error)
	// Versions returns a page without definitions, newest first; not_found.
	Versions(ctx context.Context, p ListWorkflowVersions) (WorkflowVersionPage, error)
	// Activate moves the pointer and adds a line to the log; version_not_found,
	// version_mismatch as in Apply, rollback_loop when p.Guard forbids it; conflict when
	// a person's rollback would go forward. Moving it to where it is changes nothing.
	// Keys and audit as in Apply.
	Activate(ctx context.Context, p ActivateWorkflow) (MovedWorkflow, error)
	// Activations returns a page of the log, latest first; not_found.
	Activations(ctx context.Context, p ListActivations) (ActivationPage, error)
	// Tag lets a tag name a version, in place of the one that it named, or takes it
	// away. Nothing of the version changes. not_found, also of a tag to take away;
	// version_not_found, workflow_archived when it is to name one; too_many_tags;
	// version_mismatch as in Apply. Naming what it names changes nothing. The audit
	// entry's detail gets "from_version", 0 = none.
	Tag(ctx context.Context, p TagWorkflow) (TaggedWorkflow, error)
	// Tagged returns the version that a tag names; not_found, version_not_found when
	// there is no such tag.
	Tagged(ctx context.Context, tenant, id, tag string) (int, error)
	// Archive hides a workflow from lists and lets no new run of it begin; its
	// versions, log and runs stay. not_found; version_mismatch as in Apply.
	Archive(ctx context.Context, p ArchiveWorkflow) (Workflow, error)
}

// Workflow is what is common to all versions of a workflow.
type Workflow struct {
	Tenant, ID string
	// Name, Description and Labels are those of the active version, or of the newest
	// where none is active.
	Name, Description string
	Labels            map[string]string
	// Newest is the highest version, Active the one that runs use, 0 = none.
	Newest, Active int
	// NewestHash and ActiveHash are those of the contents.
	NewestHash, ActiveHash string
	// Revision grows with every change.
	Revision   int64
	CreatedBy  string
	CreatedAt  time.Time
	UpdatedAt  time.Time
	ArchivedAt time.Time // zero = it is in use
}

// WorkflowVersion is one version. It never changes.
type WorkflowVersion struct {
	VersionID, Tenant, WorkflowID string
	Version                       int
	// Definition is the canonical JSON; nil in lists.
	Definition json.RawMessage
	// Hash is the SHA-256 of Definition, in hex.
	Hash      string
	CreatedBy string
	CreatedAt time.Time
	Message   string
	// Archived and Active are those of the workflow now.
	Archived, Active bool
	// Tags are the names that it has now, sorted.
	Tags []string
}

// MaxTags is how many tags a workflow may have.
const MaxTags = 100

// TagWorkflow are the parameters of Workflows.Tag.
type TagWorkflow struct {
	Tenant, ID string
	Tag        string
	Version    int // 0 = take it away
	By         string
	At         time.Time
	IfRevision int64
	Audit      *audit.Entry
}

// TaggedWorkflow is what Workflows.Tag did.
type TaggedWorkflow struct {
	Workflow Workflow
	// From is the version that the tag named before, 0 = none.
	From int
}

// ApplyWorkflow are the parameters of Workflows.Apply.
type ApplyWorkflow struct {
	Tenant, ID        string
	Name, Description string
	Labels            map[string]string
	VersionID         string
	Definition        json.RawMessage
	Hash              string
	Message           string
	By                string
	At                time.Time
	Activate          bool
	IfRevision        int64 // 0 = whatever
	Key               *Key
	Audit             *audit.Entry
}

// AppliedWorkflow is what Workflows.Apply did.
type AppliedWorkflow struct {
	Workflow Workflow
	// Version is the stored one, without its definition.
	Version WorkflowVersion
	// Created says that the version is new, Activated that it became the active one
	// now.
	Created, Activated bool
	// From is the version that was active before, 0 = none.
	From int
}

// How the active version was changed.
const (
	ActivatedByApply    = "apply"
	ActivatedByPerson   = "activate"
	ActivatedByRollback = "rollback"
	// ActivatedByNode is a rollback by a node of a workflow.
	ActivatedByNode = "node"
)

// ActivateWorkflow are the parameters of Workflows.Activate.
type ActivateWorkflow struct {
	Tenant, ID string
	Version    int
	// Source is one of the Activated constants.
	Source string
	By     string
	Reason string
	At     time.Time
	// Guard refuses it when a node has moved the pointer within that time before At;
	// 0 = it does not.
	Guard      time.Duration
	IfRevision int64
	Key        *Key
	Audit      *audit.Entry
}

// MovedWorkflow is what Workflows.Activate did.
type MovedWorkflow struct {
	Workflow Workflow
	// From is the version that was active before, 0 = none; Moved says that it was
	// another one.
	From  int
	Moved bool
}

// WorkflowActivation is a line of the log.
type WorkflowActivation struct {
	Tenant, WorkflowID string
	// Seq counts the lines of a workflow from 1.
	Seq int
	// Version is active from At on, From was before, 0 = none.
	Version, From int
	Source        string
	By            string
	At            time.Time
	Reason        string
}

// ArchiveWorkflow are the parameters of Workflows.Archive.
type ArchiveWorkflow struct {
	Tenant, ID string
	At         time.Time
	IfRevision int64
	Audit      *audit.Entry
}

// ListWorkflows are the parameters of Workflows.List.
type ListWorkflows struct {
	Tenant string
	Text   string // substring of id or name, any case
	Labels map[string]string
	// Archived: only archived, or only others; nil = others.
	Archived *bool
	// AfterID continues behind an id; "" = from the start.
	AfterID string
	Limit   int // at least 1
}

// WorkflowPage is one page. More says that workflows follow.
type WorkflowPage struct {
	Workflows []Workflow
	More      bool
}

// ListWorkflowVersions are the parameters of Workflows.Versions.
type ListWorkflowVersions struct {
	Tenant, ID string
	Below      int // 0 = from the newest
	Limit      int
}

// WorkflowVersionPage is one page. More says that versions follow.
type WorkflowVersionPage struct {
	Versions []WorkflowVersion
	More     bool
}

// ListActivations are the parameters of Workflows.Activations.
type ListActivations struct {
	Tenant, ID string
	Below      int // a Seq; 0 = from the latest
	Limit      int
}

// ActivationPage is one page. More says that lines follow.
type ActivationPage struct {
	Activations []WorkflowActivation
	More        bool
}
