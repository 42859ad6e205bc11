package planner_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

// plot is a schedule of the simulated year: as the product is told of it, and as the
// slow reading has it.
type plot struct {
	id, name, what string
	trigger        *schedule.Trigger
	policy         agenda.Policy

	nominals []moment
	bounded  bool          // the nominals are all that there are
	after    time.Duration // after_completion
	upstream *plot         // ON: the schedule whose jobs it waits for
	delay    time.Duration
	salt     uint64
}

// takes is how long the k-th job that starts runs: mostly minutes, sometimes longer
// than it takes to the next nominal.
func (p *plot) takes(k int) time.Duration {
	switch r := scatter(fmt.Sprint(p.salt), fmt.Sprint(k)); r % 20 {
	case 0:
		return 9*24*time.Hour + 17*time.Second
	case 1, 2, 3:
		return 90*time.Hour + 7*time.Second
	case 4, 5, 6, 7, 8:
		return 3*time.Hour + time.Duration(r/20%600)*time.Second
	default:
		return 4*time.Minute + time.Duration(r/20%60000)*time.Millisecond
	}
}

// ground is what all simulated years have in common.
type ground struct {
	t       *testing.T
	set     *calendar.Set
	end     time.Time
	walls   map[string]*wall
	markets map[string]*market
}

func newGround(t *testing.T, end time.Time) *ground {
	t.Helper()
	set, err := calendar.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return &ground{t: t, set: set, end: end, walls: map[string]*wall{}, markets: map[string]*market{}}
}

func (g *ground) wall(zone string) *wall {
	if g.walls[zone] == nil {
		g.walls[zone] = newWall(g.zone(zone), beginning, g.end)
	}
	return g.walls[zone]
}

func (g *ground) zone(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		g.t.Fatal(err)
	}
	return l
}

func (g *ground) market(code, zone string) *market {
	if g.markets[code] == nil {
		g.markets[code] = newMarket(g.t, code, g.zone(zone), beginning, g.end)
	}
	return g.markets[code]
}

// plots makes schedules. Those that wait for another one come after it.
func (g *ground) plots(rng *rand.Rand, count, dense int) []*plot {
	shapes := []func(*plot, timetable.Plan, *rand.Rand, int) timetable.Plan{
		g.named, g.gap, g.rhythm, g.holidays, g.moved, g.tokyo, g.months, g.interval, g.burst, g.list, g.events, g.events, g.completion, g.on, g.on,
	}
	var list []*plot
	for i := range count {
		p := &plot{id: id.New(id.Schedule, beginning), name: fmt.Sprint("s", i), salt: rng.Uint64(), policy: drawPolicy(rng)}
		if i >= len(shapes) {
			p.upstream = list[rng.IntN(len(shapes)-2)] // only for g.on
		} else if i >= len(shapes)-2 {
			p.upstream = list[i-len(shapes)+3]
		}
		shape := shapes[i%len(shapes)]
		plan := shape(p, timetable.Plan{}, rng, dense)
		if plan.Spec.Kind != schedule.KindOn {
			p.upstream = nil
		} else {
			p.policy.Jitter, p.policy.Offset = 0, 0 // what follows is not known yet
		}
		if p.after > 0 {
			p.policy.Jitter, p.policy.Offset, p.policy.StartDeadline = 0, 0, 0
		}
		if dense == 1 && len(p.nominals) > 0 && !p.bounded {
			p.season(&plan.Spec, rng, g.end)
		}
		var err error
		if p.trigger, err = timetable.Compile(plan, g.set); err != nil {
			g.t.Fatalf("%s: %v", p.what, err)
		}
		p.nominals = slices.DeleteFunc(p.nominals, func(n moment) bool { return !n.at.After(beginning) })
		list = append(list, p)
	}
	return append(list, g.steady(10*time.Hour, agenda.MissedAll, 0), g.steady(14*time.Hour, agenda.MissedLatest, 0), g.steady(31*time.Hour, agenda.MissedAll, 45*time.Second))
}

// steady is due all year. When the planners are away is chance; that a day without
// them is more than its limit of two, coalesces, or is too late for its deadline is not.
func (g *ground) steady(every time.Duration, missed agenda.Missed, deadline time.Duration) *plot {
	anchor := beginning.Add(11 * time.Second)
	p := &plot{id: id.New(id.Schedule, beginning), name: fmt.Sprint("steady", every), what: fmt.Sprint("every ", every), policy: agenda.NewPolicy()}
	p.policy.Overlap, p.policy.Missed, p.policy.MaxCatchUp = agenda.OverlapAllow, missed, 2
	p.policy.CatchUpWindow, p.policy.Grace, p.policy.StartDeadline = 100*time.Hour, time.Minute, deadline
	spec := schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: every, Anchor: anchor}}
	var err error
	if p.trigger, err = timetable.Compile(timetable.Plan{Spec: spec}, g.set); err != nil {
		g.t.Fatalf("%s: %v", p.what, err)
	}
	p.nominals = slices.DeleteFunc(intervals(anchor, every, beginning, g.end.Add(margin)), func(n moment) bool { return !n.at.After(beginning) })
	return p
}

// season keeps a schedule to a part of the year, so that the whole is over soon.
func (p *plot) season(spec *schedule.Spec, rng *rand.Rand, end time.Time) {
	spec.StartAt = beginning.Add(time.Duration(rng.IntN(int(end.Sub(beginning)/time.Minute)))*time.Minute).AddDate(0, 0, -45)
	spec.EndAt, p.bounded = spec.StartAt.AddDate(0, 0, 90), true
	p.nominals = slices.DeleteFunc(p.nominals, func(n moment) bool { return n.at.Before(spec.StartAt) || !n.at.Before(spec.EndAt) })
}

func drawPolicy(rng *rand.Rand) agenda.Policy {
	p := agenda.NewPolicy()
	pick := func(list ...time.Duration) time.Duration { return list[rng.IntN(len(list))] }
	p.Overlap = agenda.Overlaps()[rng.IntN(6)]
	p.Missed = append(agenda.MissedPolicies(), agenda.MissedDefault)[rng.IntN(5)]
	p.MaxCatchUp, p.MaxQueued = 2, 2
	p.Grace = pick(time.Minute, time.Minute, 10*time.Minute)
	p.CatchUpWindow = pick(0, 24*time.Hour, 24*time.Hour, 100*time.Hour)
	p.Jitter = pick(0, 0, 20*time.Minute, 100*time.Hour)
	p.Offset = pick(0, 0, 0, time.Hour)
	p.MinInterval = pick(0, 0, time.Hour, 30*time.Hour)
	if rng.IntN(2) == 0 {
		p.MinIntervalFrom = agenda.FromEnd
	}
	if p.Overlap == agenda.OverlapAllow {
		// Shorter than any downtime, longer than the wait for a dead planner's claims:
		// with this policy no job waits behind another one until it is too late.
		p.StartDeadline = pick(0, 45*time.Second)
	}
	if rng.IntN(12) == 0 {
		p.MaxRuns = 20
	}
	return p
}

// cron makes the plan and the nominals of an expression.
func (g *ground) cron(p *plot, plan timetable.Plan, zone, expression string, r written) timetable.Plan {
	p.what = expression + " " + zone
	plan.Spec.Kind, plan.Spec.Zone, plan.Spec.Cron.Expressions = schedule.KindCron, g.zone(zone), []string{expression}
	p.nominals = g.wall(zone).fires(r)
	return plan
}

func on(days ...time.Weekday) func(time.Time) bool {
	return func(d time.Time) bool { return slices.Contains(days, d.Weekday()) }
}

// named are named times on the days on which clocks are changed.
func (g *ground) named(p *plot, plan timetable.Plan, rng *rand.Rand, dense int) timetable.Plan {
	m := rng.IntN(60)
	zone := []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe"}[rng.IntN(3)]
	day, days := "SUN", on(time.Sunday)
	if dense > 1 {
		day, days = "*", func(time.Time) bool { return true }
	}
	return g.cron(p, plan, zone, fmt.Sprintf("15 %d 1,2 * * %s", m, day), written{
		second: 15, date: days, time: func(h, min int) bool { return min == m && (h == 1 || h == 2) },
	})
}

// gap is where midnight itself is left out.
func (g *ground) gap(p *plot, plan timetable.Plan, rng *rand.Rand, _ int) timetable.Plan {
	m := rng.IntN(60)
	plan = g.cron(p, plan, "Africa/Cairo", fmt.Sprintf("%d 0,23 * * THU,FRI", m), written{
		date: on(time.Thursday, time.Friday), time: func(h, min int) bool { return min == m && (h == 0 || h == 23) },
	})
	plan.Spec.Exclude.Dates = []schedule.Date{schedule.Date(calendar.DateOf(beginning.AddDate(0, 1, 4)))} // a Thursday
	for i, n := range p.nominals {
		if n.at.In(plan.Spec.Zone).Format(time.DateOnly) == "2026-02-05" {
			p.nominals[i].skip = "excluded"
		}
	}
	return plan
}

// rhythm fires by the clocks, whatever they do.
func (g *ground) rhythm(p *plot, plan timetable.Plan, rng *rand.Rand, _ int) timetable.Plan {
	dates := func(d time.Time) bool {
		return (d.Day() == 1 || d.Day() == 8) && (d.Month() == time.March || d.Month() == time.November)
	}
	n := []int{10, 20, 30}[rng.IntN(3)]
	return g.cron(p, plan, "America/New_York", fmt.Sprintf("*/%d 0-3 1,8 3,11 *", n), written{
		rhythm: true, date: dates, time: func(h, min int) bool { return h < 4 && min%n == 0 },
	})
}

// holidays are named times on an exchange's days.
func (g *ground) holidays(p *plot, plan timetable.Plan, rng *rand.Rand, dense int) timetable.Plan {
	m, code := rng.IntN(60), []string{"XNYS", "CMES", "XKRX"}[rng.IntN(3)]
	days, text := on(time.Friday, time.Sunday), "FRI,SUN"
	if dense > 1 {
		days, text = func(time.Time) bool { return true }, "*"
	}
	plan = g.cron(p, plan, "America/New_York", fmt.Sprintf("%d 18 * * %s", m, text), written{
		date: days, time: func(h, min int) bool { return h == 18 && min == m },
	})
	plan.Calendar = calendar.Spec{Code: code}
	p.nominals = g.market(code, "America/New_York").closed(p.nominals)
	p.what += " " + code
	return plan
}

// moved are named times that go to the next working day.
func (g *ground) moved(p *plot, plan timetable.Plan, rng *rand.Rand, _ int) timetable.Plan {
	m := rng.IntN(60)
	plan = g.cron(p, plan, "Asia/Seoul", fmt.Sprintf("%d 9 * * SUN,MON,FRI", m), written{
		date: on(time.Sunday, time.Monday, time.Friday), time: func(h, min int) bool { return h == 9 && min == m },
	})
	plan.Calendar, plan.Spec.OnNonSession = calendar.Spec{Code: "KR"}, schedule.NextSession
	p.nominals = g.market("KR", "Asia/Seoul").next(p.nominals, g.wall("Asia/Seoul"))
	return plan
}

// tokyo is within the hours of an exchange that has a break.
func (g *ground) tokyo(p *plot, plan timetable.Plan, rng *rand.Rand, _ int) timetable.Plan {
	m := rng.IntN(60)
	plan = g.cron(p, plan, "Asia/Tokyo", fmt.Sprintf("%d 11,12,15 * * WED", m), written{
		date: on(time.Wednesday), time: func(h, min int) bool { return min == m && (h == 11 || h == 12 || h == 15) },
	})
	plan.Calendar, plan.Spec.OnlyIn = calendar.Spec{Code: "XTKS"}, schedule.InRegularHours
	x := g.market("XTKS", "Asia/Tokyo")
	p.nominals = x.hours(x.closed(p.nominals))
	return plan
}

// months unites two expressions, which meet when the last day is a Friday.
func (g *ground) months(p *plot, plan timetable.Plan, rng *rand.Rand, _ int) timetable.Plan {
	m, zone := rng.IntN(60), "Europe/London"
	at := func(h, min int) bool { return h == 1 && min == m } // left out in March
	plan = g.cron(p, plan, zone, fmt.Sprintf("%d 1 L * *", m), written{
		time: at, date: func(d time.Time) bool { return d.AddDate(0, 0, 1).Day() == 1 },
	})
	plan.Spec.Cron.Expressions = append(plan.Spec.Cron.Expressions, fmt.Sprintf("%d 1 * * FRI,SUN", m))
	p.nominals = ordered(append(p.nominals, g.wall(zone).fires(written{time: at, date: on(time.Friday, time.Sunday)})...))
	plan.Spec.Exclude.Cron = []string{fmt.Sprintf("%d 1 13 * *", m)}
	for i, n := range p.nominals {
		if l := n.at.In(plan.Spec.Zone); l.Day() == 13 && l.Hour() == 1 {
			p.nominals[i].skip = "excluded"
		}
	}
	return plan
}

func (g *ground) interval(p *plot, plan timetable.Plan, rng *rand.Rand, dense int) timetable.Plan {
	every, anchor := time.Duration(40+rng.IntN(60))*time.Hour/time.Duration(dense), beginning.Add(time.Duration(rng.IntN(100000))*time.Second)
	p.what = fmt.Sprint("every ", every)
	plan.Spec.Kind, plan.Spec.Interval = schedule.KindInterval, schedule.IntervalSpec{Every: every, Anchor: anchor}
	p.nominals = intervals(anchor, every, beginning, g.end.Add(margin))
	return plan
}

// burst is quick, for some days.
func (g *ground) burst(p *plot, plan timetable.Plan, rng *rand.Rand, dense int) timetable.Plan {
	every, from := time.Duration(20+rng.IntN(60))*time.Minute, beginning.Add(time.Duration(rng.IntN(int(g.end.Sub(beginning)/time.Hour)))*time.Hour)
	to := from.Add(time.Duration(dense*36) * time.Hour)
	p.what, p.bounded = fmt.Sprint("every ", every, " from ", from), true
	plan.Spec.Kind, plan.Spec.Interval = schedule.KindInterval, schedule.IntervalSpec{Every: every}
	plan.Spec.StartAt, plan.Spec.EndAt = from, to
	p.nominals = slices.DeleteFunc(intervals(time.Unix(0, 0).Add(from.Sub(time.Unix(0, 0)).Truncate(every)), every, from.Add(-every), to), func(n moment) bool { return n.at.Before(from) || !n.at.Before(to) })
	return plan
}

// list has instants and local times, some of which do not exist or occur twice.
func (g *ground) list(p *plot, plan timetable.Plan, rng *rand.Rand, _ int) timetable.Plan {
	p.what, p.bounded = "at", true
	plan.Spec.Kind, plan.Spec.Zone = schedule.KindAt, g.zone("America/New_York")
	w := g.wall("America/New_York")
	for range 20 {
		at := beginning.Add(time.Duration(1+rng.IntN(int(g.end.Sub(beginning)/time.Second))) * time.Second)
		plan.Spec.At.Instants = append(plan.Spec.At.Instants, at)
		p.nominals = append(p.nominals, nominalAt(at))
	}
	for _, d := range []time.Time{
		time.Date(2026, 3, 8, 2, rng.IntN(60), 0, 0, time.UTC), time.Date(2026, 11, 1, 1, rng.IntN(60), 0, 0, time.UTC),
		time.Date(2026, 3, 8, 2, rng.IntN(60), 0, 0, time.UTC), time.Date(2026, 2, 3, 4, 5, 0, 0, time.UTC),
	} {
		if !d.Before(g.end) {
			continue
		}
		plan.Spec.At.Locals = append(plan.Spec.At.Locals, schedule.LocalOf(schedule.Date(calendar.DateOf(d)), d.Hour()*3600+d.Minute()*60+d.Second()))
		p.nominals = append(p.nominals, nominalAt(w.when(d.Unix()/60)))
	}
	p.nominals = ordered(p.nominals)
	return plan
}

// events are those of an exchange.
func (g *ground) events(p *plot, plan timetable.Plan, rng *rand.Rand, dense int) timetable.Plan {
	week := func(a, b calendar.Session) bool {
		ay, aw := a.Date.At(0, time.UTC).ISOWeek()
		by, bw := b.Date.At(0, time.UTC).ISOWeek()
		return ay != by || aw != bw
	}
	month := func(s calendar.Session) time.Month { return s.Date.At(0, time.UTC).Month() }
	offset := time.Duration(rng.IntN(40)-20) * time.Minute
	e := schedule.EventSpec{Offset: offset}
	code := []string{"XNYS", "XTKS", "XHKG", "CMES", "XLON"}[rng.IntN(5)]
	kind := rng.IntN(5)
	if kind == 3 {
		code = "XTKS"
	}
	m := g.market(code, "UTC")
	opens, closes := func(s calendar.Session) time.Time { return s.Open }, func(s calendar.Session) time.Time { return s.Close }
	switch kind {
	case 0:
		e.Event = schedule.EventClose
		p.nominals = m.sessions(offset, closes, nil)
	case 1:
		e.Event = schedule.EventWeekStart
		p.nominals = m.sessions(offset, opens, func(b, s, _ calendar.Session) bool { return week(b, s) })
	case 2:
		e.Event = schedule.EventMonthEnd
		p.nominals = m.sessions(offset, closes, func(_, s, a calendar.Session) bool { return month(s) != month(a) })
	case 3:
		e.Event = schedule.EventBreakStart
		p.nominals = m.sessions(offset, func(s calendar.Session) time.Time { return s.BreakStart }, nil)
	default:
		e.Event, e.Offset, e.Every = schedule.EventOpen, 0, 5*time.Hour/time.Duration(dense)
		p.nominals = m.every(e.Every)
	}
	p.what = fmt.Sprintf("%s %s%+v every %v", code, e.Event, e.Offset, e.Every)
	plan.Spec.Kind, plan.Spec.Event, plan.Market = schedule.KindEvent, e, calendar.Spec{Code: code}
	return plan
}

func (g *ground) completion(p *plot, plan timetable.Plan, rng *rand.Rand, dense int) timetable.Plan {
	p.after = time.Duration(50+rng.IntN(50)) * time.Hour / time.Duration(dense)
	p.what = fmt.Sprint("after completion ", p.after)
	plan.Spec.Kind, plan.Spec.Interval = schedule.KindInterval, schedule.IntervalSpec{Every: p.after, Mode: schedule.AfterCompletion}
	return plan
}

// on waits for the jobs of another schedule.
func (g *ground) on(p *plot, plan timetable.Plan, rng *rand.Rand, _ int) timetable.Plan {
	p.delay = time.Duration(rng.IntN(3)) * 95 * time.Second
	p.what = "on " + p.upstream.name
	plan.Spec.Kind, plan.Spec.On = schedule.KindOn, schedule.OnSpec{Event: string(agenda.JobCompleted), Subject: p.upstream.id, Delay: p.delay}
	return plan
}

// setOff makes the nominals of a schedule that waits for what ended at these times.
func (l *life) setOff(ends []time.Time) {
	last := beginning
	for _, end := range ends {
		at := end.Add(l.delay)
		if !at.After(last) {
			at = last.Add(time.Millisecond)
		}
		l.nominals, last = append(l.nominals, nominalAt(at)), at
	}
}
