package planner_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// The schedules of TestDowntime fire every minute. The server is last seen at
// minute 1, whose run has ended ("idle") or goes on ("busy"), and comes back half a
// minute after minute 1+D: the newest nominal is within the grace of a minute, those
// before it are missed. Minutes are written as numbers.
//
// outages has what the specification says of the missed nominals, before the
// overlap policy looks: which may fire, oldest first, and how many are skipped why.
// Of 30 days only the last 24 hours count: minutes 41762 to 43200 are at most that
// old half a minute after 43201.
var outages = []struct {
	down   time.Duration
	minute int64 // the newest nominal
	may    map[agenda.Missed][]int64
	skips  map[agenda.Missed]map[agenda.Reason]int64
}{
	{
		5 * time.Minute, 6,
		map[agenda.Missed][]int64{
			agenda.MissedSkip: {6}, agenda.MissedLatest: {5, 6}, agenda.MissedEarliest: {2, 6}, agenda.MissedAll: {2, 3, 4, 5, 6},
		},
		map[agenda.Missed]map[agenda.Reason]int64{
			agenda.MissedSkip: {"missed": 4}, agenda.MissedLatest: {"coalesced": 3}, agenda.MissedEarliest: {"coalesced": 3}, agenda.MissedAll: {},
		},
	},
	{
		2 * time.Hour, 121,
		map[agenda.Missed][]int64{
			agenda.MissedSkip: {121}, agenda.MissedLatest: {120, 121}, agenda.MissedEarliest: {2, 121}, agenda.MissedAll: minutes(21, 121),
		},
		map[agenda.Missed]map[agenda.Reason]int64{
			agenda.MissedSkip: {"missed": 119}, agenda.MissedLatest: {"coalesced": 118}, agenda.MissedEarliest: {"coalesced": 118},
			agenda.MissedAll: {"catch_up_limit": 19},
		},
	},
	{
		30 * 24 * time.Hour, 43201,
		map[agenda.Missed][]int64{
			agenda.MissedSkip: {43201}, agenda.MissedLatest: {43200, 43201}, agenda.MissedEarliest: {41762, 43201},
			agenda.MissedAll: minutes(43101, 43201),
		},
		map[agenda.Missed]map[agenda.Reason]int64{
			agenda.MissedSkip:   {"missed_window": 41760, "missed": 1439},
			agenda.MissedLatest: {"missed_window": 41760, "coalesced": 1438}, agenda.MissedEarliest: {"missed_window": 41760, "coalesced": 1438},
			agenda.MissedAll: {"missed_window": 41760, "catch_up_limit": 1339},
		},
	},
}

func minutes(from, to int64) (list []int64) {
	for m := from; m <= to; m++ {
		list = append(list, m)
	}
	return list
}

// policyRows have what the overlap policy makes of n nominals that may fire in one
// decision: which of them run, by index, and the reason of the others.
var policyRows = []struct {
	overlap agenda.Overlap
	busy    bool
	run     func(n int) []int
	reason  agenda.Reason
}{
	// A nominal that is due while a run is queued or running is skipped.
	{agenda.OverlapSkip, false, func(int) []int { return []int{0} }, "overlap"},
	{agenda.OverlapSkip, true, func(int) []int { return nil }, "overlap"},
	// One waits, behind the run that goes on or the first of these.
	{agenda.OverlapQueueOne, false, func(n int) []int { return indices(0, min(n, 2)) }, "overlap"},
	{agenda.OverlapQueueOne, true, func(int) []int { return []int{0} }, "overlap"},
	// The newest waits.
	{agenda.OverlapQueueLatest, false, func(n int) []int { return slices.Compact([]int{0, n - 1}) }, "superseded"},
	{agenda.OverlapQueueLatest, true, func(n int) []int { return []int{n - 1} }, "superseded"},
	// A hundred wait.
	{agenda.OverlapQueueAll, false, func(n int) []int { return indices(0, min(n, 101)) }, "buffer_full"},
	{agenda.OverlapQueueAll, true, func(n int) []int { return indices(0, min(n, 100)) }, "buffer_full"},
	// Each gives way to the next one.
	{agenda.OverlapCancelRunning, false, func(n int) []int { return []int{n - 1} }, "superseded"},
	{agenda.OverlapCancelRunning, true, func(n int) []int { return []int{n - 1} }, "superseded"},
	{agenda.OverlapAllow, false, func(n int) []int { return indices(0, n) }, ""},
	{agenda.OverlapAllow, true, func(n int) []int { return indices(0, n) }, ""},
}

func indices(from, to int) (list []int) {
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// TestDowntime is T12: downtimes x missed x overlap, through planner and store, with
// the run of before the downtime ended or under way.
func TestDowntime(t *testing.T) {
	t.Parallel()
	if n := len(policyRows); n != 2*len(agenda.Overlaps()) {
		t.Fatalf("%d rows", n)
	}
	for _, o := range outages {
		t.Run(o.down.String(), func(t *testing.T) {
			t.Parallel()
			d := newDowntime(t, "* * * * *")
			for _, missed := range agenda.MissedPolicies() {
				for _, row := range policyRows {
					d.add(missed, row.overlap, row.busy)
				}
			}
			d.goDown(o.down)
			for _, missed := range agenda.MissedPolicies() {
				for _, row := range policyRows {
					may := o.may[missed]
					runs, skips := []int64{}, maps.Clone(o.skips[missed])
					for _, i := range row.run(len(may)) {
						runs = append(runs, may[i])
					}
					if rest := int64(len(may) - len(runs)); rest > 0 {
						skips[row.reason] += rest
					}
					d.check(rowName(missed, row.overlap, row.busy), runs, skips, o.minute)
				}
			}
			d.goesOn(o.minute)
		})
	}
}

func rowName(m agenda.Missed, o agenda.Overlap, busy bool) string {
	return fmt.Sprintf("%s/%s/%s", m, o, map[bool]string{false: "idle", true: "busy"}[busy])
}

type downtimes struct {
	t     *testing.T
	s     store.Store
	clock *clocktest.Manual
	p     *planner.Planner
	floor *floor
	names []string
}

func newDowntime(t *testing.T, expression string) *downtimes {
	t.Helper()
	tr, err := schedule.Compile(schedule.Spec{Kind: schedule.KindCron, Zone: time.UTC, Cron: schedule.CronSpec{Expressions: []string{expression}}}, schedule.Calendars{})
	if err != nil {
		t.Fatal(err)
	}
	d := &downtimes{t: t, clock: clocktest.New(beginning)}
	d.s = openStore(t, d.clock)
	d.floor = newFloor(t, d.s, d.clock)
	d.p = planner.New(planner.Options{
		Store: d.s.Schedules, By: "p", Clock: d.clock, Compose: compose, // by the store's clock, as a server
		Compile: func(context.Context, agenda.Schedule) (planner.Compiled, error) {
			return planner.Compiled{Trigger: tr}, nil
		},
	})
	return d
}

func (d *downtimes) add(m agenda.Missed, o agenda.Overlap, busy bool) {
	d.t.Helper()
	d.create(rowName(m, o, busy), func(p *agenda.Policy) { p.Missed, p.Overlap = m, o })
}

func (d *downtimes) create(name string, edit func(*agenda.Policy)) {
	d.t.Helper()
	n := agenda.Schedule{ID: id.New(id.Schedule, beginning), Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
	n.Name, n.Zone, n.Policy, n.State = name, "UTC", agenda.NewPolicy(), agenda.State{}.Begin(beginning)
	edit(&n.Policy)
	if _, err := d.s.Schedules.Create(d.t.Context(), store.PutSchedule{Schedule: n}); err != nil {
		d.t.Fatal(err)
	}
	d.names = append(d.names, n.Name)
}

func (d *downtimes) tick() {
	d.t.Helper()
	for more := true; more; {
		var err error
		if more, err = d.p.Tick(d.t.Context()); err != nil {
			d.t.Fatal(err)
		}
	}
}

// goDown lets minute 1 fire, has nobody plan for a while, and plans again.
func (d *downtimes) goDown(length time.Duration) {
	d.t.Helper()
	d.clock.Set(beginning.Add(time.Minute))
	d.tick()
	d.floor.start()
	if len(d.floor.running) != len(d.names) {
		d.t.Fatalf("%d of %d run before the downtime", len(d.floor.running), len(d.names))
	}
	var idle, busy []store.Claimed
	for _, c := range d.floor.running {
		if strings.HasSuffix(c.Job.Name, "/busy") {
			busy = append(busy, c)
		} else {
			idle = append(idle, c)
		}
	}
	d.floor.running = idle
	d.floor.end()
	d.floor.running = busy
	d.clock.Set(beginning.Add(time.Minute + length + 30*time.Second))
	d.tick()
}

// history is what became of a schedule's nominals after minute 1.
func (d *downtimes) history(name string) (entries []store.HistoryEntry) {
	d.t.Helper()
	page, err := d.s.Schedules.History(d.t.Context(), store.ListHistory{Tenant: tenant, ID: name, Limit: 500})
	if err != nil || page.More {
		d.t.Fatalf("history of %s: %v, more: %v", name, err, page.More)
	}
	slices.Reverse(page.Entries)
	return slices.DeleteFunc(page.Entries, func(e store.HistoryEntry) bool { return !e.Run.Nominal.After(beginning.Add(time.Minute)) })
}

func minuteOf(at time.Time) int64 { return int64(at.Sub(beginning) / time.Minute) }

// check compares a schedule's history and counters with the table.
func (d *downtimes) check(name string, wantRuns []int64, wantSkips map[agenda.Reason]int64, newest int64) {
	d.t.Helper()
	runs, skips, rows := []int64{}, map[agenda.Reason]int64{}, map[agenda.Reason]int{}
	covered := []int64{}
	for _, e := range d.history(name) {
		switch {
		case e.Reason != "":
			skips[e.Reason] += e.Count
			rows[e.Reason]++
			covered = append(covered, minutes(minuteOf(e.Run.Nominal), minuteOf(e.Last))...)
		case e.Run.Reason != "":
			d.t.Errorf("%s: the run of minute %d is %s (%s)", name, minuteOf(e.Run.Nominal), e.Run.Status, e.Run.Reason)
		default:
			runs = append(runs, minuteOf(e.Run.Nominal))
			want := agenda.SourceCatchUp
			if minuteOf(e.Run.Nominal) == newest {
				want = agenda.SourceSchedule
			}
			if e.Run.Source != want {
				d.t.Errorf("%s: minute %d has the source %s", name, minuteOf(e.Run.Nominal), e.Run.Source)
			}
			covered = append(covered, minuteOf(e.Run.Nominal))
		}
	}
	if diff := cmp.Diff(wantRuns, runs); diff != "" {
		d.t.Errorf("%s: fires (-table +got):\n%s", name, diff)
	}
	if diff := cmp.Diff(wantSkips, skips); diff != "" {
		d.t.Errorf("%s: skips (-table +got):\n%s", name, diff)
	}
	// Each nominal of the downtime once.
	slices.Sort(covered)
	if !slices.Equal(covered, minutes(2, newest)) {
		d.t.Errorf("%s: the history covers %d nominals, %d to %d, want each of 2 to %d", name, len(covered), covered[0], covered[len(covered)-1], newest)
	}
	for _, r := range []agenda.Reason{"missed", "missed_window", "coalesced", "catch_up_limit", "buffer_full"} {
		if rows[r] > 1 {
			d.t.Errorf("%s: %d rows of nominals skipped for the reason %s, they are to be one", name, rows[r], r)
		}
	}
	s, err := d.s.Schedules.Schedule(d.t.Context(), tenant, name)
	if err != nil {
		d.t.Fatal(err)
	}
	if diff := cmp.Diff(wantSkips, s.State.Skips, cmp.Comparer(func(a, b map[agenda.Reason]int64) bool { return maps.Equal(a, b) })); diff != "" {
		d.t.Errorf("%s: counters (-table +got):\n%s", name, diff)
	}
	if s.State.Status != agenda.Active || s.State.RunCount != 1+len(wantRuns) {
		d.t.Errorf("%s: %s after %d runs, want %d", name, s.State.Status, s.State.RunCount, 1+len(wantRuns))
	}
}

// goesOn: what waits runs in the order of its nominals, and from then on every
// minute fires: no downtime turns a schedule off.
func (d *downtimes) goesOn(newest int64) {
	d.t.Helper()
	for _, name := range d.names {
		started := len(d.floor.starts[name])
		if strings.Contains(name, "/busy") && !strings.Contains(name, "/allow/") {
			d.floor.start()
			if len(d.floor.starts[name]) != started {
				d.t.Errorf("%s: a run starts beside the one that goes on", name)
			}
		}
	}
	for _, c := range d.floor.running {
		j, err := d.s.Jobs.Job(d.t.Context(), tenant, c.Job.ID)
		if err != nil {
			d.t.Fatal(err)
		}
		asked := strings.HasSuffix(j.Name, "/cancel_running/busy") && c.Job.ID == d.floor.starts[j.Name][0]
		if asked == j.CancelAskedAt.IsZero() {
			d.t.Errorf("%s: asked to stop: %v", j.Name, !asked)
		}
	}
	d.floor.end()
	d.floor.drain()
	for _, name := range d.names {
		var want []string
		for _, e := range d.history(name) {
			if e.Reason == "" {
				want = append(want, e.Run.JobID)
			}
		}
		if got := d.floor.starts[name][1:]; !slices.Equal(got, want) {
			d.t.Errorf("%s: %d jobs start, and not in the order of the %d nominals", name, len(got), len(want))
		}
	}
	for m := newest + 1; m <= newest+3; m++ {
		d.clock.Set(beginning.Add(time.Duration(m) * time.Minute))
		d.tick()
		d.floor.drain()
	}
	for _, name := range d.names {
		var runs []int64
		for _, e := range d.history(name) {
			if m := minuteOf(e.Run.Nominal); m > newest && e.Reason == "" && !e.Run.Status.Open() {
				runs = append(runs, m)
			}
		}
		if !slices.Equal(runs, minutes(newest+1, newest+3)) {
			d.t.Errorf("%s: after the downtime fire %v", name, runs)
		}
	}
}

// TestHardCaps: what a downtime of 30 days may start at most, by the defaults and
// by each bound.
func TestHardCaps(t *testing.T) {
	t.Parallel()
	d := newDowntime(t, "* * * * *")
	rows := []struct {
		name string
		edit func(*agenda.Policy)
		want []int64
	}{
		// The default makes up one run, and none runs beside another.
		{"default", func(*agenda.Policy) {}, []int64{43200}},
		{"default, side by side", func(p *agenda.Policy) { p.Overlap = agenda.OverlapAllow }, []int64{43200, 43201}},
		{"no window", func(p *agenda.Policy) {
			p.Overlap, p.Missed, p.CatchUpWindow = agenda.OverlapAllow, agenda.MissedAll, 0
		}, []int64{43201}},
		{"window", func(p *agenda.Policy) {
			p.Overlap, p.Missed, p.CatchUpWindow = agenda.OverlapAllow, agenda.MissedAll, 5*time.Minute
		}, minutes(43197, 43201)},
		{"max_catch_up", func(p *agenda.Policy) {
			p.Overlap, p.Missed, p.MaxCatchUp = agenda.OverlapAllow, agenda.MissedAll, 3
		}, minutes(43198, 43201)},
		{"max_queued", func(p *agenda.Policy) {
			p.Overlap, p.Missed, p.MaxQueued = agenda.OverlapQueueAll, agenda.MissedAll, 2
		}, minutes(43101, 43103)},
		{"max_runs", func(p *agenda.Policy) { p.Overlap, p.Missed, p.MaxRuns = agenda.OverlapAllow, agenda.MissedAll, 5 }, minutes(43101, 43104)},
		{"start_deadline", func(p *agenda.Policy) {
			p.Overlap, p.Missed, p.StartDeadline = agenda.OverlapAllow, agenda.MissedAll, 5*time.Minute
		}, minutes(43197, 43201)},
		{"spaced", func(p *agenda.Policy) {
			p.Overlap, p.Missed, p.MaxCatchUp, p.MinInterval = agenda.OverlapAllow, agenda.MissedAll, 3, 10*time.Minute
		}, minutes(43198, 43200)},
	}
	for _, r := range rows {
		d.create(r.name, r.edit)
	}
	d.goDown(30 * 24 * time.Hour)
	for _, r := range rows {
		var got []int64
		for _, e := range d.history(r.name) {
			if e.Reason == "" {
				got = append(got, minuteOf(e.Run.Nominal))
			}
			if j := len(got) - 1; r.name == "spaced" && e.Reason == "" && !e.Run.PlannedAt.Equal(d.clock.Now().Add(time.Duration(j)*10*time.Minute)) {
				t.Errorf("spaced: minute %d is planned for %v", got[j], e.Run.PlannedAt)
			}
		}
		if !slices.Equal(got, r.want) {
			t.Errorf("%s: fires %v, want %v", r.name, got, r.want)
		}
	}
}

// TestSecondsMissed: 2,592,000 missed nominals are decided, in parts, and the
// schedule goes on: no number of them is too many.
func TestSecondsMissed(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("two million nominals")
	}
	d := newDowntime(t, "* * * * * *")
	for _, m := range agenda.MissedPolicies() {
		d.create(string(m), func(p *agenda.Policy) { p.Missed, p.Overlap = m, agenda.OverlapAllow })
	}
	d.clock.Set(beginning.Add(30 * 24 * time.Hour))
	d.tick()
	for m, catchUps := range map[agenda.Missed]int{agenda.MissedSkip: 0, agenda.MissedLatest: 1, agenda.MissedEarliest: 1, agenda.MissedAll: 100} {
		s, err := d.s.Schedules.Schedule(t.Context(), tenant, string(m))
		if err != nil {
			t.Fatal(err)
		}
		skipped := int64(0)
		for _, k := range s.State.Skips {
			skipped += k
		}
		// The last 61 seconds are within the grace.
		if want := catchUps + 61; s.State.RunCount != want || skipped != 2_592_000-int64(want) || !s.State.Next.Equal(d.clock.Now().Add(time.Second)) {
			t.Errorf("%s: %d runs, want %d; %d skipped; next %v", m, s.State.RunCount, want, skipped, s.State.Next)
		}
	}
}
