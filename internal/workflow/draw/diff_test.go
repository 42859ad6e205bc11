package draw_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/workflow/draw"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	from := "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n"
	to := "a\nB\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n"
	want := "--- v1\n+++ v2\n@@ -1,5 +1,5 @@\n a\n-b\n+B\n c\n d\n e\n@@ -10,3 +10,4 @@\n j\n k\n l\n+m\n"
	if diff := cmp.Diff(want, draw.Diff("v1", "v2", from, to)); diff != "" {
		t.Error(diff)
	}
	if got := draw.Diff("a", "b", from, from); got != "" {
		t.Errorf("equal texts: %q", got)
	}
	if got := draw.Diff("a", "b", "", "x\n"); got != "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n" {
		t.Errorf("from nothing: %q", got)
	}
}

// TestDiffTells: what a diff takes away and adds is what differs.
func TestDiffTells(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 20), func(l []string) string {
			return strings.Join(append(l, ""), "\n")
		})
		from, to := text.Draw(t, "from"), text.Draw(t, "to")
		d := draw.Diff("f", "t", from, to)
		balance := map[string]int{}
		for l := range strings.SplitSeq(from, "\n") {
			balance[l]--
		}
		for l := range strings.SplitSeq(to, "\n") {
			balance[l]++
		}
		for i, l := range strings.Split(d, "\n") {
			switch {
			case i < 2 || l == "":
			case l[0] == '-':
				balance[l[1:]]++
			case l[0] == '+':
				balance[l[1:]]--
			}
		}
		delete(balance, "") // the ends of the texts
		for l, n := range balance {
			if n != 0 {
				t.Fatalf("%q is off by %d in\n%s", l, n, d)
			}
		}
	})
}
