// Package workflow is the job type workflow: a run of a workflow in the queue.
package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/runsheet/runsheet/internal/engine"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Type is the name of the job type.
const Type = "workflow"

// Found is a version of a workflow that a run can be of.
type Found struct {
	Graph   *workflow.Graph
	Version int
}

// Options are what New needs.
type Options struct {
	// Play plays a turn of a run.
	Play func(ctx context.Context, a task.Attempt, h task.Host) error
	// Find returns a version, 0 = the active one, of a workflow in use; not_found,
	// version_not_found, no_active_version.
	Find func(ctx context.Context, tenant, workflowID string, version int) (Found, error)
	// Seal encrypts a secret input. aad says what it is.
	Seal func(ctx context.Context, tenant, aad string, plain []byte) (string, error)
}

// Task is the job type. It implements task.Task, task.Durable and task.Pinned.
type Task struct{ o Options }

var (
	_ task.Task    = (*Task)(nil)
	_ task.Durable = (*Task)(nil)
	_ task.Pinned  = (*Task)(nil)
)

// New returns the job type; all options must be given.
func New(o Options) *Task { return &Task{o} }

// Type implements task.Task.
func (*Task) Type() string { return Type }

// Schema implements task.Task.
func (*Task) Schema() json.RawMessage {
	return json.RawMessage(`{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["workflow_id"],
	"additionalProperties": false,
	"properties": {
		"workflow_id": {"title": "Workflow", "format": "workflow-id", "type": "string", "pattern": "^[a-z0-9_-]{1,64}$", "description": "Its id."},
		"version": {"type": ["integer", "null"], "minimum": 1, "description": "Its version; null means the one that is active when the job is added, which the run then keeps."},
		"inputs": {"type": "object", "description": "The run's inputs, as the version declares them."}
	}
}`)
}

// Check implements task.Task: what there is to check needs the version, see Pin.
func (*Task) Check(json.RawMessage) error { return nil }

// Locks implements task.Task: nodes have locks, runs have none.
func (*Task) Locks(json.RawMessage) []string { return nil }

// OnCrash implements task.Task.
func (*Task) OnCrash() job.CrashPolicy { return job.CrashResume }

// Durable implements task.Durable.
func (*Task) Durable() {}

// Run implements task.Task.
func (t *Task) Run(ctx context.Context, a task.Attempt, h task.Host) error {
	return t.o.Play(ctx, a, h)
}

// Pin implements task.Pinned: the version is written down, the inputs are checked and
// completed, secret ones are encrypted.
func (t *Task) Pin(ctx context.Context, tenant string, params json.RawMessage) (task.Pin, error) {
	var p engine.Params
	if err := json.Unmarshal(params, &p); err != nil {
		return task.Pin{}, fault.Wrap(err, fault.InvalidInput, "the params cannot be read").At("", "wrong_type", err.Error())
	}
	version := 0
	if p.Version != nil {
		version = *p.Version
	}
	found, err := t.o.Find(ctx, tenant, p.WorkflowID, version)
	if err != nil {
		return task.Pin{}, located(err)
	}
	p.Version = &found.Version
	plain, _ := workflow.Plain(maps.Clone(p.Inputs)).(map[string]any)
	if plain == nil {
		plain = map[string]any{}
	}
	inputs, err := found.Graph.Definition.Complete(plain, "/inputs")
	if err != nil {
		return task.Pin{}, err
	}
	p.Inputs, p.Sealed = map[string]any{}, map[string]string{}
	for _, in := range found.Graph.Definition.Inputs {
		v := inputs[in.Name]
		if !in.Secret || v == nil {
			if v != nil {
				p.Inputs[in.Name] = v
			}
			continue
		}
		data, err := json.Marshal(v)
		if err != nil {
			return task.Pin{}, fmt.Errorf("write input %s: %w", in.Name, err)
		}
		if p.Sealed[in.Name], err = t.o.Seal(ctx, tenant, engine.SealedInput(p.WorkflowID, in.Name), data); err != nil {
			return task.Pin{}, err
		}
	}
	if len(p.Sealed) == 0 {
		p.Sealed = nil
	}
	out, err := json.Marshal(p)
	if err != nil {
		return task.Pin{}, fmt.Errorf("write params: %w", err)
	}
	return task.Pin{Params: out, Name: p.WorkflowID}, nil
}

// located says which param names what is not there.
func located(err error) error {
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.From(err).At("/workflow_id", "not_found", "there is no such workflow").WithHint("GET /api/workflows, or runsheet workflow ls, lists what there is")
	case fault.Is(err, fault.VersionNotFound):
		return fault.From(err).At("/version", "not_found", "there is no such version")
	case fault.Is(err, fault.NoActiveVersion):
		return fault.From(err).At("/version", "required", "no version is active: name one")
	}
	return err
}
