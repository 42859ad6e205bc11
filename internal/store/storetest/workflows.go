package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func workflowChecks() []check {
	return []check{
		{"Workflows/KeepEveryField", workflowFields},
		{"Workflows/EqualContentIsNoNewVersion", workflowEqual},
		{"Workflows/ApplyRaces", workflowApplyRace},
		{"Workflows/DraftsAreNotActive", workflowDrafts},
		{"Workflows/RollbackAddsToTheLog", workflowRollback},
		{"Workflows/GuardStopsALoop", workflowGuard},
		{"Workflows/ActivateRaces", workflowActivateRace},
		{"Workflows/ListFiltersAndPages", workflowList},
		{"Workflows/ArchiveAndBack", workflowArchive},
		{"Workflows/OtherTenantSeesNothing", workflowOtherTenant},
		{"Workflows/TagsNameVersions", workflowTags},
		{"Workflows/TagsAreBounded", workflowTagBounds},
		{"Workflows/TagRaces", workflowTagRace},
		{"Workflows/KeyAndAuditAreOneWithTheChange", workflowKeys},
	}
}

func newApply(name, content string) store.ApplyWorkflow {
	return store.ApplyWorkflow{
		Tenant: tenant, ID: name, Name: "The " + name, VersionID: id.New(id.Workflow, base), By: "tester", At: base, Activate: true,
		Definition: json.RawMessage(`{"workflow_id":"` + name + `","n":"` + content + `"}`), Hash: "hash of " + content,
	}
}

func apply(t testing.TB, s store.Store, p store.ApplyWorkflow) store.AppliedWorkflow {
	t.Helper()
	got, err := s.Workflows.Apply(t.Context(), p)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return got
}

func workflowOf(t testing.TB, s store.Store, name string) store.Workflow {
	t.Helper()
	w, err := s.Workflows.Workflow(t.Context(), tenant, name)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func workflowFields(t *testing.T, s store.Store) {
	p := newApply("etl", "one")
	p.Name, p.Description, p.Labels, p.Message = `Täglich "x" \ 🚀`, "d\n\u2028", map[string]string{"team": `a "b"`}, "first\nline"
	got := apply(t, s, p)
	want := store.Workflow{
		Tenant: tenant, ID: "etl", Name: p.Name, Description: p.Description, Labels: p.Labels, Newest: 1, Active: 1,
		NewestHash: p.Hash, ActiveHash: p.Hash, Revision: 1, CreatedBy: "tester", CreatedAt: base, UpdatedAt: base,
	}
	version := store.WorkflowVersion{
		VersionID: p.VersionID, Tenant: tenant, WorkflowID: "etl", Version: 1, Hash: p.Hash, CreatedBy: "tester", CreatedAt: base, Message: p.Message, Active: true,
	}
	same(t, "applied", store.AppliedWorkflow{Workflow: want, Version: version, Created: true, Activated: true}, got)
	same(t, "read", want, workflowOf(t, s, "etl"))
	version.Definition = p.Definition
	for _, n := range []int{0, 1} {
		v, err := s.Workflows.Version(t.Context(), tenant, "etl", n)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("version ", n), version, v)
	}
	_, err := s.Workflows.Version(t.Context(), tenant, "etl", 2)
	wantCode(t, err, fault.VersionNotFound)
	_, err = s.Workflows.Version(t.Context(), tenant, "other", 0)
	wantCode(t, err, fault.NotFound)
	_, err = s.Workflows.Workflow(t.Context(), tenant, "other")
	wantCode(t, err, fault.NotFound)
	page, err := s.Workflows.Activations(t.Context(), store.ListActivations{Tenant: tenant, ID: "etl", Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "log", []store.WorkflowActivation{{
		Tenant: tenant, WorkflowID: "etl", Seq: 1, Version: 1, Source: store.ActivatedByApply, By: "tester", At: base, Reason: p.Message,
	}}, page.Activations)
}

func workflowEqual(t *testing.T, s store.Store) {
	apply(t, s, newApply("w", "one"))
	again := newApply("w", "one")
	again.At, again.Message = base.Add(time.Hour), "nothing new"
	got := apply(t, s, again)
	if got.Created || got.Activated || got.Version.Version != 1 || got.Version.Message != "" || got.Workflow.Revision != 1 {
		t.Errorf("an equal definition made %+v", got)
	}
	if got := apply(t, s, newApply("w", "two")); !got.Created || got.Version.Version != 2 || got.From != 1 {
		t.Errorf("another definition made %+v", got)
	}
	if got := apply(t, s, newApply("w", "one")); !got.Created || got.Version.Version != 3 {
		t.Errorf("the content of an older version made %+v, want version 3", got)
	}
	var all []int
	for below := 0; ; {
		page, err := s.Workflows.Versions(t.Context(), store.ListWorkflowVersions{Tenant: tenant, ID: "w", Below: below, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			all, below = append(all, v.Version), v.Version
			if v.Definition != nil || v.Active != (v.Version == 3) {
				t.Errorf("in the list: %+v", v)
			}
		}
		if !page.More {
			break
		}
	}
	same(t, "versions", []int{3, 2, 1}, all)
	stale := newApply("w", "four")
	stale.IfRevision = 1
	_, err := s.Workflows.Apply(t.Context(), stale)
	wantCode(t, err, fault.VersionMismatch)
	stale.ID = "new"
	_, err = s.Workflows.Apply(t.Context(), stale)
	wantCode(t, err, fault.VersionMismatch)
	_, err = s.Workflows.Workflow(t.Context(), tenant, "new")
	wantCode(t, err, fault.NotFound)
}

// workflowApplyRace: each definition gets a number, equal ones share it.
func workflowApplyRace(t *testing.T, s store.Store) {
	const writers = 12
	var mu sync.Mutex
	var numbers []int
	together(writers, func(i int) {
		p := newApply("w", fmt.Sprint("content ", i))
		got, err := s.Workflows.Apply(t.Context(), p)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || !got.Created || got.Version.Hash != p.Hash {
			t.Errorf("apply: %+v, %v", got, err)
		}
		numbers = append(numbers, got.Version.Version)
	})
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != i+1 {
			t.Fatalf("versions are %v", numbers)
		}
	}
	created := 0
	together(writers, func(int) {
		got, err := s.Workflows.Apply(t.Context(), newApply("w", "the same"))
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Error(err)
		}
		if got.Created {
			created++
		}
	})
	if w := workflowOf(t, s, "w"); created != 1 || w.Newest != writers+1 || w.Active != w.Newest {
		t.Errorf("%d of equal definitions were new, %+v", created, w)
	}
	page, err := s.Workflows.Activations(t.Context(), store.ListActivations{Tenant: tenant, ID: "w", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(page.Activations)
	from := 0
	for i, a := range page.Activations {
		if a.Seq != i+1 || a.From != from {
			t.Errorf("line %d of the log: %+v, want from %d", i+1, a, from)
		}
		from = a.Version
	}
	if len(page.Activations) != writers+1 {
		t.Errorf("%d lines in the log", len(page.Activations))
	}
}

func workflowDrafts(t *testing.T, s store.Store) {
	draft := newApply("w", "one")
	draft.Activate = false
	if got := apply(t, s, draft); !got.Created || got.Activated || got.Workflow.Active != 0 || got.Workflow.Name != draft.Name {
		t.Errorf("a draft: %+v", got)
	}
	_, err := s.Workflows.Version(t.Context(), tenant, "w", 0)
	wantCode(t, err, fault.NoActiveVersion)
	if got := apply(t, s, newApply("w", "one")); got.Created || !got.Activated || got.Workflow.Active != 1 {
		t.Errorf("the draft, applied again to be active: %+v", got)
	}
	draft = newApply("w", "two")
	draft.Activate, draft.Name = false, "Renamed"
	apply(t, s, draft)
	if w := workflowOf(t, s, "w"); w.Name != "The w" || w.Newest != 2 || w.Active != 1 || w.NewestHash == w.ActiveHash {
		t.Errorf("with a draft: %+v", w)
	}
	moved, err := s.Workflows.Activate(t.Context(), store.ActivateWorkflow{Tenant: tenant, ID: "w", Version: 2, Source: store.ActivatedByPerson, By: "p", At: base})
	if err != nil || !moved.Moved || moved.From != 1 || moved.Workflow.Name != "Renamed" || moved.Workflow.ActiveHash != draft.Hash {
		t.Errorf("activated: %+v, %v", moved, err)
	}
	same(t, "read", moved.Workflow, workflowOf(t, s, "w"))
}

func workflowRollback(t *testing.T, s store.Store) {
	for _, c := range []string{"one", "two", "three"} {
		apply(t, s, newApply("w", c))
	}
	back := store.ActivateWorkflow{Tenant: tenant, ID: "w", Version: 2, Source: store.ActivatedByRollback, By: "p", Reason: "it\nfails", At: base.Add(time.Hour)}
	moved, err := s.Workflows.Activate(t.Context(), back)
	if err != nil || !moved.Moved || moved.From != 3 || moved.Workflow.Active != 2 || moved.Workflow.Newest != 3 {
		t.Fatalf("rolled back: %+v, %v", moved, err)
	}
	if moved, err = s.Workflows.Activate(t.Context(), back); err != nil || moved.Moved || moved.From != 2 {
		t.Errorf("once more: %+v, %v", moved, err)
	}
	page, err := s.Workflows.Activations(t.Context(), store.ListActivations{Tenant: tenant, ID: "w", Limit: 2})
	if err != nil || !page.More {
		t.Fatalf("log: %+v, %v", page, err)
	}
	same(t, "latest line", store.WorkflowActivation{
		Tenant: tenant, WorkflowID: "w", Seq: 4, Version: 2, From: 3, Source: store.ActivatedByRollback, By: "p", At: back.At, Reason: back.Reason,
	}, page.Activations[0])
	if page, err = s.Workflows.Activations(t.Context(), store.ListActivations{Tenant: tenant, ID: "w", Below: page.Activations[1].Seq, Limit: 2}); err != nil || page.More || len(page.Activations) != 2 {
		t.Errorf("second page: %+v, %v", page, err)
	}
	for version, code := range map[int]fault.Code{4: fault.VersionNotFound, 0: fault.VersionNotFound, -1: fault.VersionNotFound} {
		back.Version = version
		_, err = s.Workflows.Activate(t.Context(), back)
		wantCode(t, err, code)
	}
	back.Version = 3 // forward
	_, err = s.Workflows.Activate(t.Context(), back)
	wantCode(t, err, fault.Conflict)
	if w := workflowOf(t, s, "w"); w.Active != 2 {
		t.Errorf("active is %d", w.Active)
	}
	back.Version, back.IfRevision = 1, 1
	_, err = s.Workflows.Activate(t.Context(), back)
	wantCode(t, err, fault.VersionMismatch)
	back.ID, back.IfRevision = "other", 0
	_, err = s.Workflows.Activate(t.Context(), back)
	wantCode(t, err, fault.NotFound)
}

func workflowGuard(t *testing.T, s store.Store) {
	for _, c := range []string{"one", "two", "three"} {
		apply(t, s, newApply("w", c))
	}
	node := func(version int, after time.Duration) error {
		_, err := s.Workflows.Activate(t.Context(), store.ActivateWorkflow{
			Tenant: tenant, ID: "w", Version: version, Source: store.ActivatedByNode, By: "run", At: base.Add(after), Guard: time.Hour,
		})
		return err
	}
	if err := node(2, 0); err != nil {
		t.Fatal(err)
	}
	wantCode(t, node(1, 59*time.Minute), fault.RollbackLoop)
	if w := workflowOf(t, s, "w"); w.Active != 2 {
		t.Errorf("active is %d", w.Active)
	}
	if err := node(1, time.Hour); err != nil {
		t.Error(err)
	}
}

func workflowActivateRace(t *testing.T, s store.Store) {
	apply(t, s, newApply("w", "one"))
	apply(t, s, newApply("w", "two"))
	var mu sync.Mutex
	moved := 0
	together(8, func(int) {
		m, err := s.Workflows.Activate(t.Context(), store.ActivateWorkflow{Tenant: tenant, ID: "w", Version: 1, Source: store.ActivatedByRollback, By: "p", At: base})
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Error(err)
		}
		if m.Moved {
			moved++
		}
	})
	if w := workflowOf(t, s, "w"); moved != 1 || w.Active != 1 {
		t.Errorf("moved %d times, %+v", moved, w)
	}
}

func workflowList(t *testing.T, s store.Store) {
	for _, name := range []string{"b", "a", "c-ärger"} {
		p := newApply("w", name)
		p.ID, p.Name, p.Labels = "w-"+name[:1], "Über "+name, map[string]string{"n": name}
		apply(t, s, p)
	}
	if _, err := s.Workflows.Archive(t.Context(), store.ArchiveWorkflow{Tenant: tenant, ID: "w-b", At: base}); err != nil {
		t.Fatal(err)
	}
	yes := true
	for name, x := range map[string]struct {
		p    store.ListWorkflows
		want []string
		more bool
	}{
		"all":      {store.ListWorkflows{}, []string{"w-a", "w-c"}, false},
		"first":    {store.ListWorkflows{Limit: 1}, []string{"w-a"}, true},
		"behind":   {store.ListWorkflows{AfterID: "w-a"}, []string{"w-c"}, false},
		"archived": {store.ListWorkflows{Archived: &yes}, []string{"w-b"}, false},
		"text":     {store.ListWorkflows{Text: "ÜBER C"}, []string{"w-c"}, false},
		"id":       {store.ListWorkflows{Text: "W-A"}, []string{"w-a"}, false},
		"label":    {store.ListWorkflows{Labels: map[string]string{"n": "a"}}, []string{"w-a"}, false},
		"nothing":  {store.ListWorkflows{Text: "%"}, nil, false},
	} {
		x.p.Tenant = tenant
		if x.p.Limit == 0 {
			x.p.Limit = 10
		}
		page, err := s.Workflows.List(t.Context(), x.p)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range page.Workflows {
			got = append(got, w.ID)
		}
		if !slices.Equal(got, x.want) || page.More != x.more {
			t.Errorf("%s: %v, more %v", name, got, page.More)
		}
	}
}

func workflowArchive(t *testing.T, s store.Store) {
	one := apply(t, s, newApply("w", "one"))
	gone := store.ArchiveWorkflow{Tenant: tenant, ID: "w", At: base.Add(time.Hour)}
	w, err := s.Workflows.Archive(t.Context(), gone)
	if err != nil || !w.ArchivedAt.Equal(gone.At) || w.Revision != 2 {
		t.Fatalf("archived: %+v, %v", w, err)
	}
	if w, err = s.Workflows.Archive(t.Context(), gone); err != nil || w.Revision != 2 {
		t.Errorf("twice: %+v, %v", w, err)
	}
	v, err := s.Workflows.Version(t.Context(), tenant, "w", 1)
	if err != nil || !v.Archived {
		t.Errorf("its version: %+v, %v", v, err)
	}
	back := apply(t, s, newApply("w", "one"))
	if back.Created || !back.Workflow.ArchivedAt.IsZero() || back.Version.VersionID != one.Version.VersionID || back.Workflow.Revision != 3 {
		t.Errorf("applied again: %+v", back)
	}
	gone.IfRevision = 1
	_, err = s.Workflows.Archive(t.Context(), gone)
	wantCode(t, err, fault.VersionMismatch)
	gone.ID = "other"
	_, err = s.Workflows.Archive(t.Context(), gone)
	wantCode(t, err, fault.NotFound)
}

func workflowOtherTenant(t *testing.T, s store.Store) {
	apply(t, s, newApply("w", "one"))
	other := addTenant(t, s, "other").ID
	_, err := s.Workflows.Workflow(t.Context(), other, "w")
	wantCode(t, err, fault.NotFound)
	_, err = s.Workflows.Version(t.Context(), other, "w", 1)
	wantCode(t, err, fault.NotFound)
	_, err = s.Workflows.Versions(t.Context(), store.ListWorkflowVersions{Tenant: other, ID: "w", Limit: 1})
	wantCode(t, err, fault.NotFound)
	_, err = s.Workflows.Activations(t.Context(), store.ListActivations{Tenant: other, ID: "w", Limit: 1})
	wantCode(t, err, fault.NotFound)
	_, err = s.Workflows.Archive(t.Context(), store.ArchiveWorkflow{Tenant: other, ID: "w", At: base})
	wantCode(t, err, fault.NotFound)
	theirs := newApply("w", "theirs")
	theirs.Tenant = other
	if got := apply(t, s, theirs); got.Version.Version != 1 {
		t.Errorf("the same slug of another tenant: %+v", got)
	}
	if w := workflowOf(t, s, "w"); w.Newest != 1 || w.NewestHash != "hash of one" {
		t.Errorf("ours is %+v", w)
	}
}

func workflowKeys(t *testing.T, s store.Store) {
	keyed := func(p store.ApplyWorkflow, text string) store.ApplyWorkflow {
		p.Key = key(text)
		p.Key.Render = func(result any) (store.Reply, error) {
			made, ok := result.(store.AppliedWorkflow)
			if !ok {
				t.Errorf("rendered a %T", result)
			}
			return store.Reply{Status: 201, Body: []byte(fmt.Sprint(made.Version.Version))}, nil
		}
		p.Audit = &audit.Entry{Tenant: tenant, At: base, Action: audit.WorkflowApplied, Object: p.ID, Actor: audit.Actor{Name: "tester"}}
		return p
	}
	apply(t, s, keyed(newApply("w", "one"), "k"))
	_, err := s.Workflows.Apply(t.Context(), keyed(newApply("w", "two"), "k"))
	if r, ok := isReplay(err); !ok || string(r.Body) != "1" {
		t.Errorf("the repetition got %v, %v", r, err)
	}
	apply(t, s, keyed(newApply("w", "one"), "k2")) // changes nothing
	apply(t, s, keyed(newApply("w", "two"), "k3"))
	page, err := s.Audit.List(t.Context(), store.ListAudit{Tenant: tenant, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, e := range page.Entries {
		versions = append(versions, e.Detail["version"])
	}
	slices.Sort(versions)
	same(t, "entries: one for each change", []string{"1", "2"}, versions)
}
