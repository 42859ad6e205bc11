package approval_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ann() approval.Person { return approval.Person{Name: "ann"} }
func bob() approval.Person { return approval.Person{Name: "bob"} }

func events() []any {
	return []any{
		approval.Approve{At: noon, By: ann()},
		approval.Reject{At: noon, By: ann(), Comment: "no"},
		approval.Delegate{At: noon, From: ann(), To: approval.Person{Name: "tom", ID: "usr_2"}, Reason: "away"},
		approval.Recall{At: noon, By: ann()},
		approval.Lapsed{At: noon},
		approval.Lapsed{At: noon, ReplacedBy: "appr_2"},
		approval.Replaced{At: noon, ReplacedBy: "appr_2", Reason: "prices moved"},
		approval.Withdrawn{At: noon, Reason: "the job is CANCELLED"},
	}
}

func sample(t testing.TB, edit ...func(*approval.Request)) approval.Request {
	t.Helper()
	r := approval.Request{
		ID: "appr_1", Tenant: "default", Kind: approval.KindRunJob, Subject: approval.Subject{Type: approval.SubjectJob, ID: "job_1"},
		Title: "Run it?", RequestedBy: approval.Person{Name: "asker"}, RequestedAt: noon.Add(-time.Hour), ExpiresAt: noon.Add(time.Hour),
		MaxReRequests: 1, Content: []byte(`{"a":1}`),
	}
	for _, e := range edit {
		e(&r)
	}
	r, err := approval.New(r)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestVerdicts compares the answer to every event in every state with the reviewed
// one.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, s := range approval.States() {
		for _, v := range []struct {
			name string
			set  func(*approval.Request)
		}{
			{"plain", func(*approval.Request) {}},
			{"needs-two", func(r *approval.Request) { r.MinApprovals = 2 }},
			{"one-of-two", func(r *approval.Request) {
				r.MinApprovals, r.Decisions = 2, []approval.Decision{{By: bob(), Approved: true, At: noon}}
			}},
		} {
			for _, ev := range events() {
				r := sample(t)
				r.Status = s
				v.set(&r)
				fmt.Fprintf(&got, "%-10s %-10s %-9s -> %s\n", s, v.name, reflect.TypeOf(ev).Name(), verdict(r, ev))
			}
		}
	}
	golden(t, "verdicts.golden", got.String())
}

func verdict(r approval.Request, ev any) string {
	c, err := approval.Apply(r, ev)
	if err != nil {
		return "refused: " + string(fault.From(err).Code)
	}
	words := []string{string(c.After.Status), fmt.Sprintf("v%d", c.After.Version), fmt.Sprintf("%d words", len(c.After.Decisions))}
	for _, d := range c.After.Delegations {
		words = append(words, d.From.Name+" to "+d.To.Name)
	}
	if c.After.ReplacedBy != "" {
		words = append(words, "by "+c.After.ReplacedBy)
	}
	if c.After.Reason != "" {
		words = append(words, "("+c.After.Reason+")")
	}
	if c.After.DecidedAt.Equal(noon) {
		words = append(words, "ended")
	}
	for _, e := range c.Emit {
		words = append(words, "+"+string(e.Type)+" "+e.JobID+" "+e.Data["status"])
	}
	return strings.Join(words, " ")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

func TestEventsAreComplete(t *testing.T) {
	t.Parallel()
	var have []string
	for _, ev := range events() {
		have = append(have, reflect.TypeOf(ev).Name())
	}
	for _, r := range approval.Table.Rules() {
		if !slices.Contains(have, r.Event) {
			t.Errorf("no sample of event %s", r.Event)
		}
		for _, s := range append(slices.Clone(r.From), r.To) {
			if !slices.Contains(approval.States(), approval.Status(s)) {
				t.Errorf("%s: state %s is not in States()", r.Event, s)
			}
		}
	}
}

// TestTerminalStaysTerminal: whatever comes in whatever order, a request ends once,
// and nothing of its content changes.
func TestTerminalStaysTerminal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := sample(t, func(r *approval.Request) { r.MinApprovals = rapid.IntRange(1, 3).Draw(rt, "needed") })
		hash, ends := r.ContentHash, 0
		for range rapid.IntRange(1, 12).Draw(rt, "events") {
			ev := rapid.SampledFrom(events()).Draw(rt, "event")
			before := r.Status
			c, err := approval.Apply(r, ev)
			if before.Terminal() != (err != nil) {
				rt.Fatalf("%s on %T: %v", before, ev, err)
			}
			if err != nil {
				continue
			}
			if c.After.Status.Terminal() {
				ends += len(c.Emit)
			}
			r = c.After
			if r.Status == approval.Approved && r.Approvals() < r.MinApprovals {
				rt.Fatalf("approved by %d of %d", r.Approvals(), r.MinApprovals)
			}
		}
		if ends > 1 || approval.Hash(r) != hash {
			rt.Fatalf("%d ends, hash %s", ends, approval.Hash(r))
		}
	})
}
