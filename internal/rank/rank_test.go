package rank_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/rank"
)

const top = int64(1<<56 - 1)

func TestNatural(t *testing.T) {
	t.Parallel()
	ascending := []rank.Rank{
		rank.Natural(0, 1), rank.Natural(0, 2), rank.Natural(0, 9), rank.Natural(0, 10), rank.Natural(0, 16),
		rank.Natural(0, top), rank.Natural(1, 1), rank.Natural(25, 1), rank.Natural(25, top),
	}
	if !slices.IsSorted(ascending) {
		t.Errorf("not ascending: %q", ascending)
	}
	if got, want := rank.Natural(2, 255), rank.Rank("c000000000000ff"); got != want {
		t.Errorf("Natural(2, 255) = %q, want %q", got, want)
	}
	for zone := range 26 {
		if got := rank.Natural(zone, 7).Zone(); got != zone {
			t.Errorf("zone of a natural rank of zone %d = %d", zone, got)
		}
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	for r, want := range map[rank.Rank]int{"": -1, "5": -1, "ai": 0, "z00000000000001": 25, "c000000000000ff!0000001": 2} {
		if got := r.Zone(); got != want {
			t.Errorf("Zone of %q = %d, want %d", r, got, want)
		}
	}
	// What is put before a zone's first job is still in that zone.
	if got := rank.Before("", rank.Natural(3, 1)).Zone(); got != 3 {
		t.Errorf("zone before the first of zone 3 = %d", got)
	}
	if got := rank.After(rank.Natural(3, top), rank.Natural(4, 1)).Zone(); got != 3 {
		t.Errorf("zone after the last of zone 3 = %d", got)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	a, b := rank.Natural(0, 1), rank.Natural(0, 2)
	for name, f := range map[string]func(){
		"zone below":       func() { rank.Natural(-1, 1) },
		"zone above":       func() { rank.Natural(26, 1) },
		"seq below":        func() { rank.Natural(0, 0) },
		"seq above":        func() { rank.Natural(0, top+1) },
		"between equal":    func() { between(a, a) },
		"between reversed": func() { between(b, a) },
		"same value":       func() { between("ah", "ah00") },
		"before nothing":   func() { rank.Before(a, "") },
		"before reversed":  func() { rank.Before(b, a) },
		"after nothing":    func() { rank.After("", a) },
		"after reversed":   func() { rank.After(b, a) },
		"spread reversed":  func() { rank.Spread(b, a, 3) },
		"no rank":          func() { between("A", "b") },
		"member of none":   func() { rank.Member("", 0) },
		"member below":     func() { rank.Member(a, -1) },
		"member above":     func() { rank.Member(a, 10_000_000) },
		"inside a group":   func() { between(rank.Member(a, 0), rank.Member(a, 1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// order is the model: ranks in use, ascending.
type order []rank.Rank

func (o order) at(i int) rank.Rank {
	if i < 0 || i >= len(o) {
		return ""
	}
	return o[i]
}

func (o *order) put(t *rapid.T, i int, r rank.Rank) {
	t.Helper()
	lo, hi := o.at(i-1), o.at(i)
	if lo >= r || hi != "" && r >= hi || r == "" {
		t.Fatalf("%q is not between %q and %q", r, lo, hi)
	}
	*o = slices.Insert(*o, i, r)
}

// checkMade checks what every made rank promises.
func checkMade(t *rapid.T, r rank.Rank) {
	if strings.HasSuffix(string(r), "0") {
		t.Fatalf("%q ends in 0", r)
	}
	if strings.Trim(string(r), "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		t.Fatalf("%q leaves the alphabet", r)
	}
	if padded := string(r) + strings.Repeat("0", 15); len(r) <= 15 && r.Zone() >= 0 &&
		strings.Trim(padded[1:15], "0123456789abcdef") == "" {
		t.Fatalf("%q has the value of a natural rank", r)
	}
}

func drawNatural(t *rapid.T) (rank.Rank, int, int64) {
	zone := rapid.SampledFrom([]int{0, 1, 2, 25}).Draw(t, "zone")
	seq := rapid.OneOf(rapid.Int64Range(1, 40), rapid.Int64Range(top-40, top)).Draw(t, "seq")
	return rank.Natural(zone, seq), zone, seq
}

// TestOrder applies any sequence of inserts, moves and removals, also inserts
// in the middle of what was moved before (a late commit).
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var o order
		move := func(make func(i int) (int, rank.Rank)) func(*rapid.T) {
			return func(t *rapid.T) {
				if len(o) == 0 {
					t.Skip("empty")
				}
				i, r := make(rapid.IntRange(0, len(o)-1).Draw(t, "i"))
				checkMade(t, r)
				o.put(t, i, r)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"natural": func(t *rapid.T) {
				r, _, _ := drawNatural(t)
				if i, found := slices.BinarySearch(o, r); !found {
					o.put(t, i, r)
				}
			},
			"before":  move(func(i int) (int, rank.Rank) { return i, rank.Before(o.at(i-1), o[i]) }),
			"after":   move(func(i int) (int, rank.Rank) { return i + 1, rank.After(o[i], o.at(i+1)) }),
			"between": move(func(i int) (int, rank.Rank) { return i, between(o.at(i-1), o[i]) }),
			"top":     move(func(int) (int, rank.Rank) { return 0, rank.Before("", o[0]) }),
			"bottom":  move(func(int) (int, rank.Rank) { return len(o), rank.After(o[len(o)-1], "") }),
			"end":     move(func(int) (int, rank.Rank) { return len(o), between(o.at(len(o)-1), "") }),
			"remove": func(t *rapid.T) {
				if len(o) > 0 {
					i := rapid.IntRange(0, len(o)-1).Draw(t, "i")
					o = slices.Delete(o, i, i+1)
				}
			},
			"": func(t *rapid.T) {
				if i := rapid.IntRange(0, len(o)).Draw(t, "gap"); i < len(o) {
					checkMembers(t, o[i], o.at(i+1))
				}
			},
		})
	})
}

// checkMembers checks that a group's members stay together.
func checkMembers(t *rapid.T, place, next rank.Rank) {
	first, last := rank.Member(place, 0), rank.Member(place, 9_999_999)
	if place >= first || first >= last || next != "" && last >= next {
		t.Fatalf("members of %q do not fit before %q", place, next)
	}
	if first.Place() != place || place.Place() != place || rank.Member(first, 5) != rank.Member(place, 5) {
		t.Fatalf("place of a member of %q is %q", place, first.Place())
	}
	for _, behind := range []rank.Rank{between(last, next), rank.After(first, next)} {
		if last >= behind {
			t.Fatalf("%q is not behind the member %q", behind, last)
		}
	}
}

// TestNear checks on which side of the natural ranks Before and After stay,
// whether or not those are taken.
func TestNear(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var o order
		r, zone, seq := drawNatural(t)
		o = order{r}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, len(o)-1).Draw(t, "i")
			n, _, _ := drawNatural(t)
			if rapid.Bool().Draw(t, "before") {
				made := rank.Before(o.at(i-1), o[i])
				if n < o[i] && made < n {
					t.Fatalf("%q, made before %q, is in front of %q", made, o[i], n)
				}
				o.put(t, i, made)
			} else {
				made := rank.After(o[i], o.at(i+1))
				if n > o[i] && made > n {
					t.Fatalf("%q, made after %q, is behind %q", made, o[i], n)
				}
				o.put(t, i+1, made)
			}
		}
		if seq > 1 && o[0] <= rank.Natural(zone, seq-1) || seq < top && o[len(o)-1] >= rank.Natural(zone, seq+1) {
			t.Fatalf("%q left the neighbourhood of %q", o, r)
		}
	})
}

func TestSpread(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := order{}
		for range 2 + rapid.IntRange(0, 20).Draw(t, "ranks") {
			r, _, _ := drawNatural(t)
			if i, found := slices.BinarySearch(o, r); !found {
				o.put(t, i, r)
			}
			i := rapid.IntRange(0, len(o)-1).Draw(t, "i")
			o.put(t, i, rank.Before(o.at(i-1), o[i]))
		}
		i := rapid.IntRange(0, len(o)).Draw(t, "gap")
		n := rapid.IntRange(0, 3000).Draw(t, "n")
		lo, hi := o.at(i-1), o.at(i)
		got := rank.Spread(lo, hi, n)
		if len(got) != n {
			t.Fatalf("%d ranks, want %d", len(got), n)
		}
		for k, r := range got {
			checkMade(t, r)
			o.put(t, i+k, r)
		}
	})
}

func TestSpreadIsShort(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]rank.Rank{"a00000000000001b", "a00000000000001n"},
		rank.Spread(rank.Natural(0, 1), "a00000000000001zz", 2)); diff != "" {
		t.Error(diff)
	}
	longest := 0
	for _, r := range rank.Spread(rank.Natural(4, 9), rank.Natural(4, 10), 1_000_000) {
		longest = max(longest, len(r))
	}
	if longest > 19 { // 36^4 > 1,000,000
		t.Errorf("a million ranks between neighbours take %d bytes", longest)
	}
}

// TestLength checks how fast the worst uses make ranks longer.
func TestLength(t *testing.T) {
	t.Parallel()
	a, b := rank.Natural(0, 1000), rank.Natural(0, 1001)
	for _, c := range []struct {
		name  string
		steps int
		max   int
		step  func(lo, hi rank.Rank) (newLo, newHi rank.Rank)
	}{
		{"always to the top", 1_000_000, 22, func(_, hi rank.Rank) (rank.Rank, rank.Rank) { return "", rank.Before("", hi) }},
		{"always to the bottom", 1_000_000, 22, func(lo, _ rank.Rank) (rank.Rank, rank.Rank) { return rank.After(lo, ""), "" }},
		{"always before one", 1_000_000, 22, func(lo, _ rank.Rank) (rank.Rank, rank.Rank) { return rank.Before(lo, b), b }},
		{"always after one", 1_000_000, 22, func(_, hi rank.Rank) (rank.Rank, rank.Rank) { return a, rank.After(a, hi) }},
		{"bisect to the left", 160, rank.MaxLen, func(lo, hi rank.Rank) (rank.Rank, rank.Rank) { return lo, between(lo, hi) }},
		{"bisect to the right", 160, rank.MaxLen, func(lo, hi rank.Rank) (rank.Rank, rank.Rank) { return between(lo, hi), hi }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lo, hi := a, b
			for i := range c.steps {
				lo, hi = c.step(lo, hi)
				if len(lo) > c.max || len(hi) > c.max {
					t.Fatalf("%q .. %q after %d steps", lo, hi, i+1)
				}
			}
		})
	}
}

// TestBisect plays an adversary who picks the sides: at most one more
// character per five steps.
func TestBisect(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lo, hi := rank.Natural(0, 1000), rank.Natural(0, 1001)
		for i := range rapid.IntRange(1, 300).Draw(t, "steps") {
			r := between(lo, hi)
			if most := 15 + 1 + i/5; len(r) > most {
				t.Fatalf("step %d: %q is longer than %d", i+1, r, most)
			}
			if rapid.Bool().Draw(t, "left") {
				hi = r
			} else {
				lo = r
			}
		}
	})
}

func ExampleBefore() {
	seventh, eighth := rank.Natural(5, 7), rank.Natural(5, 8)
	moved := rank.Before(seventh, eighth)
	fmt.Println(moved, moved > seventh, moved < eighth)
	fmt.Println(rank.Member(moved, 0))
	// Output:
	// f00000000000007i true true
	// f00000000000007i!0000000
}

func BenchmarkNatural(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		rank.Natural(5, int64(i)+1)
	}
}

func BenchmarkBefore(b *testing.B) {
	b.ReportAllocs()
	hi := rank.Natural(5, 1000)
	for range b.N {
		if hi = rank.Before("", hi); len(hi) > rank.MaxLen {
			hi = rank.Natural(5, 1000)
		}
	}
}

func BenchmarkBetween(b *testing.B) {
	b.ReportAllocs()
	lo, hi := rank.Natural(5, 1000), rank.Natural(5, 1001)
	for range b.N {
		if hi = between(lo, hi); len(hi) > rank.MaxLen {
			hi = rank.Natural(5, 1001)
		}
	}
}

func BenchmarkSpread(b *testing.B) {
	for range b.N {
		rank.Spread("", "", 100_000)
	}
}

// between is some rank strictly between two.
func between(lo, hi rank.Rank) rank.Rank { return rank.Spread(lo, hi, 1)[0] }
