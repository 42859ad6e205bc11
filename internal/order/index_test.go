package order_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
)

// resources reads what a class needs from its name: "gpu,type#3" needs "gpu"
// and "type".
func resources(class string) []string {
	needs, _, _ := strings.Cut(class, "#")
	if needs == "" {
		return nil
	}
	return strings.Split(needs, ",")
}

func isFree(string) bool { return false }

// model is the index in its simplest form: a sorted list.
type model []order.Spot

func (m model) find(r rank.Rank) (int, bool) {
	return slices.BinarySearchFunc(m, r, func(s order.Spot, r rank.Rank) int { return strings.Compare(string(s.Rank), string(r)) })
}

func (m *model) apply(ds []order.Delta) {
	for _, d := range ds {
		if i, found := m.find(d.Out.Rank); found {
			*m = slices.Delete(*m, i, i+1)
		}
	}
	for _, d := range ds {
		if i, found := m.find(d.In.Rank); !found && d.In.Rank != "" {
			*m = slices.Insert(*m, i, d.In)
		}
	}
}

func (m model) places() (places []rank.Rank, jobs int) {
	for _, s := range m {
		if s.Listed {
			jobs++
			places = append(places, s.Rank.Place())
		}
	}
	return slices.Compact(places), jobs
}

func (m model) walk(blocked func(string) bool, yield func(rank.Rank, string) bool) {
	for _, s := range m {
		if s.Ready && !slices.ContainsFunc(resources(s.Class), blocked) && !yield(s.Rank, s.Class) {
			return
		}
	}
}

func (m model) blocked(blocked func(string) bool, n, limit int) []order.Head {
	var heads []order.Head
	seen := map[string]bool{}
	for _, s := range m {
		if !s.Ready || seen[s.Class] || len(seen) == limit {
			continue
		}
		seen[s.Class] = true
		needs := resources(s.Class)
		if i := slices.IndexFunc(needs, blocked); i >= 0 && len(heads) < n {
			heads = append(heads, order.Head{Rank: s.Rank, Class: s.Class, Resource: needs[i]})
		}
	}
	return heads
}

// capacities is what a consumer takes from.
type capacities map[string]int

func (c capacities) blocked(resource string) bool { return c[resource] <= 0 }

func (c capacities) take(class string) {
	for _, r := range resources(class) {
		c[r]--
	}
}

var (
	names   = []string{"gpu", "cpu", "type", "key1", "key2"}
	classes = []string{"#0", "gpu#1", "gpu,type#2", "type,gpu#3", "cpu,type#4", "key1,type#5", "key2,type#6", "key1#7", "gpu,cpu#8", "type#9"}
)

func drawSpot(t *rapid.T, ranks int) order.Spot {
	p := rank.Natural(5, int64(rapid.IntRange(1, ranks).Draw(t, "rank")))
	if n := rapid.IntRange(-4, 3).Draw(t, "member"); n >= 0 {
		p = rank.Member(p, n)
	}
	return order.Spot{
		Rank:   p,
		Class:  rapid.SampledFrom(classes).Draw(t, "class"),
		Listed: rapid.IntRange(0, 4).Draw(t, "listed") > 0,
		Ready:  rapid.IntRange(0, 3).Draw(t, "ready") > 0,
	}
}

// drawDeltas makes a change that fits: some jobs leave, come, or swap places.
func drawDeltas(t *rapid.T, m model, ranks int) []order.Delta {
	var ds []order.Delta
	after := slices.Clone(m)
	for range rapid.IntRange(0, 12).Draw(t, "deltas") {
		var d order.Delta
		if len(m) > 0 && rapid.Bool().Draw(t, "out") {
			s := m[rapid.IntRange(0, len(m)-1).Draw(t, "i")]
			if slices.ContainsFunc(ds, func(d order.Delta) bool { return d.Out.Rank == s.Rank }) {
				continue
			}
			d.Out = s
			after.apply([]order.Delta{{Out: s}})
		}
		ds = append(ds, d)
	}
	for i := range ds {
		if ds[i].Out.Rank != "" && rapid.IntRange(0, 2).Draw(t, "gone") == 0 {
			continue
		}
		in := drawSpot(t, ranks)
		if !in.Listed && !in.Ready {
			continue
		}
		if _, found := after.find(in.Rank); !found {
			ds[i].In = in
			after.apply([]order.Delta{{In: in}})
		}
	}
	return ds
}

type visit struct {
	Rank  rank.Rank
	Class string
}

// claim walks with a consumer that takes up to slots jobs.
func claim(walk func(func(string) bool, func(rank.Rank, string) bool), free capacities, slots int) []visit {
	var got []visit
	walk(free.blocked, func(r rank.Rank, class string) bool {
		got = append(got, visit{r, class})
		free.take(class)
		return len(got) < slots
	})
	return got
}

func same(t *rapid.T, x *order.Index, m model) {
	places, jobs := m.places()
	if x.Jobs() != jobs || x.Places() != len(places) {
		t.Fatalf("%d jobs at %d places, want %d at %d", x.Jobs(), x.Places(), jobs, len(places))
	}
	for i, p := range places {
		if got, ok := x.At(i); !ok || got != p {
			t.Fatalf("At(%d) = %q, want %q", i, got, p)
		}
		if got := x.Position(rank.Member(p, 2)); got != i {
			t.Fatalf("Position(%q) = %d, want %d", p, got, i)
		}
		if got := x.Position(rank.After(p, "")); got != i+1 {
			t.Fatalf("Position behind %q = %d, want %d", p, got, i+1)
		}
	}
	for _, i := range []int{-1, len(places)} {
		if _, ok := x.At(i); ok {
			t.Fatalf("there is a place at %d", i)
		}
	}
}

// TestIndex runs all operations against the model. Walks come with resources
// that are taken, and freed between walks.
func TestIndex(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ranks := rapid.SampledFrom([]int{12, 200}).Draw(t, "ranks")
		x := order.New(resources)
		var m model
		free := capacities{}
		t.Repeat(map[string]func(*rapid.T){
			"apply": func(t *rapid.T) {
				ds := drawDeltas(t, m, ranks)
				if err := x.Apply(ds); err != nil {
					t.Fatal(err)
				}
				m.apply(ds)
			},
			"load": func(t *rapid.T) {
				x.Load(slices.Values(rapid.Permutation(m).Draw(t, "spots")))
			},
			"free": func(t *rapid.T) {
				free[rapid.SampledFrom(names).Draw(t, "resource")] = rapid.IntRange(0, 3).Draw(t, "capacity")
			},
			"walk": func(t *rapid.T) {
				slots := rapid.IntRange(1, 20).Draw(t, "slots")
				want := claim(m.walk, maps.Clone(free), slots)
				got := claim(x.Walk, free, slots)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("walk (-want +got):\n%s", diff)
				}
				if rapid.Bool().Draw(t, "claimed") {
					var ds []order.Delta
					for _, v := range got {
						i, _ := m.find(v.Rank)
						ds = append(ds, order.Delta{Out: m[i]})
					}
					if err := x.Apply(ds); err != nil {
						t.Fatal(err)
					}
					m.apply(ds)
				}
			},
			"blocked": func(t *rapid.T) {
				n, limit := rapid.IntRange(0, 8).Draw(t, "n"), rapid.IntRange(0, 12).Draw(t, "limit")
				want, got := m.blocked(free.blocked, n, limit), x.Blocked(free.blocked, n, limit)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("blocked (-want +got):\n%s", diff)
				}
			},
			"": func(t *rapid.T) { same(t, x, m) },
		})
	})
}

// TestMisfit changes that do not fit to what the index knows.
func TestMisfit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := order.New(resources)
		var m model
		for range 3 {
			ds := drawDeltas(t, m, 6)
			if err := x.Apply(ds); err != nil {
				t.Fatal(err)
			}
			m.apply(ds)
		}
		s := drawSpot(t, 6)
		if !s.Listed && !s.Ready {
			t.Skip("no spot")
		}
		i, found := m.find(s.Rank)
		switch {
		case !found:
			if x.Apply([]order.Delta{{Out: s}}) == nil {
				t.Fatalf("took %+v out of %+v", s, m)
			}
		case s.Listed && m[i].Listed, s.Ready && m[i].Ready && s.Class == m[i].Class:
			if x.Apply([]order.Delta{{In: s}}) == nil {
				t.Fatalf("put %+v into %+v", s, m)
			}
		}
		x.Load(slices.Values(m))
		same(t, x, m)
	})
}

// TestLarge goes through splits and merges of blocks.
func TestLarge(t *testing.T) {
	t.Parallel()
	const n = 20_000
	spot := func(i int) order.Spot {
		return order.Spot{Rank: rank.Natural(5, int64(i)+1), Class: fmt.Sprintf("gpu#%d", i%3), Listed: true, Ready: true}
	}
	x := order.New(resources)
	apply := func(d order.Delta) {
		t.Helper()
		if err := x.Apply([]order.Delta{d}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(every int) {
		t.Helper()
		if x.Places() != n/every {
			t.Fatalf("%d places, want %d", x.Places(), n/every)
		}
		for i := range n / every {
			want := spot(i * every).Rank
			if got, _ := x.At(i); got != want || x.Position(want) != i {
				t.Fatalf("At(%d) = %q, Position(%q) = %d", i, got, want, x.Position(want))
			}
		}
		i := 0
		x.Walk(isFree, func(r rank.Rank, _ string) bool {
			if want := spot(i * every).Rank; r != want {
				t.Fatalf("walk: %q at %d, want %q", r, i, want)
			}
			i++
			return true
		})
		if i != n/every {
			t.Fatalf("walk yields %d", i)
		}
	}
	for i := range n {
		apply(order.Delta{In: spot(i * 7919 % n)}) // in no order
	}
	check(1)
	had := 1
	for _, every := range []int{2, 4, 100} {
		for i := range n {
			if j := i * 7919 % n; j%had == 0 && j%every != 0 {
				apply(order.Delta{Out: spot(j)})
			}
		}
		check(every)
		had = every
	}
	for i := range n {
		if i%100 != 0 {
			apply(order.Delta{In: spot(i)})
		}
	}
	check(1)
	for i := range n {
		apply(order.Delta{Out: spot(i)})
	}
	if x.Places() != 0 || x.Jobs() != 0 {
		t.Errorf("%d jobs at %d places are left", x.Jobs(), x.Places())
	}
}

// TestWalkQuestions counts what a walk asks: that is its cost.
func TestWalkQuestions(t *testing.T) {
	t.Parallel()
	const n = 5000
	var spots []order.Spot
	for i := range n {
		spots = append(spots, order.Spot{Rank: rank.Natural(5, int64(i)+1), Class: fmt.Sprintf("gpu,key%d#", i), Listed: true, Ready: true})
	}
	last := order.Spot{Rank: rank.Natural(5, n+1), Class: "cpu#", Listed: true, Ready: true}
	x := order.New(resources)
	x.Load(slices.Values(append(spots, last)))
	walk := func(blocked func(string) bool, want ...rank.Rank) (asked int) {
		t.Helper()
		var got []rank.Rank
		x.Walk(func(r string) bool {
			asked++
			return blocked(r)
		}, func(r rank.Rank, _ string) bool {
			got = append(got, r)
			return len(got) < len(want)
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("walk (-want +got):\n%s", diff)
		}
		return asked
	}
	gpu := func(r string) bool { return r == "gpu" }
	keys := func(r string) bool { return strings.HasPrefix(r, "key") }
	for _, c := range []struct {
		name    string
		blocked func(string) bool
		want    []rank.Rank
		most    int
	}{
		{"gpu blocked, first time", gpu, []rank.Rank{last.Rank}, n + 1},
		{"gpu blocked", gpu, []rank.Rank{last.Rank}, 2},
		{"gpu free again", isFree, []rank.Rank{spots[0].Rank, spots[1].Rank}, 10},
		{"all keys blocked, first time", keys, []rank.Rank{last.Rank}, 3*n + 2},
		{"all keys blocked", keys, []rank.Rank{last.Rank}, n + 1},
		{"all keys free again", isFree, []rank.Rank{spots[0].Rank, spots[1].Rank}, 10},
	} {
		if asked := walk(c.blocked, c.want...); asked > c.most {
			t.Errorf("%s: %d questions, want %d at most", c.name, asked, c.most)
		}
	}
}

// TestWalkDriesUp frees a lock that thousands of classes wait for. When the
// first of them has taken it, the others are not asked about.
func TestWalkDriesUp(t *testing.T) {
	t.Parallel()
	x := order.New(resources)
	for i := range 5000 {
		if err := x.Apply([]order.Delta{{In: order.Spot{Rank: rank.Natural(5, int64(i)+1), Class: fmt.Sprintf("gpu#%d", i), Ready: true}}}); err != nil {
			t.Fatal(err)
		}
	}
	free := capacities{}
	claim(x.Walk, free, 10) // parks all
	for range 3 {
		free["gpu"] = 1
		asked := 0
		got := claim(func(blocked func(string) bool, yield func(rank.Rank, string) bool) {
			x.Walk(func(r string) bool {
				asked++
				return blocked(r)
			}, yield)
		}, free, 10)
		if len(got) != 1 || asked > 6 {
			t.Errorf("%d jobs after %d questions", len(got), asked)
		}
	}
}

func ExampleIndex_Walk() {
	x := order.New(func(class string) []string { return []string{"lock:" + class} })
	x.Load(slices.Values([]order.Spot{
		{Rank: rank.Natural(5, 1), Class: "gpu", Listed: true, Ready: true},
		{Rank: rank.Natural(5, 2), Class: "disk", Listed: true, Ready: true},
		{Rank: rank.Natural(5, 3), Class: "gpu", Listed: true, Ready: true},
	}))
	taken := map[string]bool{}
	x.Walk(func(resource string) bool { return taken[resource] }, func(r rank.Rank, class string) bool {
		fmt.Println(r, class)
		taken["lock:"+class] = true
		return true
	})
	// Output:
	// f00000000000001 gpu
	// f00000000000002 disk
}
