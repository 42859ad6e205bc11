package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// mapped is a map at work, as the turn sees it.
type mapped struct {
	work *work
	crew crew
	// every is how many items may end between two steps.
	every int
	// open are items that have ended since the last step.
	open int
	// acks wait for the next step.
	acks []chan<- bool
}

// itemsReady says that the list of a map is kept, or that its items are opened again.
// The answer is true when it is durable, false when the map must stop.
type itemsReady struct {
	work  *work
	state workflow.MapState
	every int
	ack   chan<- bool
}

// itemBegun says that an item is at work that a crash must not repeat. The answer is as
// in itemsReady.
type itemBegun struct {
	work  *work
	index int
	ack   chan<- bool
}

// itemEnded says that an item has ended; failed is nil if it went well. The answer is
// as in itemsReady.
type itemEnded struct {
	work   *work
	index  int
	failed *workflow.FailedItem
	ack    chan<- bool
}

// Each step of a map writes all its failures: beyond manyFailed of them a message has
// briefly bytes at most.
const (
	manyFailed = 100
	briefly    = 200
)

// answer tells the maps that what they reported is durable, or that they must stop.
func (t *turn) answer(durable bool) {
	for _, m := range t.mapped {
		for _, ack := range m.acks {
			ack <- durable
		}
		m.acks, m.open = nil, 0
	}
}

func (t *turn) itemsReady(m itemsReady) {
	id := m.work.id()
	if t.state.Maps == nil {
		t.state.Maps = map[string]workflow.MapState{}
	}
	t.state.Maps[id] = m.state
	t.count(id)
	of := t.mapped[id]
	of.every, of.acks = m.every, append(of.acks, m.ack)
	t.touch(id)
}

// itemBegun takes nothing but the index: the map's own view of its items may be older
// than the turn's.
func (t *turn) itemBegun(m itemBegun) {
	id := m.work.id()
	of := t.mapped[id]
	if of == nil || t.state.Status(id) != workflow.NodeRunning {
		m.ack <- false
		return
	}
	alone := !t.dirty || t.items
	t.state.Maps[id] = t.state.Maps[id].Begin(m.index)
	of.acks = append(of.acks, m.ack)
	t.touch(id)
	t.items = alone
}

func (t *turn) itemEnded(m itemEnded) {
	id := m.work.id()
	of := t.mapped[id]
	if of == nil || t.state.Status(id) != workflow.NodeRunning {
		m.ack <- false
		return
	}
	alone := !t.dirty || t.items
	if m.failed != nil && len(t.state.Maps[id].Failed) >= manyFailed && len(m.failed.Message) > briefly {
		brief := *m.failed
		brief.Message = strings.ToValidUTF8(brief.Message[:briefly-3], "") + "..."
		m.failed = &brief
	}
	t.state.Maps[id] = t.state.Maps[id].Finish(m.index, m.failed)
	t.count(id)
	of.open++
	if of.open < of.every {
		m.ack <- true
		if !t.dirty {
			t.touch("")
			t.items = true
		}
		return
	}
	of.acks = append(of.acks, m.ack)
	t.touch(id)
	t.items = alone
	if t.about == "" {
		t.about = id
	}
	now := t.state.Maps[id]
	if part := max(1, now.Total/100); now.Processed()%part == 0 || now.Processed() == now.Total {
		t.announce(event.WorkflowProgress, id, "", "", fmt.Sprintf("%d/%d", now.Processed(), now.Total))
	}
}

// count shows a map's counters in the context of the run.
func (t *turn) count(id string) {
	m := t.state.Maps[id]
	t.state.Context["total_items"], t.state.Context["processed_items"] = int64(m.Total), int64(m.Processed())
}

// plan is the config of a map.
type plan struct {
	concurrency, every, batch int
	collect                   bool
	// most is how many items may fail; -1 = all.
	most int
	// careful says that items at work are kept, because a node among them must not be
	// repeated after a crash.
	careful bool
}

func planOf(step *workflow.Step, config map[string]any) (plan, error) {
	p := plan{concurrency: whole(config["concurrency"], 1), every: whole(config["checkpoint_every"], 1), batch: whole(config["batch_size"], 1)}
	p.collect = config["on_item_error"] == "collect"
	if p.concurrency < 1 || p.concurrency > workflow.MaxConcurrency {
		return p, fmt.Errorf("concurrency is %d, which is not from 1 to %d", p.concurrency, workflow.MaxConcurrency)
	}
	if p.every < 1 || p.batch < 1 {
		return p, errors.New("checkpoint_every and batch_size are at least 1")
	}
	for _, inner := range step.Body.Steps {
		p.careful = p.careful || inner.OnCrash != workflow.CrashRetry
	}
	return p, nil
}

func whole(v any, or int) int {
	if n, ok := v.(int64); ok {
		return int(min(max(n, math.MinInt32), math.MaxInt32))
	}
	return or
}

// maxFailed is how many items may fail where max_failures does not say it: each step
// has the list of them.
const maxFailed = 10_000

// tolerates computes how many items may fail: a number, a percentage, or by default
// none, or all where failures are collected.
func (p plan) tolerates(v any, total int) (int, error) {
	switch v := v.(type) {
	case int64:
		return int(min(v, math.MaxInt32)), nil
	case string:
		text, percent := strings.CutSuffix(strings.TrimSpace(v), "%")
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || n < 0 || percent && n > 100 {
			return 0, fmt.Errorf("max_failures is %q, which is neither a number nor a percentage", v)
		}
		if percent {
			return int(math.Floor(float64(total) * n / 100)), nil
		}
		return int(n), nil
	}
	if p.collect {
		return min(total, maxFailed), nil
	}
	return 0, nil
}

// drive works through the items of a map. It reports each to the turn and goes on when
// that is durable.
func (t *turn) drive(ctx context.Context, w *work, of *mapped, m workflow.MapState) (node.Result, error) {
	p, err := planOf(w.step, w.call.Config)
	if err != nil {
		return node.Result{}, node.Fatal("invalid_config", err)
	}
	items, m, err := t.list(ctx, w, p, m)
	if err != nil {
		return node.Result{}, err
	}
	if p.most, err = p.tolerates(w.call.Config["max_failures"], m.Total); err != nil {
		return node.Result{}, node.Fatal("invalid_config", err)
	}
	d := &driver{
		t: t, w: w, p: p, m: m, items: items, slots: make(chan struct{}, p.concurrency), moved: make(chan struct{}, 1), crew: &of.crew,
	}
	d.crew.change(func(c *crew) { c.most = p.concurrency })
	if w.call.Attempt > 1 && m.Attempt < w.call.Attempt { // a retry of the map tries the failed ones again, once
		d.m = d.m.Reopen()
		d.m.Attempt = w.call.Attempt
		if !t.ready(ctx, w, d.m, p.every) {
			return node.Result{}, gone(ctx)
		}
	}
	if n := len(d.m.Failed); n > 0 && p.intolerable(n) { // the crash came before the end of the map
		d.fatal = &d.m.Failed[n-1]
		return d.result(ctx)
	}
	return d.run(ctx)
}

// driven is drive. A panic of it fails the attempt, not the server.
func (t *turn) driven(ctx context.Context, w *work, of *mapped, m workflow.MapState) (res node.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = t.panicked(w.step, r)
		}
	}()
	return t.drive(ctx, w, of, m)
}

// panicked tells of a panic, and makes a failure of it.
func (t *turn) panicked(step *workflow.Step, r any) *node.Failure {
	t.e.o.Logger.Error("a node panicked", "workflow_run_id", t.run.ID, "node_id", step.ID, "panic", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
	return node.Fatal("panic", errors.New("the node panicked; see the server's log"))
}

// intolerable reports whether the map fails with so many failed items.
func (p plan) intolerable(failed int) bool { return !p.collect || failed > p.most }

// gone is the error of a map that was stopped.
func gone(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return errStopped
}

// ready reports a map's state and waits until it is durable.
func (t *turn) ready(ctx context.Context, w *work, m workflow.MapState, every int) bool {
	ack := make(chan bool, 1)
	t.inbox <- itemsReady{work: w, state: m, every: every, ack: ack}
	return <-ack && ctx.Err() == nil
}

// list returns the items: those that were kept, or, the first time, those of the
// config, which are kept from then on.
func (t *turn) list(ctx context.Context, w *work, p plan, m workflow.MapState) ([]any, workflow.MapState, error) {
	name := "maps/" + w.id() + ".items.json"
	if m.Items != "" {
		data, err := t.content(ctx, name, m.Items)
		if err != nil {
			return nil, m, node.Fatal("artifact_gone", fmt.Errorf("the list of items cannot be read back: %w", err))
		}
		if sum(data) != m.Sum {
			return nil, m, node.Fatal("artifact_changed", errors.New("the list of items is not the one with which the map began"))
		}
		v, err := decode(data)
		if err != nil {
			return nil, m, node.Fatal("artifact_changed", err)
		}
		items, _ := v.([]any)
		lost := m.Begun
		for _, i := range lost {
			m = m.Finish(i, &workflow.FailedItem{Index: i, Code: codeUnknown, Message: "the server stopped in the middle of it"})
		}
		if !t.ready(ctx, w, m, p.every) {
			return nil, m, gone(ctx)
		}
		return items, m, nil
	}
	items, ok := w.call.Config["items"].([]any)
	if !ok {
		return nil, m, node.Fatal("invalid_config", fmt.Errorf("items is %T, not a list", w.call.Config["items"]))
	}
	if p.batch > 1 {
		var batches []any
		for part := range slices.Chunk(items, p.batch) {
			batches = append(batches, part)
		}
		items = batches
	}
	// The list is kept: it must be the same after a crash.
	switch {
	case w.listed:
		return nil, m, node.Fatal("not_stored", errors.New("its list of items would store what a language model said; name an artifact with save_as, and use that"))
	case t.discloses(items):
		return nil, m, node.Fatal("not_stored", errSecretStored)
	}
	data, err := json.Marshal(items)
	if err != nil {
		return nil, m, node.Fatal("invalid_config", err)
	}
	if len(data) > maxSpilled {
		return nil, m, node.Fatal("items_too_large", fmt.Errorf("the items take %d bytes, and at most %d MiB can be kept", len(data), maxSpilled>>20))
	}
	a, err := t.h.Artifact(ctx, name, "application/json", bytes.NewReader(data))
	if err != nil {
		return nil, m, stored(err)
	}
	m = workflow.MapState{Items: a.ID, Sum: sum(data), Total: len(items), Attempt: w.call.Attempt, Above: []int{}, Failed: []workflow.FailedItem{}}
	if !t.ready(ctx, w, m, p.every) {
		return nil, m, gone(ctx)
	}
	return items, m, nil
}

// stored is the failure of a node whose artifact could not be kept.
func stored(err error) error {
	v := task.VerdictOf(task.Unstored(err))
	return node.Fail(v.Code, "", err)
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
