package api

import (
	"net/http"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
)

const schedulePath = "/api/schedules/{schedule_id}"

// maxNext bounds the nominals of one answer.
const maxNext = 1000

func (s *service) scheduleRoutes() []operation {
	const list = "/api/schedules"
	input := append(legacyMade(), fault.NameTaken, fault.CronInvalid, fault.TriggerInvalid, fault.ZoneUnknown, fault.NeverFires,
		fault.TemplateArchived, fault.DirectiveArchived, fault.SourceNotAllowed)
	shown := []answer{{Status: http.StatusOK, Doc: "the schedule", Body: wire.Schedule{}}}
	var states []string
	for _, st := range agenda.Statuses() {
		states = append(states, wire.ScheduleStateOf(st))
	}
	return []operation{
		{
			ID: "create_schedule", Method: http.MethodPost, Path: list, Scope: access.SchedulesWrite, Tag: "schedules",
			Summary: "Create a schedule",
			Doc: "What it starts is checked as POST /api/jobs would: it needs the scope jobs:write, too, and for an inline job templates:write. " +
				"Several forms are accepted; the answer has the canonical one.",
			Body: wire.ScheduleInput{}, Faults: input,
			Answers: []answer{{Status: http.StatusCreated, Doc: "created", Body: wire.Schedule{}}}, Handle: s.createSchedule,
		},
		{
			ID: "list_schedules", Method: http.MethodGet, Path: list, Scope: access.SchedulesRead, Tag: "schedules", Summary: "List schedules",
			Query: pageParams(listParam("state", "only these states", states...), textParam("q", "part of the name, any case"), labelParam(),
				listParam("template_id", "only those that start these templates, by id"), includeParam("next", "results"),
				enumParam("sort", "order of the list; name if absent. next_run_at: those that fire next come first, those that never do last", "name", "next_run_at")),
			Faults:  []fault.Code{fault.CursorInvalid, fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.ScheduleList{}}}, Handle: s.listSchedules,
		},
		{
			ID: "get_schedule", Method: http.MethodGet, Path: schedulePath, Scope: access.SchedulesRead, Tag: "schedules",
			Summary: "Read a schedule by id or name", Matches: true, Answers: shown, Handle: s.getSchedule,
		},
		{
			ID: "patch_schedule", Method: http.MethodPatch, Path: schedulePath, Scope: access.SchedulesWrite, Tag: "schedules",
			Summary: "Change a schedule",
			Doc: "A JSON merge patch (RFC 7396) of its canonical form. It makes a new version. A trigger of another type takes the place of the old one as a whole. " +
				"After a change of when it fires, nothing from before the change fires.",
			Body: wire.ScheduleInput{}, Patch: true, Matches: true, Faults: input, Answers: shown, Handle: s.patchSchedule,
		},
		{
			ID: "delete_schedule", Method: http.MethodDelete, Path: schedulePath, Scope: access.SchedulesWrite, Tag: "schedules",
			Summary: "Delete a schedule", Doc: "Its name is free again. Jobs and runs that it made stay, also those that wait.", Matches: true,
			Answers: []answer{{Status: http.StatusNoContent, Doc: "deleted"}}, Handle: s.deleteSchedule,
		},
		{
			ID: "get_schedule_next", Method: http.MethodGet, Path: schedulePath + "/next", Scope: access.SchedulesRead, Tag: "schedules",
			Summary: "Show when a schedule fires next", Doc: "Nominals that are skipped count, too: skip says why. Whether it is paused makes no difference.",
			Query:   []param{numberParam("count", "how many; 10 if absent", 1, maxNext), timeParam("from", "only times after this one; now if absent")},
			Answers: []answer{{Status: http.StatusOK, Doc: "the next times, in order", Body: wire.ScheduleNext{}}}, Handle: s.scheduleNext,
		},
		{
			ID: "get_schedule_history", Method: http.MethodGet, Path: schedulePath + "/history", Scope: access.SchedulesRead, Tag: "schedules",
			Summary: "Show what became of a schedule's nominals", Doc: "Latest nominal first. Skipped ones that follow each other with the same reason are one line.",
			Query: pageParams(enumParam("kind", "only runs, or only what was skipped", "run", "skip"), listParam("reason", "only what was skipped for these reasons"),
				listParam("source", "only runs from these sources", sources()...),
				timeParam("from", "nominals from this time on"), timeParam("to", "nominals before this time")),
			Faults:  []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.ScheduleHistory{}}}, Handle: s.scheduleHistory,
		},
		{
			ID: "list_schedule_versions", Method: http.MethodGet, Path: schedulePath + "/versions", Scope: access.SchedulesRead, Tag: "schedules",
			Summary: "List the versions of a schedule, newest first", Query: pageParams(), Faults: []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.ScheduleVersionList{}}}, Handle: s.listScheduleVersions,
		},
		{
			ID: "get_schedule_version", Method: http.MethodGet, Path: schedulePath + "/versions/{version}", Scope: access.SchedulesRead, Tag: "schedules",
			Summary: "Read one version", Doc: "A version never changes.", Faults: []fault.Code{fault.InvalidParameter},
			Answers: []answer{{Status: http.StatusOK, Doc: "the version", Body: wire.ScheduleVersion{}}}, Handle: s.getScheduleVersion,
		},
	}
}

func sources() []string {
	var out []string
	for _, x := range agenda.Sources() {
		out = append(out, string(x))
	}
	return out
}

// scheduleVerbs are what people do with schedules beside editing them.
func (s *service) scheduleVerbs() []operation {
	verb := func(name, summary, doc string, body any, h func(*request) (reply, error)) operation {
		id := name
		if name == "skip-next" {
			id = "skip_next_of"
		}
		return operation{
			ID: id + "_schedule", Method: http.MethodPost, Path: schedulePath + "/" + name, Scope: access.SchedulesRun, Tag: "schedules",
			Summary: summary, Doc: doc, Body: body, BodyOptional: true, Faults: []fault.Code{fault.Conflict},
			Answers: []answer{{Status: http.StatusOK, Doc: "the schedule", Body: wire.Schedule{}}}, Handle: h,
		}
	}
	const pause, resume = "Its nominals are skipped until it is resumed. What waits or runs goes on.", "What was due meanwhile is skipped, unless catch_up is true."
	run := verb("run-now", "Run a schedule now", "The run is made as if a nominal had come, by the overlap policy and min_interval. Neither next_run_at nor what has been decided changes.",
		wire.RunNowInput{}, s.runSchedule)
	run.ID, run.Waits = "run_schedule_now", true
	run.Faults = append(legacyMade(), fault.Conflict, fault.TemplateArchived)
	run.Answers = []answer{
		{Status: http.StatusCreated, Doc: "the job; with Prefer: wait, ended", Body: wire.Job{}},
		{Status: http.StatusAccepted, Doc: "the job, not ended within Prefer: wait", Body: wire.Job{}},
	}
	fill := verb("backfill", "Run nominals of the past", "At most 1000. A nominal that has fired is left out, unless rerun is true.", wire.BackfillInput{}, s.backfillSchedule)
	fill.BodyOptional = false
	fill.Faults = append(legacyMade(), fault.Conflict, fault.TemplateArchived)
	fill.Answers = []answer{
		{Status: http.StatusOK, Doc: "a dry run: what would be done", Body: wire.Backfill{}},
		{Status: http.StatusCreated, Doc: "the jobs were made", Body: wire.Backfill{}},
	}
	return []operation{
		run,
		fill,
		verb("skip-next", "Skip the next nominals", "skip_next of the answer lists all that will be skipped for such a wish.", wire.SkipNextInput{}, s.skipNext),
		verb("pause", "Pause a schedule", pause, wire.Reason{}, s.pauseSchedule),
		verb("disable", "Pause a schedule", "The same as pause. "+pause, wire.Reason{}, s.pauseSchedule),
		verb("resume", "Resume a schedule", resume, wire.ResumeInput{}, s.resumeSchedule),
		verb("enable", "Resume a schedule", "The same as resume. "+resume, wire.ResumeInput{}, s.resumeSchedule),
	}
}
