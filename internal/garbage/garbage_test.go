package garbage

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestCollector(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	now := time.Unix(1000, 0)
	var set []int
	var allocs uint64
	c := &collector{now: func() time.Time { return now }, percent: usualPercent, set: func(p int) { set = append(set, p) }}
	cycles := func(n int, took time.Duration, made, live uint64) {
		for range n {
			now = now.Add(took)
			allocs += made
			c.after(live, allocs)
		}
	}
	for _, step := range []struct {
		what       string
		cycles     int
		took       time.Duration
		made, live uint64
		want       []int
	}{
		{"a start of some seconds", busyCycles, 50 * time.Millisecond, 8 * mb, 10 * mb, nil},
		{"it stays busy", 20, 200 * time.Millisecond, 10 * mb, 10 * mb, []int{400}},
		{"a little more is live", 5, 200 * time.Millisecond, 10 * mb, 13 * mb, nil},
		{"much more is live", 5, 200 * time.Millisecond, 40 * mb, 24 * mb, []int{200}},
		{"a large heap is collected as always", 5, time.Second, 300 * mb, 200 * mb, []int{100}},
		{"and small again", 5, time.Second, 30 * mb, 10 * mb, []int{400}},
		{"nothing to do any more", 1, 2 * time.Minute, 3 * mb, 10 * mb, []int{100}},
		{"one burst is not busy", busyCycles - 1, 10 * time.Millisecond, 10 * mb, 10 * mb, nil},
	} {
		set = nil
		if cycles(step.cycles, step.took, step.made, step.live); !slices.Equal(set, step.want) {
			t.Errorf("%s: set %v, want %v", step.what, set, step.want)
		}
	}
}

// TestOnCollection: each collection is told.
func TestOnCollection(t *testing.T) {
	t.Parallel()
	to, stop := make(chan struct{}, 1), make(chan struct{})
	onCollection(to, stop)
	for range 3 {
		runtime.GC()
		<-to
	}
	close(stop)
}
