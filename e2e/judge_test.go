//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wakeSlack is how long a command that was frozen with its machine may act after
// it woke, until its supervisor or the server ends it. What it does then counts
// for nothing.
const wakeSlack = 5 * time.Second

// refusals are the records of runs that others ended while their server was
// frozen, as they were before it woke.
type refusals map[string]map[string]any

func (r refusals) note(from *node, runs []string) {
	for _, id := range runs {
		row := from.must(http.MethodGet, "/api/job-runs/"+id, nil, http.StatusOK)
		if row["status"] == "FAILED" {
			r[id] = outcome(row)
		}
	}
}

// outcome leaves out the log, which belongs to the run whoever ended it.
func outcome(row map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range row {
		if !strings.HasPrefix(k, "log") && k != "actions" {
			out[k] = v
		}
	}
	return out
}

// judge reports whether a woken server has changed what others had ended (I3).
func (r refusals) judge(t *testing.T, from *node) {
	t.Helper()
	if len(r) == 0 {
		t.Error("no attempt was taken over: the test tested nothing")
	}
	for id, before := range r {
		now := outcome(from.must(http.MethodGet, "/api/job-runs/"+id, nil, http.StatusOK))
		if d := cmp.Diff(before, now); d != "" {
			t.Errorf("I3: a stale write changed run %s (-before +now):\n%s", id, d)
		}
	}
}

// testament is what the witness saw of one attempt.
type testament struct {
	statement
	last         time.Duration
	starts, ends int
}

// runDry waits until everything has ended, and releases what crashes have held.
func (c *cluster) runDry() {
	c.t.Helper()
	runDry(c.t, c.nodes[0].server)
}

// judge compares the clients' acknowledgements and the witness's log with what
// the servers say. recovery is the longest that a job may have waited for its
// next attempt after its server was lost (I6).
func (c *cluster) judge(recovery time.Duration) {
	t, s := c.t, c.nodes[0]
	t.Helper()
	said := testimony(t, c.dir)
	seen := map[string]*testament{} // by run
	var order []*testament
	for _, w := range said {
		r := seen[w.run]
		if r == nil {
			r = &testament{statement: w}
			seen[w.run] = r
			order = append(order, r)
		}
		r.last = max(r.last, w.at)
		switch w.what {
		case "start":
			r.at, r.key = w.at, w.key
			r.starts++
		case "end":
			r.ends++
		}
	}
	slices.SortFunc(order, func(a, b *testament) int { return int(a.at - b.at) })
	jobs := map[string]map[string]any{}
	for _, j := range s.all("/api/jobs?limit=200") {
		jobs[text(j["job_id"])] = j
	}
	for id := range c.acked {
		if jobs[id] == nil {
			t.Errorf("I1: acknowledged job %s is gone", id)
		}
	}
	if len(jobs) != len(c.acked) {
		t.Errorf("%d jobs exist, %d were acknowledged: a repeated request was obeyed twice, or an answer was lost at the end", len(jobs), len(c.acked))
	}
	zombies := c.overlaps(said, seen, order)
	completed, interrupted, rescued := c.accounts(jobs, seen)
	longest := c.recoveries(jobs, order, seen, rescued)
	if longest > recovery {
		t.Errorf("I6: a job waited for %v after its server was lost, the limit is %v", longest, recovery)
	}
	if left := witnessesIn(c.dir); len(left) > 0 {
		t.Errorf("I5: %d processes are left", len(left))
	}
	stale, pauses, long := c.staleWrites(), 0, 0
	for _, n := range c.nodes {
		pauses += len(n.windows)
		for _, w := range n.windows {
			if w.long {
				long++
			}
		}
	}
	t.Logf("%d jobs, %d attempts seen, %d jobs completed once, %d attempts interrupted (%d of them begun); %d freezes and kills, %d of them outlived a lease; "+
		"%d stale writes refused; %d attempts acted between waking and their end; longest recovery %v",
		len(jobs), len(seen), completed, interrupted, len(rescued), pauses, long, stale, zombies, longest.Round(100*time.Millisecond))
	if len(rescued) == 0 || stale == 0 {
		t.Error("I3: no attempt was taken over, or no stale write refused: the test tested nothing")
	}
}

// overlaps finds attempts of one job, and holders of one lock, that ran beside
// each other (I2, I8). An attempt that was frozen with its machine is excused: it
// does nothing while it is frozen, and may act for a moment when it wakes. It
// returns the number of those that did.
func (c *cluster) overlaps(said []statement, seen map[string]*testament, order []*testament) (zombies int) {
	c.t.Helper()
	excused := func(r *testament, other time.Duration) bool {
		for _, w := range c.windows(r.where) {
			if w.whole && w.long && w.from <= other && r.last <= w.to+wakeSlack {
				return true
			}
		}
		return false
	}
	// One that was claimed first and frozen before its command said a word begins when it
	// wakes, beside the attempt that took the job over.
	woke := func(r, other *testament) bool {
		return r != nil && r.run < other.run && slices.ContainsFunc(c.windows(r.where), func(w window) bool {
			return w.whole && w.long && w.from <= r.at && r.last <= w.to+wakeSlack
		})
	}
	// The witness's own locks also see orphans, which say nothing.
	for _, w := range said {
		if h := seen[w.holder]; w.what == "overlap" && (h == nil || !excused(h, w.at) && !woke(seen[w.run], h)) {
			c.t.Errorf("I2, I8: run %s of job %s found %s held by run %s", w.run, w.job, w.key, w.holder)
		}
	}
	beside := map[string]*testament{} // the attempt that acted last, by job and by lock
	for _, r := range order {
		for _, key := range []string{r.job, r.key} {
			former := beside[key]
			if key == "-" {
				continue
			}
			if former != nil && former.last > r.at {
				if !excused(former, r.at) && !woke(r, former) {
					c.t.Errorf("I2, I8: run %s began while run %s had %s, %v before its last sign of life", r.run, former.run, key, former.last-r.at)
				} else {
					zombies++
				}
			}
			if former == nil || former.last <= r.last {
				beside[key] = r
			}
		}
	}
	return zombies
}

func (c *cluster) windows(where string) []window {
	for _, n := range c.nodes {
		if n.data == where {
			return n.windows
		}
	}
	return nil
}

// accounts compares jobs, runs and what the witness saw (I2, I4). It returns the
// interrupted runs whose work had begun.
func (c *cluster) accounts(jobs map[string]map[string]any, seen map[string]*testament) (completed, interrupted int, rescued []string) {
	t := c.t
	t.Helper()
	done, known, begun := map[string]int{}, map[string]bool{}, map[string]int{}
	for _, r := range c.nodes[0].all("/api/job-runs?limit=200") {
		id, job := text(r["run_id"]), text(r["job_id"])
		known[id] = true
		w := seen[id]
		if w != nil {
			begun[job]++
			if w.starts > 1 {
				t.Errorf("I2: run %s started %d times", id, w.starts)
			}
		}
		switch e, _ := r["error"].(map[string]any); {
		case r["status"] == "COMPLETED":
			done[job]++
			if w == nil || w.ends != 1 {
				t.Errorf("I4: run %s is COMPLETED; the witness saw %+v", id, w)
			}
		case r["status"] == "FAILED" && e["code"] == "interrupted":
			interrupted++
			if w == nil {
				break // nothing had begun
			}
			rescued = append(rescued, id)
			// A command that was stopped with its server before it had begun begins when both wake.
			fits := func(x window) bool {
				to := x.to
				if x.whole {
					to += wakeSlack
				}
				return x.long && w.at <= to && x.from <= w.last+wakeSlack
			}
			if of := c.windows(w.where); !slices.ContainsFunc(of, fits) {
				t.Errorf("run %s was interrupted although its server lived (%v); it acted from %v to %v, its server was away in %+v", id, e["message"], w.at, w.last, of)
			}
		default:
			t.Errorf("I4: run %s is %v with %v", id, r["status"], r["error"])
		}
	}
	for id := range seen {
		if !known[id] {
			t.Errorf("I4: the witness saw run %s, the servers do not know it", id)
		}
	}
	for id, j := range jobs {
		if done[id] > 1 || (done[id] == 1) != (j["status"] == "COMPLETED") {
			t.Errorf("job %s is %v with %d completed runs", id, j["status"], done[id])
		}
		if j["retry_on_restart"] == false && begun[id] > 1 {
			t.Errorf("job %s with crash policy fail began %d times", id, begun[id])
		}
		if done[id] == 1 {
			completed++
		}
	}
	return completed, interrupted, rescued
}

// recoveries returns the longest time from the loss of a server to the next start
// of a job that it ran. Jobs that wait for a lock, too, are left out.
func (c *cluster) recoveries(jobs map[string]map[string]any, order []*testament, seen map[string]*testament, rescued []string) (longest time.Duration) {
	c.t.Helper()
	for _, id := range rescued {
		w := seen[id]
		if j := jobs[w.job]; j == nil || j["retry_on_restart"] == false || w.key != "-" {
			continue
		}
		next := slices.IndexFunc(order, func(r *testament) bool { return r.job == w.job && r.at > w.at })
		if next < 0 {
			continue
		}
		for _, x := range c.windows(w.where) {
			if x.long && w.at <= x.from && order[next].at > x.from && order[next].at-x.from < 1<<40 {
				longest = max(longest, order[next].at-x.from)
				break
			}
		}
	}
	return longest
}

// String implements fmt.Stringer for messages.
func (r *testament) String() string {
	return fmt.Sprintf("run %s on %s, %d starts, %d ends", r.run, r.where, r.starts, r.ends)
}
