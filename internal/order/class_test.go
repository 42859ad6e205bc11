package order

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/rank"
)

// TestNothingIsLeft looks inside: jobs come, are parked, move and leave; then
// no class and no resource may be kept, and each is where it belongs before.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := New(func(class string) []string { return strings.Split(class, ",") })
		jobs := map[rank.Rank]string{}
		apply := func(ds ...Delta) {
			if err := x.Apply(ds); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			r := rank.Natural(1, rapid.Int64Range(1, 30).Draw(t, "rank"))
			if class, there := jobs[r]; there {
				apply(Delta{Out: Spot{Rank: r, Class: class, Ready: true}})
				delete(jobs, r)
			} else {
				jobs[r] = rapid.SampledFrom([]string{"a", "b", "a,b", "b,a", "c,a", "c"}).Draw(t, "class")
				apply(Delta{In: Spot{Rank: r, Class: jobs[r], Ready: true}})
			}
			blocked := rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "c"})).Draw(t, "blocked")
			x.Walk(func(r string) bool { return slices.Contains(blocked, r) }, func(rank.Rank, string) bool { return true })
			checkParking(t, x)
		}
		for r, class := range jobs {
			apply(Delta{Out: Spot{Rank: r, Class: class, Ready: true}})
			checkParking(t, x)
		}
		if x.classes.n != 0 || len(x.parking) != 0 || x.active.len() != 0 || x.sources.len() != 0 {
			t.Fatalf("left: %d classes, %d active, %d resources, %d sources",
				x.classes.n, x.active.len(), len(x.parking), x.sources.len())
		}
	})
}

// checkParking checks that each class is in the one set where it is looked for.
func checkParking(t *rapid.T, x *Index) {
	seen := x.active.len()
	for name, r := range x.parking {
		first, ok := r.parked.first()
		if !ok || first.head != r.head || r.name != name {
			t.Fatalf("resource %q with %d parked classes has the head %q", name, r.parked.len(), r.head)
		}
		if i, found := x.sources.before(r.head); !found || x.sources.at(i) != r {
			t.Fatalf("resource %q is not among the sources", name)
		}
		seen += r.parked.len()
	}
	if seen != x.classes.n || x.sources.len() != len(x.parking) {
		t.Fatalf("%d of %d classes, %d resources for %d sources", seen, x.classes.n, len(x.parking), x.sources.len())
	}
}
