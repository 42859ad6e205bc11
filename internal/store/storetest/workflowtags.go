package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

func newTag(name, tag string, version int) store.TagWorkflow {
	p := store.TagWorkflow{Tenant: tenant, ID: name, Tag: tag, Version: version, By: "tester", At: base.Add(time.Minute)}
	action := audit.WorkflowTagged
	if version == 0 {
		action = audit.WorkflowUntagged
	}
	p.Audit = &audit.Entry{Tenant: tenant, At: p.At, Action: action, Object: name, Actor: audit.Actor{Name: "tester"}, Detail: map[string]string{"tag": tag}}
	return p
}

func setTag(t testing.TB, s store.Store, p store.TagWorkflow) store.TaggedWorkflow {
	t.Helper()
	got, err := s.Workflows.Tag(t.Context(), p)
	if err != nil {
		t.Fatalf("tag %s: %v", p.Tag, err)
	}
	return got
}

// tagsOfVersions is what the list says, and what reading each version says.
func tagsOfVersions(t testing.TB, s store.Store, name string) map[int][]string {
	t.Helper()
	page, err := s.Workflows.Versions(t.Context(), store.ListWorkflowVersions{Tenant: tenant, ID: name, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	out := map[int][]string{}
	for _, v := range page.Versions {
		one, err := s.Workflows.Version(t.Context(), tenant, name, v.Version)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("tags of version ", v.Version), v.Tags, one.Tags)
		if v.Tags != nil {
			out[v.Version] = v.Tags
		}
	}
	return out
}

func workflowTags(t *testing.T, s store.Store) {
	ctx := t.Context()
	apply(t, s, newApply("w", "one"))
	second := apply(t, s, newApply("w", "two"))
	apply(t, s, newApply("other", "one"))
	setTag(t, s, newTag("other", "stable", 1))

	got := setTag(t, s, newTag("w", "stable", 1))
	if got.From != 0 || got.Workflow.Revision != second.Workflow.Revision+1 || !got.Workflow.UpdatedAt.Equal(base.Add(time.Minute)) {
		t.Errorf("a new tag: %+v", got)
	}
	setTag(t, s, newTag("w", "2026-q1", 1))
	same(t, "two tags of one version", map[int][]string{1: {"2026-q1", "stable"}}, tagsOfVersions(t, s, "w"))
	revision := workflowOf(t, s, "w").Revision
	if got := setTag(t, s, newTag("w", "stable", 1)); got.From != 1 || got.Workflow.Revision != revision {
		t.Errorf("naming what it names: %+v", got)
	}
	if got := setTag(t, s, newTag("w", "stable", 2)); got.From != 1 {
		t.Errorf("moving it: %+v", got)
	}
	same(t, "moved", map[int][]string{1: {"2026-q1"}, 2: {"stable"}}, tagsOfVersions(t, s, "w"))
	if n, err := s.Workflows.Tagged(ctx, tenant, "w", "stable"); err != nil || n != 2 {
		t.Errorf("stable names %d, %v", n, err)
	}
	if w := workflowOf(t, s, "w"); w.Active != 2 || w.NewestHash != second.Workflow.NewestHash {
		t.Errorf("tags changed the workflow: %+v", w)
	}

	p := newTag("w", "stable", 0)
	p.IfRevision = 1
	_, err := s.Workflows.Tag(ctx, p)
	wantCode(t, err, fault.VersionMismatch)
	if got := setTag(t, s, newTag("w", "stable", 0)); got.From != 2 {
		t.Errorf("taking it away: %+v", got)
	}
	_, err = s.Workflows.Tagged(ctx, tenant, "w", "stable")
	wantCode(t, err, fault.VersionNotFound)
	_, err = s.Workflows.Tag(ctx, newTag("w", "stable", 0))
	wantCode(t, err, fault.NotFound)
	for _, n := range []int{-1, 3} {
		_, err = s.Workflows.Tag(ctx, newTag("w", "x", n))
		wantCode(t, err, fault.VersionNotFound)
	}
	_, err = s.Workflows.Tag(ctx, newTag("none", "x", 1))
	wantCode(t, err, fault.NotFound)
	foreign := newTag("w", "x", 1)
	foreign.Tenant = "someone-else"
	_, err = s.Workflows.Tag(ctx, foreign)
	wantCode(t, err, fault.NotFound)
	_, err = s.Workflows.Tagged(ctx, "someone-else", "w", "2026-q1")
	wantCode(t, err, fault.NotFound)

	tagsAreTold(t, s)
	if _, err := s.Workflows.Archive(ctx, store.ArchiveWorkflow{Tenant: tenant, ID: "w", At: base}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Workflows.Tag(ctx, newTag("w", "late", 1))
	wantCode(t, err, fault.WorkflowArchived)
	setTag(t, s, newTag("w", "2026-q1", 0))
	same(t, "of the other workflow", map[int][]string{1: {"stable"}}, tagsOfVersions(t, s, "other"))
}

// tagsAreTold looks at what workflowTags left in the audit record and the log of events.
func tagsAreTold(t *testing.T, s store.Store) {
	t.Helper()
	ctx := t.Context()
	page, err := s.Audit.List(ctx, store.ListAudit{Tenant: tenant, Limit: 20})
	if err != nil {
		t.Fatal(err)
	}
	var moves []string
	for _, e := range page.Entries {
		if e.Object == "w" {
			moves = append(moves, string(e.Action)+" "+e.Detail["tag"]+" from "+e.Detail["from_version"])
		}
	}
	slices.Sort(moves)
	same(t, "audit: one entry for each change", []string{
		"workflow.tag 2026-q1 from 0", "workflow.tag stable from 0", "workflow.tag stable from 1", "workflow.untag stable from 2",
	}, moves)
	evs, err := s.Events.Since(ctx, tenant, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range evs {
		if (e.Type == event.WorkflowTagged || e.Type == event.WorkflowUntagged) && e.Data["workflow_id"] == "w" {
			told = append(told, fmt.Sprint(e.Type, " ", e.Data["tag"], " ", e.Data["from_version"], ">", e.Data["version"]))
		}
	}
	same(t, "events", []string{"workflow.tagged stable >1", "workflow.tagged 2026-q1 >1", "workflow.tagged stable 1>2", "workflow.untagged stable 2>"}, told)
}

func workflowTagBounds(t *testing.T, s store.Store) {
	apply(t, s, newApply("w", "one"))
	apply(t, s, newApply("w", "two"))
	for i := range store.MaxTags {
		setTag(t, s, newTag("w", fmt.Sprint("t", i), 1))
	}
	_, err := s.Workflows.Tag(t.Context(), newTag("w", "more", 1))
	wantCode(t, err, fault.TooManyTags)
	setTag(t, s, newTag("w", "t0", 2)) // moving is no more
	setTag(t, s, newTag("w", "t0", 0))
	setTag(t, s, newTag("w", "more", 1))
}

// workflowTagRace: of several who move a tag at once, each sees where the one before
// him put it.
func workflowTagRace(t *testing.T, s store.Store) {
	const many = 8
	for i := range many {
		apply(t, s, newApply("w", fmt.Sprint(i)))
	}
	froms := make([]int, many)
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			got, err := s.Workflows.Tag(t.Context(), newTag("w", "stable", i+1))
			if err != nil {
				t.Error(err)
			}
			froms[i] = got.From
		})
	}
	wg.Wait()
	last, err := s.Workflows.Tagged(t.Context(), tenant, "w", "stable")
	if err != nil {
		t.Fatal(err)
	}
	// Each version was left by exactly one, but for the last.
	left := append(slices.Clone(froms), last)
	slices.Sort(left)
	same(t, "versions that were left, and the last", []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, left)
}
