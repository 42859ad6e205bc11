package planner_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/almanac"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// This file has what a planner asks for each schedule as a server answers it.

type finder struct {
	ctx context.Context //nolint:containedctx // it lives as long as one compilation
	of  *almanac.Almanac
}

func (f finder) Resolve(spec calendar.Spec) (*calendar.Calendar, error) {
	set, err := f.of.Of(f.ctx, tenant)
	if err != nil {
		return nil, err
	}
	return set.Resolve(spec)
}

// realCompile is what a server makes of a trigger.
func realCompile(s store.Store) func(context.Context, agenda.Schedule) (planner.Compiled, error) {
	all := almanac.New(almanac.Options{Store: s.Calendars})
	return func(ctx context.Context, n agenda.Schedule) (planner.Compiled, error) {
		var in wire.TimingInput
		if err := json.Unmarshal(n.Trigger, &in); err != nil {
			return planner.Compiled{}, err
		}
		zone, err := schedule.LoadZone(n.Zone)
		if err != nil {
			return planner.Compiled{}, err
		}
		var version int64
		if n.UsesCalendar {
			if version, err = s.Calendars.Version(ctx, n.Tenant); err != nil {
				return planner.Compiled{}, err
			}
		}
		t, err := in.Compile(finder{ctx, all}, zone, n.ID)
		return planner.Compiled{Trigger: t, Calendars: version}, err
	}
}

// realCompose is what a server makes of a target.
func realCompose(b *testing.B, s store.Store) func(context.Context, agenda.Schedule) (job.Job, error) {
	b.Helper()
	c, err := api.NewComposer(api.Options{Store: s, Tasks: task.NewRegistry(noop{})})
	if err != nil {
		b.Fatal(err)
	}
	return func(ctx context.Context, n agenda.Schedule) (job.Job, error) {
		body, err := n.Target.Input()
		if err != nil {
			return job.Job{}, err
		}
		return c.Compose(ctx, access.Principal{Name: "ann", Tenant: n.Tenant, Roles: []access.Role{access.Admin}}, body)
	}
}

// noop is a job type with nothing to do.
type noop struct{}

func (noop) Type() string { return "noop" }
func (noop) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"text":{"type":"string"}}}`)
}
func (noop) Check(json.RawMessage) error                        { return nil }
func (noop) Locks(json.RawMessage) []string                     { return nil }
func (noop) OnCrash() job.CrashPolicy                           { return job.CrashFail }
func (noop) Run(context.Context, task.Attempt, task.Host) error { return nil }

// putTemplate stores the template that the schedules of benchmarks start.
func putTemplate(b *testing.B, s store.Store) string {
	b.Helper()
	t, err := s.Templates.Create(b.Context(), store.PutTemplate{Template: job.Template{
		ID: id.New(id.Template, beginning), Tenant: tenant, Version: 1, Name: "report", Type: "noop", Params: []byte(`{"text":"of one desk"}`),
		Priority: job.PriorityNormal, Labels: map[string]string{"team": "desk"}, CreatedBy: "ann", CreatedAt: beginning, UpdatedAt: beginning,
	}})
	if err != nil {
		b.Fatal(err)
	}
	return t.ID
}

// BenchmarkCompile measures what a planner pays for one schedule's trigger.
func BenchmarkCompile(b *testing.B) {
	s := engines()["sqlite"](b)
	b.Cleanup(func() { _ = s.Health.Close() })
	compile := realCompile(s)
	for name, text := range map[string]string{
		"cron":     `{"trigger":{"type":"CRON","expression":"0 12 * * *"}}`,
		"interval": `{"trigger":{"type":"INTERVAL","interval":"PT5M"}}`,
		"market":   `{"calendar":"XKRX","trigger":{"type":"EVENT","event":"MARKET_OPEN"}}`,
	} {
		n := agenda.Schedule{ID: id.New(id.Schedule, beginning), Tenant: tenant}
		n.Zone, n.Trigger, n.UsesCalendar = "America/New_York", []byte(text), name == "market"
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := compile(b.Context(), n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompose measures what a planner pays for one job.
func BenchmarkCompose(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			s := engines()[engine](b)
			b.Cleanup(func() { _ = s.Health.Close() })
			n := agenda.Schedule{Tenant: tenant}
			n.Target.TemplateID = putTemplate(b, s)
			compose := realCompose(b, s)
			for b.Loop() {
				if _, err := compose(b.Context(), n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
