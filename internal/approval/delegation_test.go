package approval_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/fault"
)

// user is a person who logs in.
func user(name string) approval.Person { return approval.Person{Name: name, ID: "usr_" + name} }

// botOf is a token that somebody made.
func botOf(maker string) approval.Person {
	return approval.Person{Name: "bot-" + maker, ID: "tok_" + maker, MadeBy: maker}
}

// handed is r after from handed it to to, which must be allowed.
func handed(t testing.TB, r approval.Request, from, to approval.Person) approval.Request {
	t.Helper()
	if err := r.MayDelegate(from, []string{"approver"}, to, "away", noon); err != nil {
		t.Fatalf("%s to %s: %v", from.Name, to.Name, err)
	}
	c, err := approval.Apply(r, approval.Delegate{At: noon, From: from, To: to, Reason: "away"})
	if err != nil {
		t.Fatal(err)
	}
	return c.After
}

func approved(t testing.TB, r approval.Request, by approval.Person) approval.Request {
	t.Helper()
	c, err := approval.Apply(r, approval.Approve{At: noon, By: by})
	if err != nil {
		t.Fatal(err)
	}
	return c.After
}

// may is the whole of what lets a person say yes.
func may(r approval.Request, p approval.Person, roles ...string) error {
	if err := r.MayDecide(p, true, "", r.ContentHash, noon); err != nil {
		return err
	}
	return r.Eligible(p, roles)
}

func TestMayDelegate(t *testing.T) {
	t.Parallel()
	ann, tom, zoe := user("ann"), user("tom"), user("zoe")
	named := func(r *approval.Request) { r.Approvers = []string{"user:ann", "user:bob"}; r.MinApprovals = 2 }
	for name, c := range map[string]struct {
		edit     func(*approval.Request)
		then     func(t *testing.T, r approval.Request) approval.Request
		from, to approval.Person
		roles    []string
		reason   string
		at       time.Duration
		want     fault.Code
	}{
		"to another":                        {from: ann, to: tom},
		"named, to one who is not":          {edit: named, from: ann, to: tom},
		"a token of one who is named":       {edit: named, from: botOf("ann"), to: tom},
		"by role":                           {edit: func(r *approval.Request) { r.Approvers = []string{"role:lead"} }, roles: []string{"lead"}, from: ann, to: tom},
		"without the role":                  {edit: func(r *approval.Request) { r.Approvers = []string{"role:lead"} }, roles: []string{"approver"}, from: ann, to: tom, want: fault.ForbiddenScope},
		"not named":                         {edit: named, from: zoe, to: tom, want: fault.ForbiddenScope},
		"to himself":                        {from: ann, to: ann, want: fault.DelegateNotPossible},
		"his token to himself":              {from: botOf("ann"), to: ann, want: fault.DelegateNotPossible},
		"the requester to a friend":         {from: user("asker"), to: tom, want: fault.SelfApproval},
		"a token of the requester":          {from: botOf("asker"), to: tom, want: fault.SelfApproval},
		"the author to a friend":            {edit: func(r *approval.Request) { r.RequestedBy.MadeBy = "ann" }, from: ann, to: tom, want: fault.SelfApproval},
		"to the requester":                  {from: ann, to: user("asker"), want: fault.DelegateNotPossible},
		"to the requester, who may":         {edit: func(r *approval.Request) { r.AllowRequester = true }, from: ann, to: user("asker"), want: fault.DelegateNotPossible},
		"to the author":                     {edit: func(r *approval.Request) { r.RequestedBy.MadeBy = "tom" }, from: ann, to: tom, want: fault.DelegateNotPossible},
		"to the requester, renamed":         {edit: func(r *approval.Request) { r.RequestedBy.ID = "usr_tom" }, from: ann, to: tom, want: fault.DelegateNotPossible},
		"having approved":                   {edit: named, then: func(t *testing.T, r approval.Request) approval.Request { return approved(t, r, ann) }, from: ann, to: tom, want: fault.AlreadyDecided},
		"his token having approved":         {edit: named, then: func(t *testing.T, r approval.Request) approval.Request { return approved(t, r, botOf("ann")) }, from: ann, to: tom, want: fault.AlreadyDecided},
		"to one who approved":               {edit: named, then: func(t *testing.T, r approval.Request) approval.Request { return approved(t, r, user("bob")) }, from: ann, to: user("bob"), want: fault.DelegateNotPossible},
		"twice":                             {then: func(t *testing.T, r approval.Request) approval.Request { return handed(t, r, ann, zoe) }, from: ann, to: tom, want: fault.ApprovalDelegated},
		"again by a token of his":           {then: func(t *testing.T, r approval.Request) approval.Request { return handed(t, r, ann, zoe) }, from: botOf("ann"), to: tom, want: fault.ApprovalDelegated},
		"two to one":                        {edit: named, then: func(t *testing.T, r approval.Request) approval.Request { return handed(t, r, ann, tom) }, from: user("bob"), to: tom, want: fault.DelegateNotPossible},
		"in a circle":                       {edit: named, then: func(t *testing.T, r approval.Request) approval.Request { return handed(t, r, ann, tom) }, from: tom, to: ann, want: fault.DelegateNotPossible},
		"on to a third":                     {edit: named, then: func(t *testing.T, r approval.Request) approval.Request { return handed(t, r, ann, tom) }, from: tom, to: zoe},
		"by a token with a delegate's name": {edit: named, then: func(t *testing.T, r approval.Request) approval.Request { return handed(t, r, ann, tom) }, from: approval.Person{Name: "tom", ID: "tok_9", MadeBy: "eve"}, to: zoe, want: fault.ForbiddenScope},
		"too far": {edit: named, then: func(t *testing.T, r approval.Request) approval.Request {
			return handed(t, handed(t, handed(t, r, ann, tom), tom, zoe), zoe, user("max"))
		}, from: user("max"), to: user("eve"), want: fault.DelegateNotPossible},
		"without a reason": {reason: " ", from: ann, to: tom, want: fault.InvalidInput},
		"too late":         {at: time.Hour, from: ann, to: tom, want: fault.ApprovalClosed},
		"decided":          {then: func(t *testing.T, r approval.Request) approval.Request { return approved(t, r, zoe) }, from: ann, to: tom, want: fault.ApprovalClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sample(t, func(r *approval.Request) {
				if c.edit != nil {
					c.edit(r)
				}
			})
			if c.then != nil {
				r = c.then(t, r)
			}
			if c.reason == "" {
				c.reason = "away"
			}
			err := r.MayDelegate(c.from, c.roles, c.to, c.reason, noon.Add(c.at))
			if c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestDelegateDecides: the delegate may, whoever handed it on may not, nor any token of
// his, and nobody gets in who only has the delegate's name.
func TestDelegateDecides(t *testing.T) {
	t.Parallel()
	ann, tom := user("ann"), user("tom")
	r := sample(t, func(r *approval.Request) { r.Approvers = []string{"user:ann"} })
	if err := may(r, tom); !fault.Is(err, fault.ForbiddenScope) {
		t.Errorf("tom, before: %v", err)
	}
	r = handed(t, r, ann, tom)
	for p, want := range map[approval.Person]fault.Code{
		tom: "", botOf("tom"): "", ann: fault.ApprovalDelegated, botOf("ann"): fault.ApprovalDelegated, user("zoe"): fault.ForbiddenScope,
		{Name: "tom", ID: "tok_9", MadeBy: "eve"}: fault.ForbiddenScope, // a token of that name
		{Name: "tom", ID: "usr_new"}:              fault.ForbiddenScope, // another user of that name, the first is gone
		{Name: "tom"}:                             fault.ForbiddenScope, // a token given at start
		{Name: "x", ID: "tok_8", MadeBy: "asker"}: fault.SelfApproval,   // the requester's
	} {
		if err := may(r, p); want == "" && err != nil || want != "" && !fault.Is(err, want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
	if err := r.MayDecide(ann, false, "", r.ContentHash, noon); err != nil {
		t.Errorf("everybody may reject: %v", err)
	}
	if got := r.Reminder(noon).Data["delegates"]; got != "tom" {
		t.Errorf("the reminder is for %q", got)
	}
	if n, err := r.Again("appr_2", r.RequestedBy, noon); err != nil || len(n.Delegations) > 0 {
		t.Errorf("the next round: %v, %v", n.Delegations, err)
	}
	if approval.Hash(r) != r.ContentHash {
		t.Error("a delegation changed the hash")
	}
}

func TestRecall(t *testing.T) {
	t.Parallel()
	ann, tom, zoe := user("ann"), user("tom"), user("zoe")
	r := sample(t, func(r *approval.Request) { r.Approvers, r.MinApprovals = []string{"user:ann", "user:bob"}, 2 })
	r = handed(t, handed(t, r, ann, tom), tom, zoe)
	if got := fmt.Sprint(r.Delegates()); got != "[zoe]" {
		t.Errorf("delegates %s", got)
	}
	for _, p := range []approval.Person{zoe, user("bob"), {Name: "ann", ID: "tok_9", MadeBy: "eve"}} {
		if err := r.MayRecall(p, noon); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s recalled: %v", p.Name, err)
		}
	}
	if err := r.MayRecall(ann, r.ExpiresAt); !fault.Is(err, fault.ApprovalClosed) {
		t.Errorf("too late: %v", err)
	}
	for _, by := range []approval.Person{ann, botOf("ann")} {
		if err := r.MayRecall(by, noon); err != nil {
			t.Fatal(err)
		}
		c, err := approval.Apply(r, approval.Recall{At: noon, By: by})
		if err != nil || len(c.After.Delegations) != 0 || len(r.Delegations) != 2 {
			t.Fatalf("%+v, %v", c.After.Delegations, err)
		}
		for p, want := range map[approval.Person]fault.Code{ann: "", tom: fault.ForbiddenScope, zoe: fault.ForbiddenScope} {
			if err := may(c.After, p); want == "" && err != nil || want != "" && !fault.Is(err, want) {
				t.Errorf("after the recall, %s: %v, want %q", p.Name, err, want)
			}
		}
	}
	// The middle of the chain takes back his own only.
	c, err := approval.Apply(r, approval.Recall{At: noon, By: tom})
	if err != nil || len(c.After.Delegations) != 1 || may(c.After, tom) != nil || may(c.After, ann) == nil {
		t.Errorf("tom's: %+v, %v", c.After.Delegations, err)
	}
	// Once the last of the chain has approved, nobody gets his word back: it was used.
	r = approved(t, r, zoe)
	for _, p := range []approval.Person{ann, tom} {
		if err := r.MayRecall(p, noon); !fault.Is(err, fault.AlreadyDecided) {
			t.Errorf("%s recalled a word that was used: %v", p.Name, err)
		}
		if err := may(r, p); !fault.Is(err, fault.ApprovalDelegated) {
			t.Errorf("%s counts beside it: %v", p.Name, err)
		}
	}
}

// TestWordsAreNeverMade: whatever people hand on, take back and approve, in whatever
// order, no more words are given than people were named, nobody gives two, none comes
// from who asked, and no chain is longer than it may be.
func TestWordsAreNeverMade(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		names := []string{"ann", "bob", "cid", "dan", "asker", "author"}
		r := sample(t, func(r *approval.Request) {
			r.Approvers, r.MinApprovals = []string{"user:ann", "user:bob", "user:asker"}, 20
			r.RequestedBy = approval.Person{Name: "asker", ID: "usr_asker", MadeBy: "author"}
		})
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			p := user(rapid.SampledFrom(names).Draw(rt, "who"))
			if rapid.Bool().Draw(rt, "by token") {
				p = botOf(p.Name)
			}
			var ev any
			switch rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0:
				to := user(rapid.SampledFrom(names).Draw(rt, "to"))
				if r.MayDelegate(p, nil, to, "r", noon) == nil {
					ev = approval.Delegate{At: noon, From: p, To: to, Reason: "r"}
				}
			case 1:
				if r.MayRecall(p, noon) == nil {
					ev = approval.Recall{At: noon, By: p}
				}
			default:
				if may(r, p) == nil {
					ev = approval.Approve{At: noon, By: p}
				}
			}
			if ev == nil {
				continue
			}
			c, err := approval.Apply(r, ev)
			if err != nil {
				rt.Fatal(err)
			}
			r = c.After
		}
		var human []string
		for _, d := range r.Decisions {
			human = append(human, max(d.By.MadeBy, ""))
			if d.By.MadeBy == "" {
				human[len(human)-1] = d.By.Name
			}
		}
		slices.Sort(human)
		if len(human) > 2 || len(slices.Compact(slices.Clone(human))) != len(human) || slices.Contains(human, "asker") || slices.Contains(human, "author") {
			rt.Fatalf("approved by %v", human)
		}
		for _, d := range r.Delegations {
			if n := len(r.Before(d.To)); n > approval.MaxChain {
				rt.Fatalf("a chain of %d", n)
			}
		}
	})
}

// TestNames: a token is who made it, not whom it is called after.
func TestNames(t *testing.T) {
	t.Parallel()
	r := approval.Request{Approvers: []string{"user:ann", "role:lead"}}
	for name, c := range map[string]struct {
		p     approval.Person
		roles []string
		want  bool
	}{
		"the user":               {p: user("ann"), want: true},
		"given at start":         {p: approval.Person{Name: "ann"}, want: true},
		"her token":              {p: botOf("ann"), want: true},
		"her token, of his name": {p: approval.Person{Name: "tom", ID: "tok_1", MadeBy: "ann"}, want: true},
		"his token, of her name": {p: approval.Person{Name: "ann", ID: "tok_1", MadeBy: "tom"}},
		"another":                {p: user("tom")},
		"by role":                {p: user("tom"), roles: []string{"lead"}, want: true},
		"his token, by role":     {p: approval.Person{Name: "ann", ID: "tok_1", MadeBy: "tom"}, roles: []string{"lead"}, want: true},
		"called after the entry": {p: approval.Person{Name: "role:lead"}},
		"nobody":                 {},
	} {
		if got := r.Names(c.p, c.roles); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
