package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

const (
	// maxOutputs is the size of a node's outputs, as JSON in bytes, beyond which they
	// are kept as an artifact.
	maxOutputs = 256 << 10
	// spilled is the key under which the stored outputs name that artifact.
	spilled = "$artifact"
	// maxSpilled bounds what is read back.
	maxSpilled = 64 << 20
)

// outputs makes a node's outputs of its result.
func (t *turn) outputs(w *work, result any) (map[string]any, error) {
	return t.bodyOutputs(w.step, t.g.Env(t.state, t.scope, w.id(), w.began), result)
}

// bodyOutputs is outputs for a node of an item.
func (t *turn) bodyOutputs(step *workflow.Step, env expression.Env, result any) (map[string]any, error) {
	v, err := source.Of(result)
	if err != nil {
		return nil, fmt.Errorf("the result is no value of JSON: %w", err)
	}
	plain := t.masked(v.Plain())
	if step.Outputs == nil {
		return object(plain), nil
	}
	out, err := named(step, env, plain)
	if err != nil {
		return nil, err
	}
	return object(t.masked(out)), nil
}

// named computes the outputs that a node names.
func named(step *workflow.Step, env expression.Env, result any) (map[string]any, error) {
	env.Result = result
	out := make(map[string]any, len(step.Outputs))
	for _, o := range step.Outputs {
		v, err := o.Expr.Eval(env)
		if err != nil {
			return nil, fmt.Errorf("outputs.%s: %w", o.Name, err)
		}
		out[o.Name] = v
	}
	return out, nil
}

// object is v, or what has it as its value.
func object(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return v
	case nil:
		return map[string]any{}
	}
	return map[string]any{"value": v}
}

// masked hides the secrets of the run in a value.
func (t *turn) masked(v any) any {
	if _, none := t.mask.(noMask); none {
		return v
	}
	switch v := v.(type) {
	case string:
		return t.mask.Text(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = t.masked(x)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = t.masked(x)
		}
		return out
	}
	return v
}

// keep decides what is stored of a node's outputs: nil = all of them, as they are.
func (t *turn) keep(w *work, r node.Result, done *workflow.Done) (map[string]any, error) {
	tainted := t.tainted(w.step.Reads())
	switch {
	case r.Ephemeral:
		done.Ephemeral = true
		return t.allowed(w, object(r.Durable)), nil
	case tainted && w.step.Body != nil && w.step.Outputs == nil:
		// What a map counts is its own: its items have kept theirs to themselves.
		return t.spill(w.id(), done.Outputs, false)
	case tainted && !w.step.Kind.Effect:
		done.Ephemeral = true
		return map[string]any{}, nil
	case tainted:
		// What others answered is theirs, but for what they only repeat. It is kept,
		// because they must not be asked twice.
		clean, _ := scrub(done.Outputs, newPieces(t.said())).(map[string]any)
		return t.spill(w.id(), clean, true)
	}
	return t.spill(w.id(), done.Outputs, false)
}

// allowed are the outputs of a node that come from the part of its result that may be
// stored.
func (t *turn) allowed(w *work, durable map[string]any) map[string]any {
	if w.step.Outputs == nil {
		return durable
	}
	out := map[string]any{}
	for _, o := range w.step.Outputs {
		fine := true
		for _, ref := range o.Expr.Refs() {
			if ref.Root() == "outputs" || ref.Root() == "result" && (len(ref.Path) < 2 || !has(durable, ref.Path[1])) {
				fine = false
			}
		}
		if !fine {
			continue
		}
		env := t.g.Env(t.state, t.scope, w.id(), w.began)
		env.Result = durable
		if v, err := o.Expr.Eval(env); err == nil {
			out[o.Name] = v
		}
	}
	return out
}

func has(m map[string]any, key string) bool {
	_, there := m[key]
	return there
}

// leastSaid is the length of a text in bytes from which on it is recognised.
const leastSaid = 12

// said are the texts of the run that are kept in memory only.
func (t *turn) said() []string { return saidIn(t.state, t.stored) }

// saidIn is said for a state, of which stored has what may be stored.
func saidIn(s workflow.State, stored map[string]map[string]any) []string {
	var out []string
	for id, n := range s.Nodes {
		if !n.Ephemeral {
			continue
		}
		for key, v := range s.Outputs[id] {
			if !has(stored[id], key) {
				out = texts(v, out)
			}
		}
	}
	return out
}

func texts(v any, out []string) []string {
	switch v := v.(type) {
	case string:
		if len(v) >= leastSaid {
			out = append(out, v)
		}
	case []any:
		for _, x := range v {
			out = texts(x, out)
		}
	case map[string]any:
		for _, x := range v {
			out = texts(x, out)
		}
	}
	return out
}

// notStored stands for a text that is kept in memory only.
const notStored = "[not stored]"

// scrub replaces the texts of v in which a piece of what was said is.
func scrub(v any, said *pieces) any {
	switch v := v.(type) {
	case string:
		if said.in(v) {
			return notStored
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = scrub(x, said)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			if said.in(k) {
				k = notStored
			}
			out[k] = scrub(x, said)
		}
		return out
	}
	return v
}

// spill keeps large outputs as an artifact; the store has its name only. It returns
// nil where the outputs can be stored as they are in memory, unless changed.
func (t *turn) spill(nodeID string, outputs map[string]any, changed bool) (map[string]any, error) {
	data, err := json.Marshal(outputs)
	if err != nil {
		return nil, node.Fatal("outputs", err)
	}
	if len(data) > maxSpilled {
		return nil, node.Fatal("outputs_too_large", fmt.Errorf("the outputs take %d bytes, and at most %d MiB can be kept", len(data), maxSpilled>>20))
	}
	if len(data) <= maxOutputs {
		if changed {
			return outputs, nil
		}
		return nil, nil //nolint:nilnil // as they are
	}
	if len(data) > maxSpilled {
		return nil, node.Fatal("too_large", fmt.Errorf("the outputs have %d bytes as JSON, at most %d MiB can be kept; name in outputs what is needed", len(data), maxSpilled>>20))
	}
	a, err := t.h.Artifact(context.Background(), "outputs/"+nodeID+".json", "application/json", bytes.NewReader(data))
	if err != nil {
		return nil, stored(fmt.Errorf("keep the outputs of node %s: %w", nodeID, err))
	}
	return map[string]any{spilled: a.Name, "artifact_id": a.ID, "bytes": int64(len(data))}, nil
}

// reload brings back to memory what is not in the store's rows: large outputs are read,
// and nodes whose outputs are lost, and which somebody still needs, work again.
func (t *turn) reload(ctx context.Context) error {
	for id, o := range t.state.Outputs {
		name, ok := o[spilled].(string)
		if !ok {
			continue
		}
		artifactID, _ := o["artifact_id"].(string)
		whole, err := t.read(ctx, name, artifactID)
		if err != nil {
			return task.Fatal("artifact_gone", fmt.Errorf("the outputs of node %s cannot be read back: %w", id, err))
		}
		t.stored[id], t.state.Outputs[id] = o, whole
	}
	for _, step := range t.g.With(t.state, workflow.NodeCompleted) {
		if !t.state.Nodes[step.ID].Ephemeral {
			continue
		}
		t.stored[step.ID] = t.state.Outputs[step.ID]
		if t.state.Phase == workflow.PhaseRunning { // a run that ends starts nothing anew
			t.again(step.ID)
		}
	}
	return nil
}

// again lets a completed node whose outputs were lost work again, if a node that has
// not ended reads them, and with it those whose outputs it reads itself.
func (t *turn) again(id string) {
	if t.state.Status(id) != workflow.NodeCompleted || !t.state.Nodes[id].Ephemeral || !t.wanted(id) {
		return
	}
	if t.state.Recompute(id, t.now()) != nil {
		return
	}
	delete(t.stored, id)
	t.redo[id] = true
	t.touch("")
	for _, r := range t.g.Step(id).Reads() {
		if t.g.Step(r.Path[1]) != nil {
			t.again(r.Path[1])
		}
	}
}

// wanted reports whether a node that has not ended, or works again, reads what is not
// stored of a node's outputs.
func (t *turn) wanted(id string) bool {
	for _, step := range t.g.Steps {
		if s := t.state.Status(step.ID); !s.Terminal() && step.ID != id && t.lost(step.Reads(), id) {
			return true
		}
	}
	return false
}

// lost reports whether references read a part of a node's outputs that is not stored.
func (t *turn) lost(refs []expression.Ref, id string) bool {
	for _, r := range refs {
		if r.Path[1] != id {
			continue
		}
		if len(r.Path) == 2 {
			return true
		}
		if _, there := t.stored[id][r.Path[2]]; !there {
			return true
		}
	}
	return false
}

func reads(step *workflow.Step, id string) bool {
	for _, r := range step.Reads() {
		if r.Path[1] == id {
			return true
		}
	}
	return false
}

// tainted reports whether what comes of references may have in it what a node keeps in
// memory only.
func (t *turn) tainted(refs []expression.Ref) bool {
	for _, r := range refs {
		if r.Root() != "outputs" || len(r.Path) < 2 || !t.state.Nodes[r.Path[1]].Ephemeral {
			continue
		}
		if len(r.Path) == 2 || !has(t.stored[r.Path[1]], r.Path[2]) {
			return true
		}
	}
	return false
}

// read reads back an artifact with an object, see content.
func (t *turn) read(ctx context.Context, name, artifactID string) (map[string]any, error) {
	data, err := t.content(ctx, name, artifactID)
	if err != nil {
		return nil, err
	}
	v, err := decode(data)
	if err != nil {
		return nil, err
	}
	return object(v), nil
}

// content reads back an artifact of the run by its name. A run that repeats another one
// has that one's at first, by their id: it keeps them as its own, so that it does not
// depend on how long the other one is kept.
func (t *turn) content(ctx context.Context, name, artifactID string) ([]byte, error) {
	r, err := t.a.Open(ctx, "", name)
	earlier := err != nil && t.run.RetryOf != "" && artifactID != "" && t.e.o.Artifacts != nil && fault.Is(err, fault.ArtifactGone)
	if earlier {
		r, err = t.e.o.Artifacts(ctx, t.a.Tenant, t.a.RunID, artifactID)
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxSpilled+1))
	if err == nil && len(data) > maxSpilled {
		err = fmt.Errorf("%s is larger than %d MiB", name, maxSpilled>>20)
	}
	if err == nil && earlier {
		if _, err = t.h.Artifact(ctx, name, "application/json", bytes.NewReader(data)); err != nil {
			return nil, stored(err)
		}
	}
	return data, err
}

// decode reads a value of JSON as expressions know it: whole numbers are int64.
func decode(data []byte) (any, error) {
	if len(data) == 0 {
		return nil, nil //nolint:nilnil // nothing is null
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return workflow.Plain(v), nil
}

// results computes the outputs of a run that has completed. They are stored, so what
// is kept in memory only reads as null.
func (t *turn) results() {
	if t.state.Result != workflow.ResultCompleted || len(t.g.Outputs) == 0 {
		return
	}
	env := t.g.Env(t.durable(), t.scope, "", t.now())
	values := make(map[string]any, len(t.g.Outputs))
	for _, o := range t.g.Outputs {
		v, err := o.Template.Eval(env)
		if err != nil {
			t.state.Result = workflow.ResultFailed
			t.state.Error = &workflow.Failure{Code: "outputs", Message: short(t.mask.Text(fmt.Sprintf("outputs.%s: %v", o.Name, err)))}
			return
		}
		values[o.Name] = t.masked(v)
	}
	if _, err := json.Marshal(values); err != nil { // infinity, for example
		t.state.Result = workflow.ResultFailed
		t.state.Error = &workflow.Failure{Code: "outputs", Message: fmt.Sprintf("the outputs of the run are no JSON: %v", err)}
		return
	}
	t.state.Values = values
}

func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

// secrets puts the values of the secrets that a step reads into env, and returns their
// names. They are the run's: the grant is checked when the target is known.
func (t *turn) secrets(ctx context.Context, step *workflow.Step, env *expression.Env) ([]string, error) {
	names := step.Secrets()
	if len(names) == 0 {
		return nil, nil
	}
	if t.e.o.Secrets == nil {
		return nil, node.Fatal("secrets_unavailable", errors.New("this server has no key for secrets"))
	}
	// The target may itself depend on secrets, as in a URL: it is computed with what
	// stands for them first, and the values are asked for with it.
	blind := *env
	blind.Secrets = map[string]string{}
	for _, name := range names {
		blind.Secrets[name] = "secret"
	}
	host, err := t.target(step, blind)
	if err != nil {
		return nil, err
	}
	env.Secrets = map[string]string{}
	for _, name := range names {
		v, err := t.e.o.Secrets.Value(ctx, t.a.Tenant, name, secret.Use{WorkflowID: t.run.WorkflowID, Kind: step.Node.Kind(), Host: host})
		if err != nil {
			return nil, node.Fatal("secret_refused", fmt.Errorf("secret %s: %w", name, err))
		}
		env.Secrets[name] = v
		t.mask.Add(v)
	}
	return names, nil
}

// target is the host that a node sends to, "" = none.
func (t *turn) target(step *workflow.Step, env expression.Env) (string, error) {
	n, _ := t.e.o.Nodes.Node(step.Node.Kind())
	aims, ok := n.(node.Targeted)
	if !ok {
		return "", nil
	}
	v, err := step.Config.Eval(env)
	if err != nil {
		return "", node.Fatal("expression", fmt.Errorf("config: %w", err))
	}
	config, _ := v.(map[string]any)
	host, err := aims.Target(config)
	if err != nil {
		return "", node.Fatal("invalid_config", err)
	}
	return host, nil
}

// granted makes sure that a config computed with its secrets still leads to the host
// for which they were given.
func (t *turn) granted(ctx context.Context, step *workflow.Step, config map[string]any, names []string) error {
	n, _ := t.e.o.Nodes.Node(step.Node.Kind())
	aims, ok := n.(node.Targeted)
	if !ok || len(names) == 0 {
		return nil
	}
	host, err := aims.Target(config)
	if err != nil {
		return node.Fatal("invalid_config", err)
	}
	for _, name := range names {
		if _, err := t.e.o.Secrets.Value(ctx, t.a.Tenant, name, secret.Use{WorkflowID: t.run.WorkflowID, Kind: step.Node.Kind(), Host: host}); err != nil {
			return node.Fatal("secret_refused", fmt.Errorf("secret %s: %w", name, err))
		}
	}
	return nil
}
