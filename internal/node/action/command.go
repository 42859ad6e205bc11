package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/command"
)

// Command runs a program, by the rules of the job type command: its allow-list, its
// limits, its supervisor. It implements node.Node. Its methods are safe for concurrent
// use.
type Command struct{ task *command.Task }

var _ node.Node = (*Command)(nil)

// NewCommand returns the kind. t says what may run; it must not be nil.
func NewCommand(t *command.Task) *Command {
	if t == nil {
		panic("action: the job type command must be given")
	}
	return &Command{t}
}

// Run implements node.Node.
func (n *Command) Run(ctx context.Context, c node.Call) (node.Result, error) {
	params, argv, err := commandParams(c.Config)
	if err != nil {
		return node.Result{}, err
	}
	// What a document only shows when it is computed: that the program is a shell.
	if c.Step != nil {
		if _, bad := injected(c.Step.Node.Config, argv); bad {
			return node.Result{}, node.Fatal("shell_script", errors.New(shellText))
		}
	}
	h := &host{call: c, outputs: map[string]any{}, artifacts: []any{}}
	part := command.Part{ID: partID(c), Env: []string{
		"RUNSHEET_WORKFLOW_ID=" + c.WorkflowID, "RUNSHEET_WORKFLOW_RUN_ID=" + c.RunID, "RUNSHEET_NODE_ID=" + nodeID(c),
	}}
	if c.Item >= 0 {
		part.Env = append(part.Env, "RUNSHEET_INDEX="+strconv.Itoa(c.Item))
	}
	capture, _ := c.Config["capture"].(bool)
	if capture {
		part.Stdout = &h.tail
	}
	err = n.task.RunPart(ctx, task.Attempt{
		JobID: c.JobID, RunID: c.TaskRunID, Tenant: c.Tenant, Number: max(1, c.Attempt), Params: params, IdempotencyKey: c.IdempotencyKey,
		Dir: c.Host.Dir(), Grace: c.Host.Grace(), Until: c.Host.Until,
	}, h, part)
	if ctx.Err() != nil {
		return node.Result{}, context.Cause(ctx)
	}
	value := h.result()
	if v := task.VerdictOf(err); v != nil {
		if !v.Skipped {
			return node.Result{}, failure(err, v)
		}
		value["skipped"], value["reason"] = true, v.Error()
	}
	if capture {
		value["stdout"] = h.tail.String()
	}
	return node.Result{Value: value}, nil
}

// failure is that of an attempt that did not end well.
func failure(err error, v *task.Verdict) error {
	if errors.Is(err, task.ErrLeaseLost) {
		return err
	}
	f := node.Fail(v.Code, "", v)
	f.Final, f.After = v.Final, v.After
	switch {
	case v.Code == "exit_nonzero" || v.Code == "killed_by_signal":
		f.Class = node.ClassExit
	case v.Postponed: // for want of space
		f.Code = "storage_full"
	}
	return f
}

// nodeID is the name of the node.
func nodeID(c node.Call) string {
	if c.Step == nil {
		return ""
	}
	return c.Step.ID
}

// partID is a name that no other process tree has.
func partID(c node.Call) string {
	return fmt.Sprintf("%s/%s/%d/%d/%d", c.TaskRunID, nodeID(c), c.Item, c.Rewinds, c.Attempt)
}

// commandParams are the params of the job type that a config stands for. argv is not
// empty.
func commandParams(config map[string]any) (json.RawMessage, []string, error) {
	p := map[string]any{}
	argv, err := texts(config, "argv")
	if err != nil {
		return nil, nil, err
	}
	if len(argv) == 0 {
		return nil, nil, exchange.Invalid("argv is empty")
	}
	p["argv"] = argv
	if env, ok := config["env"].(map[string]any); ok {
		out := map[string]string{}
		for name, v := range env {
			if v == nil {
				continue
			}
			if out[name], ok = exchange.Text(v); !ok {
				b, err := json.Marshal(v)
				if err != nil {
					return nil, nil, exchange.Invalid("env: %s cannot be written as text", name)
				}
				out[name] = string(b)
			}
		}
		p["env"] = out
	} else if config["env"] != nil {
		return nil, nil, exchange.Invalid("env must be an object")
	}
	if v := config["stdin"]; v != nil {
		text, ok := exchange.Text(v)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				return nil, nil, exchange.Invalid("stdin cannot be written as text")
			}
			text = string(b)
		}
		p["stdin"] = text
	}
	patterns, err := texts(config, "artifacts")
	if err != nil {
		return nil, nil, err
	}
	p["artifacts"] = patterns
	if limits, ok := config["limits"].(map[string]any); ok {
		for name, v := range limits {
			if n, ok := v.(int64); v != nil && (!ok || n < 1) {
				return nil, nil, exchange.Invalid("limits: %s must be a whole number above 0", name)
			}
		}
		p["limits"] = limits
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, nil, exchange.Invalid("the config cannot be written as JSON")
	}
	return raw, argv, nil
}

// texts is a list of texts; nil where there is none.
func texts(config map[string]any, name string) ([]string, error) {
	v := config[name]
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, exchange.Invalid("%s must be a list", name)
	}
	out := make([]string, 0, len(list))
	for i, item := range list {
		s, ok := exchange.Text(item)
		if !ok {
			return nil, exchange.Invalid("%s: value %d must be a string", name, i+1)
		}
		out = append(out, s)
	}
	return out, nil
}

// Bounds of what is kept of a program, those of the queue.
const (
	maxOutputs  = 256
	maxOutput   = 64 << 10
	maxCaptured = 64 << 10
)

// host is the node's host in the shape of the job type. It is safe for concurrent use.
type host struct {
	call node.Call
	tail tail

	mu        sync.Mutex
	exit      *int
	outputs   map[string]any
	artifacts []any
}

var _ task.Host = (*host)(nil)

// Log implements task.Host.
func (h *host) Log() io.Writer { return h.call.Host.Log() }

// Process implements task.Host.
func (h *host) Process(ctx context.Context, p run.Process) error { return h.call.Host.Process(ctx, p) }

// Progress implements task.Host: the progress of a workflow is that of its nodes.
func (h *host) Progress(run.Progress) {}

// Output implements task.Host.
func (h *host) Output(key, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.outputs[key]; known || len(h.outputs) < maxOutputs {
		h.outputs[key] = strings.ToValidUTF8(value[:min(len(value), maxOutput)], "")
	}
}

// ExitCode implements task.Host.
func (h *host) ExitCode(code int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.exit = &code
}

// Tokens implements task.Host: a program has no way to tell of any.
func (h *host) Tokens(run.Tokens) {}

// Call implements task.Host.
func (h *host) Call(ctx context.Context, c run.Call) error { return h.call.Host.Call(ctx, c) }

// Refused implements task.Host: nodes have no directive.
func (h *host) Refused(context.Context, string) error { return nil }

// Checkpoint implements task.Host: a node has none of its own.
func (h *host) Checkpoint(context.Context, []byte) error { return nil }

// Artifact implements task.Host. The names of a run's artifacts are common to all its
// nodes, so each node, and each item, has a folder.
func (h *host) Artifact(ctx context.Context, name, mediaType string, r io.Reader) (run.Artifact, error) {
	folder := nodeID(h.call)
	if h.call.Item >= 0 {
		folder += "/" + strconv.Itoa(h.call.Item)
	}
	a, err := h.call.Host.Artifact(ctx, strings.TrimPrefix(folder+"/"+name, "/"), mediaType, r)
	if err != nil {
		return a, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.artifacts = append(h.artifacts, map[string]any{
		"artifact_id": a.ID, "name": name, "media_type": a.MediaType, "size_bytes": a.Size, "sha256": a.SHA256,
	})
	return a, nil
}

// result is the value of the node.
func (h *host) result() map[string]any {
	h.mu.Lock()
	defer h.mu.Unlock()
	code := 0
	if h.exit != nil {
		code = *h.exit
	}
	return map[string]any{"exit_code": int64(code), "skipped": false, "outputs": h.outputs, "artifacts": h.artifacts}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[max(0, len(p)-maxCaptured):]...)
	if over := len(t.text) - maxCaptured; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// String is the text, with nothing in it that a database refuses.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(strings.ToValidUTF8(string(t.text), "\uFFFD"), "\x00", "\uFFFD")
}
