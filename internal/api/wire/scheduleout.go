package wire

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/timetable"
)

// expirySoon is how long before its end a calendar is worth a warning, in days.
const expirySoon = 60

// ScheduleOf shows s at a time, with its tenant's calendars. What cannot be compiled
// any more is shown with a warning.
func ScheduleOf(s agenda.Schedule, find timetable.Finder, now time.Time) Schedule {
	p, st := s.Policy, s.State
	w := Schedule{
		ScheduleID: s.ID, Name: s.Name, Description: s.Description, Version: s.Version,
		TemplateID: str(s.Target.TemplateID), WorkflowID: str(s.Target.WorkflowID), Timezone: s.Zone,
		Overlap: string(p.Overlap), MaxQueued: p.MaxQueued, MaxParallel: positive(p.MaxParallel), Grace: Duration(p.Grace),
		CatchUpWindow: Duration(p.CatchUpWindow), MaxCatchUp: p.MaxCatchUp, MinInterval: DurationOf(p.MinInterval), MinIntervalFrom: "start",
		Jitter: DurationOf(p.Jitter), Offset: DurationOf(p.Offset), StartDeadline: DurationOf(p.StartDeadline),
		PauseOnFailure: positive(p.PauseOnFailure), MaxRuns: positive(p.MaxRuns), ExecutionMode: string(s.Mode), Labels: labels(s.Labels),
		ResolvedExpressions: []string{}, Warnings: []ScheduleWarning{},
		Enabled: st.Status != agenda.Paused, State: ScheduleStateOf(st.Status), StateReason: str(st.StatusReason), StateBy: str(st.StatusBy), StateJobID: str(st.StatusRun),
		SkipNext: []time.Time{}, LastJobID: str(st.Last.JobID), LastStatus: str(string(st.Last.Status)), RunCount: st.RunCount, FiredCount: st.Runs,
		ConsecutiveFailures: st.Failures, SkippedCounts: map[string]int64{}, CreatedBy: s.CreatedBy, CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(),
	}
	w.Params, w.Inputs = overOf(s.Target)
	if p.MinIntervalFrom != agenda.FromStart {
		w.MinIntervalFrom = string(p.MinIntervalFrom)
	}
	if s.Mode == "" {
		w.ExecutionMode = string(agenda.ModeAuto)
	}
	if s.ClaimedBy != "" && s.ClaimedUntil.After(now) {
		w.ClaimedBy, w.ClaimedUntil = &s.ClaimedBy, instant(s.ClaimedUntil)
	}
	for _, at := range st.SkipNext {
		w.SkipNext = append(w.SkipNext, at.UTC())
	}
	for reason, n := range st.Skips {
		w.SkippedCounts[string(reason)] = n
	}
	w.LastRunAt = instant(st.Last.DecidedAt)
	return w.timed(s, find, now)
}

// timed fills in what the trigger says.
func (w Schedule) timed(s agenda.Schedule, find timetable.Finder, now time.Time) Schedule {
	unusable := func(err error) Schedule {
		w.Warnings = append(w.Warnings, ScheduleWarning{Code: "trigger_unusable", Detail: "it cannot fire: " + fault.From(err).Detail})
		return w
	}
	t, err := StoredTiming(s.Definition)
	w.Trigger, w.Calendar, w.OnNonSession, w.OnlyIn = t.Trigger, t.Calendar, orElse(t.OnNonSession, "skip"), str(t.OnlyIn)
	w.Exclude, w.DSTGap, w.DSTOverlap = t.Exclude, orElse(t.DSTGap, "auto"), orElse(t.DSTOverlap, "auto")
	w.StartAt, w.EndAt, w.Strict = t.StartAt, t.EndAt, t.Strict
	if w.Missed = str(string(s.Policy.Missed)); w.Missed == nil && w.Trigger.Type != string(schedule.KindEvent) {
		w.Missed = str(string(agenda.MissedLatest))
	}
	if err != nil {
		return unusable(err)
	}
	if w.Job, err = scheduleJob(s.Target); err != nil {
		return unusable(err)
	}
	trigger, err := t.Compile(find, time.UTC, s.ID)
	if err != nil {
		return unusable(err)
	}
	w.Summary, w.ResolvedExpressions = schedule.Describe(trigger.Spec(), schedule.English), t.resolved(trigger.Spec(), s.ID)
	next, due, ok := Upcoming(s, trigger, now)
	if ok {
		w.NextRunAt, w.NextNominalAt = instant(due), instant(next.At)
	}
	if s.State.Status == agenda.Active && s.State.Ahead(now) {
		w.Warnings = append(w.Warnings, ScheduleWarning{Code: "clock_ahead", Detail: "everything up to " + s.State.Cursor.Format(time.RFC3339) +
			" is decided, because the clock was ahead: nothing fires until then, unless you edit it, or pause and resume it"})
	}
	w.Warnings = append(w.Warnings, t.warnings(find, trigger.Spec().Zone, now)...)
	if ok && next.Marks&schedule.Unverified != 0 {
		w.Warnings = append(w.Warnings, ScheduleWarning{Code: "unverified", Detail: "the next run is on a date that the calendar does not know for sure"})
	}
	if s.State.Status == agenda.Active && trigger.Never(now) {
		w.Warnings = append(w.Warnings, ScheduleWarning{Code: "never_fires", Detail: "there is no time at which it fires"})
	}
	return w
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

var hasH = regexp.MustCompile(`(?i)(^|[\s,])H($|[\s,/(])`)

// resolved are the expressions with what H stands for; empty if none has one.
func (t TimingInput) resolved(spec schedule.Spec, seed string) []string {
	out := []string{}
	if !slices.ContainsFunc(t.Trigger.expressions(), hasH.MatchString) {
		return out
	}
	for _, text := range t.Trigger.expressions() {
		e, err := schedule.Parse(text, schedule.Options{Dialect: spec.Cron.Dialect, Zone: spec.Zone, HashSeed: seed, DST: spec.DST})
		if err == nil && e.Cron != nil {
			text = e.Cron.String()
		}
		out = append(out, text)
	}
	return out
}

// warnings are about calendars that do not reach far.
func (t TimingInput) warnings(find timetable.Finder, zone *time.Location, now time.Time) []ScheduleWarning {
	var out []ScheduleWarning
	for _, ref := range t.calendars() {
		spec, err := ref.Spec("")
		if err != nil {
			continue // Compile has told
		}
		c, err := find.Resolve(spec)
		if err != nil {
			continue
		}
		today, end := calendar.DateOf(now.In(zone)), c.ValidThrough()
		switch {
		case end < today:
			out = append(out, ScheduleWarning{Code: "calendar_expired", Detail: fmt.Sprintf("calendar %s is known up to %s only: weekdays take its place", ref.label(), end)})
		case end < today+expirySoon:
			out = append(out, ScheduleWarning{Code: "calendar_expires", Detail: fmt.Sprintf("calendar %s is known up to %s only", ref.label(), end)})
		}
	}
	return out
}

// searchNext bounds how many nominals somebody asked to skip are passed over.
const searchNext = 1000

// Upcoming returns the nominal that fires next, and when it is due; false while none
// is to come, or one follows from the end of a run.
func Upcoming(s agenda.Schedule, trigger *schedule.Trigger, now time.Time) (schedule.Nominal, time.Time, bool) {
	st, p := s.State, s.Policy
	if st.Status != agenda.Active || st.AwaitsEnd || p.MaxRuns > 0 && st.Runs >= p.MaxRuns {
		return schedule.Nominal{}, time.Time{}, false
	}
	after := st.Cursor
	due := func(n schedule.Nominal) time.Time {
		following, _ := trigger.Next(n.At)
		return schedule.Due(s.ID, n.At, following.At, p.Offset, p.Jitter)
	}
	if spec := trigger.Spec(); spec.Kind == schedule.KindInterval && spec.Interval.Mode == schedule.AfterCompletion {
		if st.LastEnd.After(after) {
			after = st.LastEnd
		}
		n, ok := trigger.AfterRun(after)
		return n, schedule.Due(s.ID, n.At, time.Time{}, p.Offset, p.Jitter), ok
	}
	for range searchNext {
		n, ok := trigger.NextFiring(after)
		if !ok {
			return n, time.Time{}, false
		}
		if !slices.ContainsFunc(st.SkipNext, n.At.Equal) {
			at := due(n)
			if !at.Before(now) {
				return n, at, true
			}
			// It is being decided about, or the server was down: what comes then?
			if from := now.Add(-p.Offset - p.Jitter); from.After(n.At) {
				after = from
				continue
			}
		}
		after = n.At
	}
	return schedule.Nominal{}, time.Time{}, false
}

// ScheduleNominalOf shows a nominal of s.
func ScheduleNominalOf(s agenda.Schedule, n schedule.Nominal, following time.Time) ScheduleNominal {
	w := ScheduleNominal{NominalAt: n.At.UTC(), Local: n.Local(), Marks: n.Marks.Strings(), Skip: str(string(n.Skip))}
	if n.Skip == "" && slices.ContainsFunc(s.State.SkipNext, n.At.Equal) {
		w.Skip = str(string(agenda.ReasonRequested))
	}
	if w.Skip == nil {
		w.DueAt = instant(schedule.Due(s.ID, n.At, following, s.Policy.Offset, s.Policy.Jitter))
	}
	return w
}

// ScheduleEntryOf shows a line of the history; zone is the schedule's.
func ScheduleEntryOf(e store.HistoryEntry, zone *time.Location) ScheduleEntry {
	w := ScheduleEntry{
		Kind: string(e.Mark().Kind), NominalAt: e.Run.Nominal.UTC(), LastNominalAt: e.Run.Nominal.UTC(), Count: 1,
		Local: schedule.Nominal{At: e.Run.Nominal, Zone: zone}.Local(), DecidedAt: instant(e.Run.DecidedAt), ScheduleVersion: e.Version,
	}
	if e.Reason != "" {
		w.Status, w.Reason, w.LastNominalAt, w.Count = string(agenda.RunSkipped), str(string(e.Reason)), e.Last.UTC(), e.Count
		return w
	}
	r := e.Run
	w.Again, w.Source, w.Status, w.Reason, w.JobID = r.Again, str(string(r.Source)), string(r.Status), str(string(r.Reason)), str(r.JobID)
	w.DueAt, w.PlannedAt, w.StartedAt, w.FinishedAt = instant(r.Due), instant(r.PlannedAt), instant(r.StartedAt), instant(r.EndedAt)
	w.CalendarVersion, w.DataInterval = &e.Calendars, dataInterval(e)
	return w
}

func dataInterval(e store.HistoryEntry) *DataInterval {
	if e.Run.Source == agenda.SourceManual {
		return nil // a wish is about no interval
	}
	return &DataInterval{Start: instant(e.Previous), End: e.Run.Nominal.UTC()}
}

// FireOf shows how a schedule made a job; the zero value for none.
func FireOf(f store.Fire) ScheduleFire {
	if f.ScheduleID == "" {
		return ScheduleFire{}
	}
	return ScheduleFire{
		ScheduleID: &f.ScheduleID, NominalAt: instant(f.Run.Nominal), DueAt: instant(f.Run.Due), DecidedAt: instant(f.Run.DecidedAt),
		Source: str(string(f.Run.Source)), ScheduleVersion: &f.Version, Timezone: str(f.Zone), CalendarVersion: &f.Calendars,
		DataInterval: dataInterval(f.HistoryEntry),
	}
}

// ScheduleVersionOf shows what a schedule was; s is a version of it.
func ScheduleVersionOf(s agenda.Schedule) (ScheduleVersion, error) {
	in, err := ScheduleInputOf(s.Definition, true)
	in.Enabled = nil // it is no part of a version
	w := ScheduleVersion{ScheduleID: s.ID, Version: s.Version, CreatedAt: s.UpdatedAt.UTC(), CreatedBy: s.ChangedBy, Definition: in}
	if err != nil {
		return w, err
	}
	if p, err := in.Timing().Plan(time.UTC); err == nil {
		p.Spec.Cron.HashSeed = s.ID
		w.Summary = strings.TrimSpace(schedule.Describe(p.Spec, schedule.English))
	}
	return w, nil
}
