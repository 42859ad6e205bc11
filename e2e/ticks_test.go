//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// tickTTL is for how long a silent server keeps the schedules that it has claimed,
// and its lease.
const tickTTL = 5 * time.Second

// TestTicksOfACluster (T11) has three servers fire 200 schedules, ten of them every
// second, while they are frozen for longer than their claims last, lose their
// database, are killed, and are restarted in turn. There is no leader to elect or
// lose: all of them plan all the time. What fires is what a slow walk through the
// seconds says, each nominal once, with one job each that runs once.
// RUNSHEET_CHAOS=full goes on for 60 minutes (RUNSHEET_CHAOS_MINUTES changes that).
func TestTicksOfACluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("freezes real servers for longer than their claims")
	}
	c := newCluster(t, tickTTL, "--schedules-claim-ttl", tickTTL.String())
	a, b, m := c.nodes[0], c.nodes[1], c.nodes[2]
	x := newTicks(t, c.dir, a.server, 200, 10)
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		x.long(c)
	} else {
		thaw := a.freeze(true, true)
		pause(tickTTL + 3*time.Second)
		thaw()
		heal := m.cut(true)
		pause(tickTTL + 3*time.Second)
		b.kill() // for a moment only the one that was frozen plans
		pause(2 * time.Second)
		heal()
		b.up()
		for _, n := range c.nodes {
			n.leave()
			n.up()
		}
	}
	x.judge(a.server)
}

// long does it all at random until its time is over. At least one server is left
// alone at any time, so that no nominal is late by more than the grace.
func (x *ticks) long(c *cluster) {
	minutes := 60
	if n, err := strconv.Atoi(os.Getenv("RUNSHEET_CHAOS_MINUTES")); err == nil {
		minutes = n
	}
	for end := time.Now().Add(time.Duration(minutes) * time.Minute); time.Now().Before(end); {
		first := rand.IntN(3)
		n, other := c.nodes[first], c.nodes[(first+1)%3]
		d := 200*time.Millisecond + rand.N(4*tickTTL)
		switch rand.IntN(5) {
		case 0:
			thaw := n.freeze(rand.IntN(2) == 0, true)
			pause(d / 2)
			other.kill()
			pause(d / 2)
			thaw()
			other.up()
		case 1:
			n.kill()
			pause(d)
			n.up()
		case 2:
			heal := c.nodes[2].cut(true)
			pause(d)
			heal()
		case 3:
			thaw, also := n.freeze(true, true), other.freeze(false, true)
			pause(d)
			also()
			thaw()
		default:
			for _, n := range c.nodes {
				n.leave()
				n.up()
			}
		}
		pause(rand.N(3 * time.Second))
	}
}

// leave ends the server in good order, also one that is a machine of its own.
func (n *node) leave() {
	n.t.Helper()
	if err := syscall.Kill(n.pid(), syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	eventually(n.t, time.Minute, "the server stops", func() bool {
		select {
		case <-n.done:
			n.cmd = nil
			return true
		default:
			return false
		}
	})
}

// TestTicksOfASQLiteServer kills a single server and starts it again: what was due
// meanwhile is made up, and nothing fires twice.
func TestTicksOfASQLiteServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills real servers")
	}
	kills := 8
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		kills = 300
	}
	s := newServer(t, "", "--workers", "8")
	s.start()
	x := newTicks(t, t.TempDir(), s, 20, 5)
	for range kills {
		pause(200*time.Millisecond + rand.N(2*time.Second)) // anywhere within a tick
		s.kill()
		s.start()
	}
	x.judge(s)
}

// ticks are schedules with what they are expected to do.
type ticks struct {
	t     *testing.T
	dir   string // the witness's
	plans []plan
}

// plan is a schedule: every second, or at one second of each minute.
type plan struct {
	id      string
	second  int // -1 = each
	created time.Time
}

// newTicks makes schedules, the first of which fire every second.
func newTicks(t *testing.T, dir string, s *server, count, every int) *ticks {
	t.Helper()
	x := &ticks{t: t, dir: dir}
	for i := range count {
		p, cron := plan{second: -1}, "* * * * * *"
		if i >= every {
			p.second = i % 60
			cron = fmt.Sprintf("%d * * * * *", p.second)
		}
		got := s.must(http.MethodPost, "/api/schedules", map[string]any{
			"name": fmt.Sprint("s", i), "cron": cron, "timezone": "UTC", "overlap": "allow", "missed": "all",
			"job": map[string]any{
				"job_type": "command", "params": map[string]any{"argv": []string{built.witness, dir, "0"}}, "crash_policy": "fail",
			},
		}, http.StatusCreated)
		p.id, p.created = text(got["schedule_id"]), x.at(got["created_at"])
		x.plans = append(x.plans, p)
	}
	return x
}

func (x *ticks) at(v any) time.Time {
	x.t.Helper()
	at, err := time.Parse(time.RFC3339, text(v))
	if err != nil {
		x.t.Fatal(err)
	}
	return at
}

// walk is what a schedule fires up to the end, in a way that has nothing to do with
// how schedules are compiled.
func (p plan) walk(end time.Time) (list []time.Time) {
	for at := p.created.UTC().Truncate(time.Second).Add(time.Second); !at.After(end); at = at.Add(time.Second) {
		if p.second < 0 || at.Second() == p.second {
			list = append(list, at)
		}
	}
	return list
}

// judge compares the histories with the walk, and the witness's log with the jobs.
func (x *ticks) judge(s *server) {
	t := x.t
	t.Helper()
	end := time.Now().UTC().Truncate(time.Second)
	reached := func(p plan) bool {
		due := p.walk(end)
		if len(due) == 0 {
			return true
		}
		for _, e := range s.must(http.MethodGet, "/api/schedules/"+p.id+"/history?limit=1", nil, http.StatusOK)["items"].([]any) {
			return !x.at(e.(map[string]any)["nominal_at"]).Before(due[len(due)-1])
		}
		return false
	}
	eventually(t, 2*time.Minute, "every schedule has decided what was due", func() bool {
		return !slices.ContainsFunc(x.plans, func(p plan) bool { return !reached(p) })
	})
	for _, p := range x.plans {
		s.must(http.MethodPost, "/api/schedules/"+p.id+"/pause", map[string]any{}, http.StatusOK)
	}
	fired, jobOf := 0, map[string]string{}
	for _, p := range x.plans {
		got := map[time.Time]int{}
		for _, e := range s.all("/api/schedules/" + p.id + "/history?limit=200") {
			at := x.at(e["nominal_at"])
			if e["kind"] != "run" {
				if !at.After(end) {
					t.Errorf("schedule %s skips %v: %v", p.id, at, e)
				}
				continue
			}
			jobID := text(e["job_id"])
			if other, ok := jobOf[jobID]; ok {
				t.Errorf("job %s is of %v and of %s", jobID, at, other)
			}
			jobOf[jobID] = fmt.Sprintf("%s %v", p.id, at)
			got[at]++
		}
		for _, at := range p.walk(end) {
			if got[at] != 1 {
				t.Errorf("schedule %s fires %d times at %v", p.id, got[at], at)
			}
			delete(got, at)
			fired++
		}
		for at := range got {
			if !at.After(end) {
				t.Errorf("schedule %s fires at %v, which is none of its times", p.id, at)
			}
		}
	}
	t.Logf("%d nominals fired", fired)
	x.jobs(s, jobOf)
}

// jobs: each fired nominal has one job, no job is of none, and each ran once.
func (x *ticks) jobs(s *server, jobOf map[string]string) {
	t := x.t
	t.Helper()
	eventually(t, 2*time.Minute, "all jobs have ended", func() bool {
		return len(s.all("/api/jobs?status=QUEUED&limit=200"))+len(s.all("/api/jobs?status=RUNNING&limit=200")) == 0
	})
	list := s.all("/api/jobs?limit=200")
	starts := map[string]int{}
	for _, w := range testimony(t, x.dir) {
		if w.what == "start" {
			starts[w.job]++
		}
		if w.what == "overlap" {
			t.Errorf("job %s runs beside itself", w.job)
		}
	}
	interrupted := 0
	for _, j := range list {
		id := text(j["job_id"])
		if _, ok := jobOf[id]; !ok {
			t.Errorf("job %s belongs to no nominal", id)
		}
		delete(jobOf, id)
		switch {
		case j["status"] == "COMPLETED" && starts[id] == 1:
		case j["status"] == "FAILED" && starts[id] <= 1: // its server died: it is not repeated
			interrupted++
		default:
			t.Errorf("job %s is %v after %d starts", id, j["status"], starts[id])
		}
	}
	for id, of := range jobOf {
		t.Errorf("job %s of %s does not exist", id, of)
	}
	t.Logf("%d jobs, %d of them interrupted", len(list), interrupted)
}
