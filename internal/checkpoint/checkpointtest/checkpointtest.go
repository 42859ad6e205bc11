// Package checkpointtest says what tiers of checkpoints do, whatever they consist
// of. Run is the suite; Database is the truth that it changes.
package checkpointtest

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/checkpoint"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Database holds checkpoints in memory. It implements checkpoint.Runs and
// checkpoint.Log, and is safe
// for concurrent use.
type Database struct {
	mu    sync.Mutex
	steps map[string][]checkpoint.Snapshot // by run, oldest first
	reads int
}

// Commit makes a step the newest one of its run.
func (d *Database) Commit(s checkpoint.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.steps == nil {
		d.steps = map[string][]checkpoint.Snapshot{}
	}
	s.State = s.State.Clone()
	for id := range s.Ephemeral {
		delete(s.State.Outputs, id)
	}
	d.steps[s.RunID] = append(d.steps[s.RunID], s)
}

// Replace puts another database in the place of a run's: a backup was restored.
func (d *Database) Replace(runID string, steps ...checkpoint.Snapshot) {
	d.mu.Lock()
	delete(d.steps, runID)
	d.mu.Unlock()
	for _, s := range steps {
		d.Commit(s)
	}
}

// Reads is how many states were read.
func (d *Database) Reads() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reads
}

func (d *Database) of(tenant, runID string) []checkpoint.Snapshot {
	if all := d.steps[runID]; len(all) > 0 && all[0].Tenant == tenant {
		return all
	}
	return nil
}

// Run implements checkpoint.Runs.
func (d *Database) Run(_ context.Context, tenant, id string) (store.WorkflowRun, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.of(tenant, id)
	if len(all) == 0 {
		return store.WorkflowRun{}, fault.New(fault.NotFound, "no such run")
	}
	s := all[len(all)-1]
	return store.WorkflowRun{ID: id, Tenant: tenant, WorkflowID: s.WorkflowID, Version: s.Version, Seq: s.Seq, Epoch: s.Epoch, State: s.State.Clone()}, nil
}

// Checkpoints implements checkpoint.Log.
func (d *Database) Checkpoints(_ context.Context, p store.ListCheckpoints) (store.CheckpointPage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var page store.CheckpointPage
	all := d.of(p.Tenant, p.RunID)
	for _, a := range slices.Backward(all) {
		if p.BeforeSeq > 0 && a.Seq >= p.BeforeSeq {
			continue
		}
		if len(page.Checkpoints) == p.Limit {
			page.More = true
			break
		}
		c := row(a)
		c.State = workflow.State{}
		page.Checkpoints = append(page.Checkpoints, c)
	}
	return page, nil
}

// Checkpoint implements checkpoint.Log.
func (d *Database) Checkpoint(_ context.Context, tenant, runID, id string) (store.WorkflowCheckpoint, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.of(tenant, runID)
	for _, a := range slices.Backward(all) {
		if id == "" || a.ID == id {
			d.reads++
			return row(a), nil
		}
	}
	return store.WorkflowCheckpoint{}, fault.New(fault.NotFound, "no such checkpoint")
}

func row(s checkpoint.Snapshot) store.WorkflowCheckpoint {
	return store.WorkflowCheckpoint{ID: s.ID, RunID: s.RunID, NodeID: s.NodeID, Seq: s.Seq, Epoch: s.Epoch, At: s.At, State: s.State.Clone()}
}

// Snapshot is the step with the given number of a run that maps over 1,000 items.
func Snapshot(runID string, seq int64) checkpoint.Snapshot {
	st := workflow.Begin()
	at := time.UnixMilli(1_770_000_000_000 + seq).UTC()
	st.Nodes["extract"] = workflow.NodeState{Status: workflow.NodeCompleted, Attempt: 1, Outcome: "success", Order: 1, EndedAt: at}
	st.Nodes["load_all"] = workflow.NodeState{Status: workflow.NodeRunning, Attempt: 1, StartedAt: at}
	st.Outputs["extract"] = map[string]any{"count": int64(1000), "ratio": 0.5, "items_ref": "art_01jh0000000000000000000000"}
	st.Context["processed_items"] = seq
	st.Maps = map[string]workflow.MapState{"load_all": {
		Items: "art_01jh0000000000000000000000", Sum: "9f2c", Total: 1000, Next: int(seq), Above: []int{int(seq) + 3}, Failed: []workflow.FailedItem{{Index: 1, Code: "http_422"}},
	}}
	st.Completed = 1
	return checkpoint.Snapshot{
		ID: "ckpt_" + strconv.FormatInt(seq, 10), Tenant: "default", RunID: runID, WorkflowID: "etl_customers", Version: 3, NodeID: "load_all",
		Seq: seq, Epoch: 7, At: at, State: st,
	}
}

// Same fails the test unless got is the given step, with the whole state.
func Same(t testing.TB, got, want checkpoint.Snapshot) {
	t.Helper()
	n, m := got.State.Context["processed_items"], want.State.Context["processed_items"]
	if got.ID != want.ID || got.Seq != want.Seq || got.Epoch != want.Epoch || got.NodeID != want.NodeID || got.WorkflowID != want.WorkflowID ||
		got.Version != want.Version || !got.At.Equal(want.At) || n != m || got.State.Phase != want.State.Phase ||
		got.State.Status("load_all") != want.State.Status("load_all") || got.State.Outputs["extract"]["count"] != want.State.Outputs["extract"]["count"] ||
		got.State.Outputs["extract"]["ratio"] != want.State.Outputs["extract"]["ratio"] || got.State.Maps["load_all"].Next != want.State.Maps["load_all"].Next {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Run is the suite.
func Run(t *testing.T, open Opener) {
	t.Run("the newest counts", func(t *testing.T) { newest(t, open) })
	t.Run("the database decides", func(t *testing.T) { decides(t, open) })
	t.Run("what is unknown", func(t *testing.T) { unknown(t, open) })
	t.Run("as the engine tells", func(t *testing.T) { told(t, open) })
	t.Run("a copy", func(t *testing.T) { copied(t, open) })
}

// Opener returns tiers over a database, and what waits until they have written what
// they were told.
type Opener func(t *testing.T, d *Database) (tiers *checkpoint.Tiers, settle func())

func (open Opener) setup(t *testing.T) (*Database, *checkpoint.Tiers, func()) {
	t.Parallel()
	d := &Database{}
	tiers, settle := open(t, d)
	return d, tiers, settle
}

func newest(t *testing.T, open Opener) {
	d, tiers, settle := open.setup(t)
	for seq := int64(1); seq <= 20; seq++ {
		s := Snapshot("wfrun_a", seq)
		d.Commit(s)
		tiers.Save(s)
	}
	tiers.Save(Snapshot("wfrun_a", 5)) // late
	settle()
	got, source, err := tiers.Latest(t.Context(), "default", "wfrun_a")
	if err != nil || source == checkpoint.FromDatabase {
		t.Fatalf("%s, %v", source, err)
	}
	Same(t, got, Snapshot("wfrun_a", 20))
	got, _, err = tiers.ByID(t.Context(), "default", "wfrun_a", "ckpt_7")
	if err != nil {
		t.Fatal(err)
	}
	Same(t, got, Snapshot("wfrun_a", 7))
}

func decides(t *testing.T, open Opener) {
	d, tiers, settle := open.setup(t)
	s := Snapshot("wfrun_b", 9)
	d.Commit(s)
	tiers.Save(s)
	settle()
	other := s // the same step by another attempt, after a backup was restored
	other.Epoch, other.NodeID = 8, "other"
	d.Replace("wfrun_b", other)
	for name, read := range map[string]func() (checkpoint.Snapshot, string, error){
		"latest": func() (checkpoint.Snapshot, string, error) { return tiers.Latest(t.Context(), "default", "wfrun_b") },
		"by id": func() (checkpoint.Snapshot, string, error) {
			return tiers.ByID(t.Context(), "default", "wfrun_b", s.ID)
		},
	} {
		if got, source, err := read(); err != nil || source != checkpoint.FromDatabase || got.NodeID != "other" {
			t.Errorf("%s: %+v, %s, %v", name, got, source, err)
		}
	}
	d.Commit(Snapshot("wfrun_b", 10)) // by another instance
	if got, _, err := tiers.Latest(t.Context(), "default", "wfrun_b"); err != nil || got.Seq != 10 {
		t.Errorf("%d, %v", got.Seq, err)
	}
	d.Replace("wfrun_b", Snapshot("wfrun_b", 3)) // goes back
	if got, _, err := tiers.Latest(t.Context(), "default", "wfrun_b"); err != nil || got.Seq != 3 {
		t.Errorf("%d, %v", got.Seq, err)
	}
}

func unknown(t *testing.T, open Opener) {
	d, tiers, settle := open.setup(t)
	s := Snapshot("wfrun_c", 1)
	d.Commit(s)
	tiers.Save(s)
	settle()
	for name, read := range map[string]func() (checkpoint.Snapshot, string, error){
		"run":           func() (checkpoint.Snapshot, string, error) { return tiers.Latest(t.Context(), "default", "wfrun_x") },
		"tenant":        func() (checkpoint.Snapshot, string, error) { return tiers.Latest(t.Context(), "other", "wfrun_c") },
		"tenant, by id": func() (checkpoint.Snapshot, string, error) { return tiers.ByID(t.Context(), "other", "wfrun_c", s.ID) },
		"id": func() (checkpoint.Snapshot, string, error) {
			return tiers.ByID(t.Context(), "default", "wfrun_c", "ckpt_x")
		},
	} {
		if _, _, err := read(); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func told(t *testing.T, open Opener) {
	d, tiers, settle := open.setup(t)
	s := Snapshot("wfrun_e", 4)
	s.NodeID = ""
	d.Commit(s)
	tiers.Saved(store.WorkflowRun{
		ID: s.RunID, Tenant: s.Tenant, WorkflowID: s.WorkflowID, Version: s.Version, Seq: s.Seq, Epoch: s.Epoch, UpdatedAt: s.At, State: s.State,
	}, s.ID)
	settle()
	got, source, err := tiers.Latest(t.Context(), "default", "wfrun_e")
	if err != nil || source == checkpoint.FromDatabase {
		t.Fatalf("%s, %v", source, err)
	}
	Same(t, got, s)
}

func copied(t *testing.T, open Opener) {
	d, tiers, settle := open.setup(t)
	s := Snapshot("wfrun_d", 1)
	s.State.Outputs["story"] = map[string]any{"text": "nobody else may see this"}
	s.Ephemeral = map[string]bool{"story": true}
	d.Commit(s)
	tiers.Save(s)
	s.State.Context["processed_items"] = int64(99) // the run goes on
	settle()
	for range 2 {
		got, _, err := tiers.Latest(t.Context(), "default", "wfrun_d")
		if err != nil || got.State.Outputs["story"] != nil || got.State.Context["processed_items"] != int64(1) {
			t.Fatalf("%+v, %v", got, err)
		}
		got.State.Context["processed_items"] = int64(98) // the reader does what it likes
	}
}
