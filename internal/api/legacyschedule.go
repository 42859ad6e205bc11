package api

import (
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) legacyScheduleRoutes() []operation {
	const one = "/schedules/{schedule_id}"
	faults := append(legacyMade(), fault.NameTaken, fault.CronInvalid, fault.TriggerInvalid, fault.ZoneUnknown, fault.NeverFires)
	add := operation{
		ID: "legacy_create_schedule", Method: http.MethodPost, Path: "/schedules", Scope: access.SchedulesWrite, Summary: "Create a schedule",
		Doc:  "It needs the scopes jobs:write and templates:write too, because it names the program to run.",
		Body: wire.LegacyScheduleInput{}, Faults: faults,
		Answers: []answer{{Status: http.StatusCreated, Doc: "created", Body: wire.LegacyScheduleMade{}}}, Handle: s.legacyAddSchedule,
	}
	list := operation{
		ID: "legacy_list_schedules", Method: http.MethodGet, Path: "/schedules", Scope: access.SchedulesRead, Summary: "List all schedules",
		Answers: []answer{{Status: http.StatusOK, Doc: "all of them, by name", Body: wire.LegacyScheduleList{}}}, Handle: s.legacySchedules,
	}
	remove := operation{
		ID: "legacy_delete_schedule", Method: http.MethodDelete, Path: one, Scope: access.SchedulesWrite, Summary: "Delete a schedule",
		Answers: []answer{{Status: http.StatusNoContent, Doc: "deleted"}}, Handle: s.deleteSchedule,
	}
	alias := func(op operation, id, path string) operation {
		op.ID, op.Path, op.Doc = id, path, "The same as "+op.Method+" "+op.Path+"."
		return op
	}
	return []operation{
		add,
		list,
		{
			ID: "legacy_put_schedule", Method: http.MethodPut, Path: one, Scope: access.SchedulesWrite, Summary: "Change a schedule",
			Doc: "What is absent or null stays.", Body: wire.LegacyScheduleChange{}, Faults: faults,
			Answers: []answer{{Status: http.StatusOK, Doc: "what it is now", Body: wire.LegacyScheduleChanged{}}}, Handle: s.legacyPutSchedule,
		},
		remove,
		alias(add, "legacy_schedule_create", "/schedule/create"),
		alias(list, "legacy_schedule_list", "/schedule/list"),
		alias(remove, "legacy_schedule_delete", "/schedule/{schedule_id}"),
	}
}

func (s *service) legacyAddSchedule(r *request) (reply, error) {
	var in wire.LegacyScheduleInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Timezone == "" {
		in.Timezone = time.UTC.String()
		if s.LegacyZone != nil {
			in.Timezone = s.LegacyZone.String()
		}
	}
	out, err := s.addSchedule(r, in.Schedule(), func(w wire.Schedule, n agenda.Schedule) reply {
		v := wire.LegacyScheduleOf(n, w)
		return reply{Status: http.StatusCreated, Location: scheduleLocation(n.ID), Body: wire.LegacyScheduleMade{ScheduleID: v.ScheduleID, Name: v.Name, NextRunAt: v.NextRunAt}}
	})
	return out, legacySchedulePlaces(err)
}

// legacySchedulePlaces makes the pointers of a fault those of the legacy input.
func legacySchedulePlaces(err error) error {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	if f.Kind() == fault.Internal {
		return err
	}
	moved := fault.New(f.Code, f.Detail).WithHint(f.Hint)
	for _, x := range f.Fields {
		at := x.Pointer
		for _, p := range [][2]string{{"/trigger/expression", "/cron_expression"}, {"/trigger", "/cron_expression"}, {"/job/job_type", "/job_type"}, {"/job/params", "/job_params"}} {
			if len(at) >= len(p[0]) && at[:len(p[0])] == p[0] {
				at = p[1] + at[len(p[0]):]
				break
			}
		}
		moved = moved.At(at, x.Code, x.Detail)
	}
	return moved
}

func (s *service) legacySchedules(r *request) (reply, error) {
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	out, now := wire.LegacyScheduleList{Schedules: []wire.LegacySchedule{}}, s.now()
	p := store.ListSchedules{Tenant: r.tenant(), Limit: maxPage}
	for more := true; more; {
		page, err := s.Store.Schedules.List(r.Context(), p)
		if err != nil {
			return reply{}, err
		}
		for _, n := range page.Schedules {
			p.AfterName = n.Name
			out.Schedules = append(out.Schedules, wire.LegacyScheduleOf(n, wire.ScheduleOf(n, set, now)))
		}
		more = page.More
	}
	out.Total = len(out.Schedules)
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) legacyPutSchedule(r *request) (reply, error) {
	var in wire.LegacyScheduleChange
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	return again(func() (reply, error) {
		d, set, err := s.look(r)
		if err != nil {
			return reply{}, err
		}
		base, err := wire.ScheduleInputOf(d.Schedule.Definition, d.Schedule.State.Status != agenda.Paused)
		if err != nil {
			return reply{}, err
		}
		n, err := s.edit(r, d, set, in.Apply(base))
		if err != nil {
			return reply{}, legacySchedulePlaces(err)
		}
		v := wire.LegacyScheduleOf(n, wire.ScheduleOf(n, set, s.now()))
		return reply{Status: http.StatusOK, Body: wire.LegacyScheduleChanged{ScheduleID: v.ScheduleID, Enabled: v.Enabled, NextRunAt: v.NextRunAt}}, nil
	})
}
