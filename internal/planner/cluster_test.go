package planner_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestCluster is the short form of T11: three planners on one PostgreSQL, without
// any leader, by the database's clock; each is stopped and started in turn. Every
// second of every schedule fires once.
func TestCluster(t *testing.T) {
	t.Parallel()
	const schedules, seconds = 10, 4
	s, err := postgres.Open(t.Context(), postgres.Options{URL: testsvc.Postgres(t), AllowUnsafe: true, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	tr, err := schedule.Compile(schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: time.Second}}, schedule.Calendars{})
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Schedules.NextDue(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range schedules {
		n := agenda.Schedule{ID: id.New(id.Schedule, now.Now), Tenant: tenant, CreatedAt: now.Now, UpdatedAt: now.Now}
		n.Name, n.Policy, n.State = fmt.Sprint("s", i), agenda.NewPolicy(), agenda.State{}.Begin(now.Now)
		n.Policy.Overlap, n.Policy.Missed = agenda.OverlapAllow, agenda.MissedAll
		if _, err := s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n}); err != nil {
			t.Fatal(err)
		}
	}
	end := now.Now.Add(seconds * time.Second)
	reached := func() bool {
		page, err := s.Schedules.List(t.Context(), store.ListSchedules{Tenant: tenant, Limit: schedules})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page.Schedules {
			if x.State.Cursor.Before(end.Add(-time.Second)) {
				return false
			}
		}
		return true
	}
	live, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			for boot := 0; live.Err() == nil; boot++ {
				p := planner.New(planner.Options{
					Store: s.Schedules, Watch: s.Events.Watch, Compose: compose, By: fmt.Sprintf("host:%d:%d", i, boot), MaxClaim: 3,
					Compile: func(context.Context, agenda.Schedule) (planner.Compiled, error) {
						return planner.Compiled{Trigger: tr}, nil
					},
				})
				ctx, end := context.WithTimeout(live, time.Duration(400+300*i)*time.Millisecond)
				if err := p.Run(ctx); err != nil {
					t.Error(err)
				}
				end()
			}
		})
	}
	eventually(t, "four seconds are decided", reached)
	stop()
	all.Wait()
	for i := range schedules {
		look, err := s.Schedules.Look(t.Context(), tenant, fmt.Sprint("s", i))
		if err != nil {
			t.Fatal(err)
		}
		want := now.Now.Truncate(time.Second)
		for _, r := range look.Runs {
			if want = want.Add(time.Second); !r.Nominal.Equal(want) {
				t.Fatalf("schedule %d fires at %v, want %v", i, r.Nominal, want)
			}
		}
		if !want.Equal(look.Schedule.State.Cursor) || len(look.Schedule.State.Skips) != 0 {
			t.Errorf("schedule %d: the last fire is %v, the cursor %v, skips %v", i, want, look.Schedule.State.Cursor, look.Schedule.State.Skips)
		}
	}
}
