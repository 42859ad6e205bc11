//go:build linux

package e2e

import (
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestFrozenInstances (T02, and some of T03) freezes, wakes and kills the servers
// of a cluster and takes their database away while clients add jobs, and lets the witness judge, see cluster.judge. The short form
// makes one freeze of each kind outlive its lease; RUNSHEET_CHAOS=full has leases
// of 30 s and 300 freezes of 1 to 90 s (RUNSHEET_CHAOS_PAUSES changes the number).
func TestFrozenInstances(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("freezes real servers for longer than their leases")
	}
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		frozenLong(t)
		return
	}
	c := newCluster(t, 5*time.Second)
	a, b, m := c.nodes[0], c.nodes[1], c.nodes[2]
	stop := c.clients(1500 * time.Millisecond)
	defer stop()
	ended := refusals{}
	for try := 0; try < 3 && c.staleWrites() == 0; try++ { // a freeze right after a report leaves nothing to refuse
		left := append(a.busy(m), b.busy(m)...)
		before := a.instance()
		// Of one only the server stops, of the other everything. The third cannot see
		// their processes.
		thawA, thawB := a.freeze(false, true), b.freeze(true, true)
		for range 3 { // it breathes shortly meanwhile, and keeps its jobs
			pause(500 * time.Millisecond)
			thaw := m.freeze(true, false)
			pause(1200 * time.Millisecond)
			thaw()
		}
		m.takeOver(left)
		ended.note(m, left)
		thawB()
		thawA()
		pause(2 * time.Second) // what they wanted to write comes now, if at all
		eventually(t, 3*time.Minute, "a woken server works under a new lease and says so", func() bool {
			code, _ := a.try(http.MethodGet, "/readyz", nil, nil)
			now := a.instance()
			return code == http.StatusOK && now != "" && now != before
		})
	}
	// A server dies and its commands do not: the one on its machine ends them.
	// Another one loses its database, and ends its commands by itself.
	left := append(b.busy(a), m.busy(a)...)
	b.crash()
	heal := m.cut(true)
	stop()
	if len(witnessesIn(c.dir)) == 0 {
		t.Error("no process outlived the server: the test tested nothing")
	}
	a.takeOver(left)
	heal()
	b.up()
	eventually(t, 3*time.Minute, "a server that has its database again is ready", func() bool {
		code, _ := m.try(http.MethodGet, "/readyz", nil, nil)
		return code == http.StatusOK
	})
	c.runDry()
	ended.judge(t, a)
	c.judge(40 * time.Second)
}

// frozenLong is the long form. Each server is frozen, wholly or not, again and
// again; about one freeze in eight outlives its lease.
func frozenLong(t *testing.T) {
	pauses := 300
	if n, err := strconv.Atoi(os.Getenv("RUNSHEET_CHAOS_PAUSES")); err == nil {
		pauses = n
	}
	c := newCluster(t, 30*time.Second)
	stop := c.clients(700 * time.Millisecond)
	defer stop()
	var wg sync.WaitGroup
	for _, n := range c.nodes {
		wg.Go(func() {
			for range pauses / len(c.nodes) {
				pause(2*time.Second + rand.N(10*time.Second))
				d := time.Second + rand.N(5*time.Second)
				if rand.IntN(8) == 0 {
					d = 36*time.Second + rand.N(54*time.Second)
				}
				long := d > 20*time.Second
				if n.way != nil && rand.IntN(3) == 0 {
					heal := n.cut(long)
					pause(d)
					heal()
					continue
				}
				thaw := n.freeze(rand.IntN(2) == 0, long)
				pause(d)
				thaw()
			}
		})
	}
	wg.Wait()
	stop()
	c.runDry()
	c.judge(time.Minute)
}
