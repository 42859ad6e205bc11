package drain_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/task/logtriage/drain"
)

func TestGroups(t *testing.T) {
	t.Parallel()
	tree := drain.New(drain.Options{Groups: 100})
	for _, m := range []string{
		"user alice logged in from <ip>", "user bob logged in from <ip>", "disk is full", "user carol logged in from <ip>",
		"connection refused", "connection reset", "disk is full",
	} {
		tree.Add([]byte(m))
	}
	var got []string
	for g := range tree.Len() {
		got = append(got, tree.Template(g))
	}
	// "alice" and "bob" are among the first two words and lead through the tree.
	want := []string{
		"user alice logged in from <ip>", "user bob logged in from <ip>", "disk is full", "user carol logged in from <ip>",
		"connection refused", "connection reset",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("templates (-want +got):\n%s", diff)
	}
	tree = drain.New(drain.Options{Groups: 100})
	for _, n := range []string{"alice", "bob", "carol"} {
		if g := tree.Add([]byte("login of user " + n + " failed")); g != 0 {
			t.Errorf("%s is in group %d", n, g)
		}
	}
	if got := tree.Template(0); got != "login of user <*> failed" {
		t.Errorf("template %q", got)
	}
}

func TestIsBounded(t *testing.T) {
	t.Parallel()
	tree := drain.New(drain.Options{Groups: 10})
	none := 0
	for i := range 1000 {
		if tree.Add(fmt.Appendf(nil, "%c%c word", 'a'+i%26, 'a'+i/26%26)) == drain.None {
			none++
		}
	}
	if tree.Len() != 10 || none == 0 {
		t.Errorf("%d groups, %d without", tree.Len(), none)
	}
}

// TestProperties: same input, same groups; a template fits each of its messages.
func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOf(rapid.StringMatching(`[abc<1]{1,3}( [abc<1]{1,2}){0,4}`)).Draw(t, "messages")
		a, b := drain.New(drain.Options{Groups: 8}), drain.New(drain.Options{Groups: 8})
		groups := make([]int, len(messages))
		for i, m := range messages {
			groups[i] = a.Add([]byte(m))
			if other := b.Add([]byte(m)); other != groups[i] {
				t.Fatalf("%q is in group %d and %d", m, groups[i], other)
			}
		}
		if a.Len() > 8 {
			t.Fatalf("%d groups", a.Len())
		}
		for i, m := range messages {
			if groups[i] != drain.None && !fits(a.Template(groups[i]), m) {
				t.Fatalf("%q does not fit %q", m, a.Template(groups[i]))
			}
		}
	})
}

func fits(template, message string) bool {
	var t, m []string
	for _, p := range []struct {
		s   string
		out *[]string
	}{{template, &t}, {message, &m}} {
		start := 0
		for i := range len(p.s) + 1 {
			if i == len(p.s) || p.s[i] == ' ' {
				*p.out = append(*p.out, p.s[start:i])
				start = i + 1
			}
		}
	}
	if len(t) != len(m) {
		return false
	}
	for i := range t {
		if t[i] != drain.Wildcard && t[i] != m[i] {
			return false
		}
	}
	return true
}
