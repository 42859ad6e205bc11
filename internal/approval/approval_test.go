package approval_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/fault"
)

func TestMayDecide(t *testing.T) {
	t.Parallel()
	asker := approval.Person{Name: "asker", ID: "usr_1"}
	for name, c := range map[string]struct {
		edit    func(*approval.Request)
		by      approval.Person
		reject  bool
		comment string
		hash    string
		at      time.Duration
		want    fault.Code
	}{
		"another":                         {by: ann()},
		"the requester":                   {by: asker, want: fault.SelfApproval},
		"the requester rejects":           {by: asker, reject: true},
		"the requester under a new name":  {by: approval.Person{Name: "renamed", ID: "usr_1"}, want: fault.SelfApproval},
		"a token of the requester":        {by: approval.Person{Name: "bot", ID: "tok_1", MadeBy: "asker"}, want: fault.SelfApproval},
		"allowed":                         {edit: func(r *approval.Request) { r.AllowRequester = true }, by: asker},
		"what a token of his asked for":   {edit: func(r *approval.Request) { r.RequestedBy = approval.Person{Name: "bot", MadeBy: "ann"} }, by: ann(), want: fault.SelfApproval},
		"other content":                   {by: ann(), hash: "sha256:00", want: fault.ApprovalContentChanged},
		"rejects other content":           {by: ann(), reject: true, hash: "sha256:00", want: fault.ApprovalContentChanged},
		"just in time":                    {by: ann(), at: time.Hour - time.Millisecond},
		"too late":                        {by: ann(), at: time.Hour, want: fault.ApprovalClosed},
		"rejects too late":                {by: ann(), reject: true, at: time.Hour, want: fault.ApprovalClosed},
		"decided":                         {edit: func(r *approval.Request) { r.Status = approval.Rejected }, by: ann(), want: fault.ApprovalClosed},
		"twice":                           {edit: func(r *approval.Request) { r.MinApprovals = 2 }, by: bob(), want: fault.AlreadyDecided},
		"changes his mind":                {edit: func(r *approval.Request) { r.MinApprovals = 2 }, by: bob(), reject: true},
		"the second":                      {edit: func(r *approval.Request) { r.MinApprovals = 2 }, by: ann()},
		"without a comment that it needs": {edit: func(r *approval.Request) { r.RequireComment = true }, by: ann(), comment: " ", want: fault.InvalidInput},
		"with it":                         {edit: func(r *approval.Request) { r.RequireComment = true }, by: ann(), comment: "x"},
		"with a book":                     {by: ann(), comment: strings.Repeat("x", approval.MaxText+1), want: fault.InvalidInput},
	} {
		r := sample(t, func(r *approval.Request) {
			r.RequestedBy = asker
			if c.edit != nil {
				c.edit(r)
			}
		})
		if c.edit != nil {
			c.edit(&r)
		}
		if r.MinApprovals == 2 {
			r.Decisions = []approval.Decision{{By: bob(), Approved: true, At: noon}}
		}
		if c.hash == "" {
			c.hash = r.ContentHash
		}
		err := r.MayDecide(c.by, !c.reject, c.comment, c.hash, noon.Add(c.at))
		if c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestSelfApprovalNamesTheRule: who is refused reads which rule refuses him, not
// only who asked.
func TestSelfApprovalNamesTheRule(t *testing.T) {
	t.Parallel()
	node := approval.NodeSubject("wfrun_1", "ask")
	for name, c := range map[string]struct {
		by      approval.Person
		asked   approval.Person
		subject approval.Subject
		want    string
	}{
		"the requester":              {by: ann(), asked: ann(), want: "ann asked for this, so somebody else must approve it"},
		"the author of the version":  {by: ann(), asked: approval.Person{Name: "local", MadeBy: "ann"}, subject: node, want: "ann wrote the version of the workflow whose run of local asks for this, so somebody else must approve it"},
		"who started the run":        {by: ann(), asked: approval.Person{Name: "ann", MadeBy: "bob"}, subject: node, want: "ann asked for this, so somebody else must approve it"},
		"the author of the schedule": {by: ann(), asked: approval.Person{Name: "schedule", MadeBy: "ann"}, want: "ann wrote the current version of the schedule that asks for this, so somebody else must approve it"},
		"who made the token":         {by: ann(), asked: approval.Person{Name: "bot", ID: "tok_9", MadeBy: "ann"}, want: "ann made the token bot, which asked for this, so somebody else must approve it"},
		"a token of who asked":       {by: approval.Person{Name: "bot", ID: "tok_9", MadeBy: "ann"}, asked: ann(), want: "bot, a token of ann, asked for this, so somebody else must approve it"},
		"a token of the same person": {by: approval.Person{Name: "bot", ID: "tok_9", MadeBy: "ann"}, asked: approval.Person{Name: "local", MadeBy: "ann"}, subject: node, want: "bot, a token of ann, wrote the version of the workflow whose run of local asks for this, so somebody else must approve it"},
	} {
		r := sample(t, func(r *approval.Request) {
			r.RequestedBy = c.asked
			if c.subject.ID != "" {
				r.Subject = c.subject
			}
		})
		err := r.MayDecide(c.by, true, "", r.ContentHash, noon)
		if !fault.Is(err, fault.SelfApproval) || fault.From(err).Detail != c.want || fault.From(err).Hint == "" {
			t.Errorf("%s: %v, want %q with a hint", name, err, c.want)
		}
	}
}

// TestSelfApprovalNamesOthers: who is refused reads who may, and how to add a person.
func TestSelfApprovalNamesOthers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*approval.Request)
		want []string
	}{
		"everybody":       {func(*approval.Request) {}, []string{"another user with the role approver or admin may", "runsheet user create NAME --role approver", "--self-approval"}},
		"those named":     {func(r *approval.Request) { r.Approvers = []string{"role:admin", "user:tom"} }, []string{"another user with the role admin or user tom may", "--role admin;"}},
		"a workflow node": {func(r *approval.Request) { r.Subject = approval.NodeSubject("wfrun_1", "ask") }, []string{"if the node says allow_requester"}},
	} {
		r := sample(t, func(r *approval.Request) {
			r.RequestedBy = ann()
			c.edit(r)
		})
		hint := fault.From(r.MayDecide(ann(), true, "", r.ContentHash, noon)).Hint
		for _, w := range c.want {
			if !strings.Contains(hint, w) {
				t.Errorf("%s: the hint is %q, without %q", name, hint, w)
			}
		}
	}
}

// TestHash: everything that a person sees changes the hash, and nothing else does.
func TestHash(t *testing.T) {
	t.Parallel()
	full := func(r *approval.Request) {
		r.Summary = []approval.Field{{Name: "a", Type: approval.Text, Value: "b"}}
		r.Table = approval.Listing{Columns: []approval.Column{{Name: "c", Type: approval.Text}}, Rows: [][]string{{"d"}, {"e"}}}
	}
	base := sample(t, full)
	seen := map[string]string{base.ContentHash: "itself"}
	for name, edit := range map[string]func(*approval.Request){
		"kind":           func(r *approval.Request) { r.Kind = "other" },
		"subject":        func(r *approval.Request) { r.Subject.ID = "job_2" },
		"title":          func(r *approval.Request) { r.Title += " " },
		"value":          func(r *approval.Request) { r.Summary[0].Value = "c" },
		"name and value": func(r *approval.Request) { r.Summary[0].Name, r.Summary[0].Value = "ab", "" },
		"field":          func(r *approval.Request) { r.Summary = append(r.Summary, approval.Field{}) },
		"column":         func(r *approval.Request) { r.Table.Columns[0].Label = "x" },
		"cell":           func(r *approval.Request) { r.Table.Rows[1][0] = "f" },
		"row":            func(r *approval.Request) { r.Table.Rows = r.Table.Rows[:1] },
		"joined rows":    func(r *approval.Request) { r.Table.Rows = [][]string{{"d", "e"}} },
		"content":        func(r *approval.Request) { r.Content = []byte(`{"a":2}`) },
		"approvals":      func(r *approval.Request) { r.MinApprovals = 2 },
	} {
		r := sample(t, full)
		edit(&r)
		h := approval.Hash(r)
		if other, dup := seen[h]; dup {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
	again, err := base.Again("appr_2", ann(), noon)
	if err != nil || again.ContentHash != base.ContentHash {
		t.Errorf("a re-request has another hash: %v", err)
	}
	if want := "sha256:"; !strings.HasPrefix(base.ContentHash, want) || len(base.ContentHash) != len(want)+64 {
		t.Errorf("hash %q", base.ContentHash)
	}
}

func TestAgain(t *testing.T) {
	t.Parallel()
	r := sample(t, func(r *approval.Request) { r.Remind = []time.Duration{time.Minute, time.Hour} })
	r.Decisions = []approval.Decision{{By: bob(), Approved: true, At: noon}}
	n, err := r.Again("appr_2", ann(), noon)
	if err != nil {
		t.Fatal(err)
	}
	if n.Status != approval.Pending || n.Round != 2 || n.Replaces != r.ID || len(n.Decisions) != 0 || !n.ExpiresAt.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("%+v", n)
	}
	if d := cmp.Diff([]time.Time{noon.Add(time.Hour), noon.Add(119 * time.Minute)}, n.RemindAt()); d != "" {
		t.Errorf("reminders:\n%s", d)
	}
	if _, err := n.Again("appr_3", ann(), noon); !fault.Is(err, fault.ReRequestsExhausted) {
		t.Errorf("a second re-request of one: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*approval.Request){
		"no title":        func(r *approval.Request) { r.Title = "" },
		"no subject":      func(r *approval.Request) { r.Subject.ID = "" },
		"no requester":    func(r *approval.Request) { r.RequestedBy.Name = "" },
		"over already":    func(r *approval.Request) { r.ExpiresAt = r.RequestedAt },
		"for ever":        func(r *approval.Request) { r.ExpiresAt = r.RequestedAt.Add(approval.MaxLife + time.Second) },
		"too many people": func(r *approval.Request) { r.MinApprovals = approval.MaxApprovals + 1 },
		"content no JSON": func(r *approval.Request) { r.Content = []byte("{") },
		"content a list":  func(r *approval.Request) { r.Content = []byte("[1]") },
		"content blank":   func(r *approval.Request) { r.Content = []byte(" ") },
		"content large": func(r *approval.Request) {
			r.Content = []byte(`{"a":"` + strings.Repeat("x", approval.MaxContent) + `"}`)
		},
		"ragged table":   func(r *approval.Request) { r.Table.Rows = [][]string{{"a"}} },
		"late reminder":  func(r *approval.Request) { r.Remind = []time.Duration{3 * time.Hour} },
		"unknown policy": func(r *approval.Request) { r.OnExpire = "x" },
		"re-requests":    func(r *approval.Request) { r.MaxReRequests = -1 },
	} {
		r := sample(t)
		edit(&r)
		if _, err := approval.New(r); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
