package approval_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	domain "github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/approval"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/workflow"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

type bench struct {
	t      *testing.T
	clock  *clocktest.Manual
	store  store.Store
	node   approval.Approval
	config map[string]any
	edges  []workflow.Edge
	rounds int // of the run
}

func setup(t *testing.T, config map[string]any) *bench {
	t.Helper()
	c := clocktest.New(noon)
	s, err := sqlite.OpenMemory(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{t: t, clock: c, store: s, node: approval.New(s.Approvals, c), config: config}
}

func (b *bench) call() node.Call {
	c := nodetest.Call(&nodetest.Host{}, noon, b.config)
	c.Rewinds, c.Step.Out = b.rounds, b.edges
	return c
}

// waits is the wait with which an attempt must have ended.
func (b *bench) waits(r node.Result, err error) workflow.Wait {
	b.t.Helper()
	w, ok := errors.AsType[*node.Waiting](err)
	if !ok || w.Wait.For != workflow.WaitApproval {
		b.t.Fatalf("it does not wait: %+v, %v", r, err)
	}
	return w.Wait
}

func (b *bench) run() workflow.Wait {
	b.t.Helper()
	return b.waits(b.node.Run(b.t.Context(), b.call()))
}

func (b *bench) resume(w workflow.Wait, timedOut bool) (node.Result, error) {
	return b.node.Resume(b.t.Context(), b.call(), node.Woke{For: w.For, Wait: w, TimedOut: timedOut})
}

func (b *bench) read(id string) domain.Request {
	b.t.Helper()
	r, err := b.store.Approvals.Approval(b.t.Context(), "default", id)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) decide(id, by string, yes bool, form string) error {
	b.t.Helper()
	_, err := b.store.Approvals.Decide(b.t.Context(), store.DecideApproval{
		Tenant: "default", ID: id, Approve: yes, By: domain.Person{Name: by}, Roles: []string{"approver"}, Comment: "c", ContentHash: b.read(id).ContentHash, Form: []byte(form),
	})
	return err
}

// expire lets the time of what is pending pass.
func (b *bench) expire(d time.Duration) {
	b.t.Helper()
	b.clock.Advance(d)
	if out, err := b.store.Approvals.Expire(b.t.Context(), store.ExpireApprovals{Limit: 10}); err != nil || len(out.Requests) != 1 {
		b.t.Fatalf("expire: %+v, %v", out, err)
	}
}

func TestApprovedWithForm(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{
		"title": "Rebalance paper", "summary": "Turnover 12 %",
		"show": map[string]any{
			"table":   []any{map[string]any{"symbol": "A", "fee": 0.1}, map[string]any{"symbol": "B", "fee": 0.2}},
			"columns": []any{"symbol", "fee"}, "totals": []any{"fee"}, "diff": map[string]any{"before": map[string]any{"cash": int64(5)}, "after": map[string]any{"cash": int64(7)}},
		},
		"form": map[string]any{"limit": map[string]any{"type": "integer", "required": true}}, "approvers": []any{"role:approver"},
	})
	w := b.run()
	if again := b.run(); again != w {
		t.Fatalf("a repeated attempt asks again: %+v, then %+v", w, again)
	}
	r := b.read(w.Ref)
	if runID, nodeID, ok := r.Subject.Node(); !ok || runID != nodetest.RunID || nodeID != "n" || r.Kind != domain.KindWorkflow || r.RequestedBy.Name != "ann" {
		t.Errorf("%+v", r)
	}
	if want := [][]string{{"A", "0.1"}, {"B", "0.2"}}; !cmp.Equal(r.Table.Rows, want) || r.Table.Columns[1].Type != domain.Number {
		t.Errorf("table %+v", r.Table)
	}
	shown := map[string]string{}
	for _, f := range r.Summary {
		shown[f.Name] = f.Value
	}
	if shown["summary"] != "Turnover 12 %" || shown["total_fee"] != "0.3" || shown["change_cash"] != "5 -> 7" {
		t.Errorf("summary %v", shown)
	}
	if err := b.decide(w.Ref, "ann", true, ""); !fault.Is(err, fault.SelfApproval) {
		t.Errorf("who started the run approves it: %v", err)
	}
	if err := b.decide(w.Ref, "bob", true, `{"limit":5}`); err != nil {
		t.Fatal(err)
	}
	got, err := b.resume(w, false)
	want := map[string]any{
		"status": "APPROVED", "approval_id": w.Ref, "content_hash": r.ContentHash, "decided_by": "bob", "comment": "c", "form": map[string]any{"limit": int64(5)},
	}
	if diff := cmp.Diff(want, got.Value); err != nil || got.Outcome != "approved" || diff != "" {
		t.Errorf("%+v, %v\n%s", got, err, diff)
	}
}

func TestRejected(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{"title": "x"})
	w := b.run()
	if err := b.decide(w.Ref, "ann", false, ""); err != nil { // one may say no to oneself
		t.Fatal(err)
	}
	if got, err := b.resume(w, false); err != nil || got.Outcome != "rejected" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		onExpire string
		edges    []workflow.Edge
		outcome  string
		code     string
	}{
		"reject":                {"reject", nil, "expired", ""},
		"default":               {"", nil, "expired", ""},
		"reject, with its edge": {"reject", []workflow.Edge{{From: "n", To: "x", Outcome: "rejected"}}, "rejected", ""},
		"reject with its edge":  {"reject", []workflow.Edge{{From: "n", To: "x", Outcome: "expired"}}, "expired", ""},
		"fail":                  {"fail", []workflow.Edge{{From: "n", To: "x", Outcome: "expired"}}, "", "approval_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, map[string]any{"title": "x", "expires_in": "30m", "on_expire": c.onExpire})
			b.edges = c.edges
			w := b.run()
			b.expire(31 * time.Minute)
			got, err := b.resume(w, false)
			if c.code != "" {
				if f := node.FailureOf(err); f.Code != c.code || !f.Final {
					t.Errorf("%+v", f)
				}
				return
			}
			if err != nil || got.Outcome != c.outcome || got.Value.(map[string]any)["status"] != "EXPIRED" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestReRequestTakesThePlaceOfTheOld(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{"title": "x", "expires_in": "30m", "on_expire": "re_request", "max_re_requests": int64(1)})
	first := b.run()
	b.expire(31 * time.Minute)
	second := b.waits(b.resume(first, false))
	if second.Ref == first.Ref {
		t.Fatal("it waits for the old one")
	}
	if again := b.waits(b.resume(first, false)); again != second {
		t.Errorf("a repeated end of the wait asks again: %+v", again)
	}
	if r := b.read(second.Ref); r.Round != 2 || r.Replaces != first.Ref || !r.ExpiresAt.Equal(noon.Add(61*time.Minute)) {
		t.Errorf("%+v", r)
	}
	b.expire(31 * time.Minute)
	if got, err := b.resume(second, false); err != nil || got.Outcome != "expired" {
		t.Errorf("after the last one: %+v, %v", got, err)
	}
}

func TestReRequestRewinds(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{"title": "x", "expires_in": "30m", "on_expire": "re_request", "rewind_to": "plan", "max_re_requests": int64(1)})
	first := b.run()
	b.expire(31 * time.Minute)
	if got, err := b.resume(first, false); err != nil || got.Rewind != "plan" {
		t.Fatalf("%+v, %v", got, err)
	}
	b.rounds = 1
	second := b.run()
	if r := b.read(second.Ref); second.Ref == first.Ref || r.Round != 2 || r.Replaces != first.Ref {
		t.Errorf("%+v", r)
	}
	b.expire(31 * time.Minute)
	if got, err := b.resume(second, false); err != nil || got.Rewind != "" || got.Outcome != "expired" {
		t.Errorf("after the last one: %+v, %v", got, err)
	}
}

func TestAChangedValueVoidsTheApproval(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{"title": "x", "bind": map[string]any{"a": int64(1), "b": "2"}, "max_re_requests": int64(1)})
	first := b.run()
	if err := b.decide(first.Ref, "bob", true, ""); err != nil {
		t.Fatal(err)
	}
	old := b.read(first.Ref)
	b.config["bind"] = map[string]any{"b": "2", "a": int64(2)}
	second := b.waits(b.resume(first, false))
	if r := b.read(second.Ref); r.ContentHash == old.ContentHash || r.Round != 2 {
		t.Errorf("it asks for the same: %+v", r)
	}
	if err := b.decide(second.Ref, "bob", true, ""); err != nil {
		t.Fatal(err)
	}
	b.config["bind"] = map[string]any{"b": "2", "a": int64(2)} // the same in another order
	if got, err := b.resume(second, false); err != nil || got.Outcome != "approved" {
		t.Errorf("%+v, %v", got, err)
	}
	b.config["bind"] = int64(3)
	if _, err := b.resume(second, false); node.FailureOf(err).Code != approval.CodeBindChanged {
		t.Errorf("after the last one: %v", err)
	}
}

func TestAManualReRequestIsFollowed(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{"title": "x"})
	w := b.run()
	old := b.read(w.Ref)
	n, err := old.Again("appr_01jh0000000000000000000001", old.RequestedBy, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Approvals.Rerequest(t.Context(), store.RerequestApproval{New: n, ContentHash: old.ContentHash}); err != nil {
		t.Fatal(err)
	}
	if next := b.waits(b.resume(w, false)); next.Ref != n.ID {
		t.Errorf("it waits for %s", next.Ref)
	}
}

func TestReminders(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{"title": "x", "expires_in": "1h", "remind_every": "25m"})
	w := b.run()
	if !w.Until.Equal(noon.Add(25 * time.Minute)) {
		t.Fatalf("the first reminder is at %s", w.Until)
	}
	b.clock.Advance(25 * time.Minute)
	w = b.waits(b.resume(w, true))
	if !w.Until.Equal(noon.Add(50 * time.Minute)) {
		t.Errorf("the second reminder is at %s", w.Until)
	}
	b.clock.Advance(25 * time.Minute)
	if w = b.waits(b.resume(w, true)); !w.Until.IsZero() {
		t.Errorf("a reminder behind the expiry, at %s", w.Until)
	}
	all, err := b.store.Events.Since(t.Context(), "default", 0, 100)
	n := 0
	for _, e := range all {
		if e.Type == event.ApprovalReminder && e.Data["workflow_run_id"] == nodetest.RunID && e.Data["node_id"] == "n" {
			n++
		}
	}
	if err != nil || n != 2 {
		t.Errorf("%d reminders, %v", n, err)
	}
}

func TestAbandonWithdraws(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{"title": "x"})
	w := b.run()
	for range 2 {
		if err := b.node.Abandon(t.Context(), b.call(), w); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.read(w.Ref); r.Status != domain.Superseded {
		t.Errorf("%+v", r)
	}
	if _, err := b.resume(w, false); node.FailureOf(err).Code != approval.CodeWithdrawn {
		t.Errorf("%v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]map[string]any{
		"no title":        {},
		"a wrong form":    {"title": "x", "form": map[string]any{"a": map[string]any{"type": "number?"}}},
		"wrong approvers": {"title": "x", "approvers": []any{"bob"}},
		"too long":        {"title": "x", "expires_in": "100d"},
		"a wrong row":     {"title": "x", "show": map[string]any{"table": []any{"row"}}},
	} {
		b := setup(t, config)
		if _, err := b.node.Run(t.Context(), b.call()); !node.FailureOf(err).Final {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who wrote the version that asks cannot say yes to it, nor can who started it.
func TestAuthorCannotApprove(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]any{"title": "Go on?"})
	b.node = b.node.By(func(_ context.Context, tenant, _ string, version int) (string, error) {
		return fmt.Sprintf("author-of-%s-%d", tenant, version), nil
	})
	w := b.run()
	c := b.call()
	for _, by := range []string{fmt.Sprintf("author-of-%s-%d", c.Tenant, c.Version), c.CreatedBy} {
		if by == "" {
			continue
		}
		if err := b.decide(w.Ref, by, true, ""); !fault.Is(err, fault.SelfApproval) {
			t.Errorf("%s may approve: %v", by, err)
		}
	}
	if err := b.decide(w.Ref, "somebody", true, ""); err != nil {
		t.Error(err)
	}
}
