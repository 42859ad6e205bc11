package api

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/timetable"
)

// The bounds of previews. previewTime is for a whole request; maxLooks are worked
// on at the same time, the others wait.
const (
	maxLooks     = 2
	maxPreviews  = 100
	previewCount = 10
	previewTime  = 10 * time.Second
)

func (s *service) previewRoutes() []operation {
	return []operation{{
		ID: "preview_schedule", Method: http.MethodPost, Path: "/api/schedules/preview", Scope: access.SchedulesRead, Tag: "schedules",
		Summary: "Show when something would fire",
		Doc: "Nothing is stored. Times that a calendar, hours or an exclusion take away are listed, too, and count: skip says why. " +
			"A list of up to 100 bodies gets a list of answers.",
		Body: wire.SchedulePreviewInput{}, Many: maxPreviews, Pure: true,
		Hint:    `a preview reads only the canonical form: {"trigger":{"type":"CRON","expression":"0 9 * * *"},"timezone":"Asia/Seoul","count":3}`,
		Faults:  []fault.Code{fault.CronInvalid, fault.TriggerInvalid, fault.ZoneUnknown, fault.NeverFires},
		Answers: []answer{{Status: http.StatusOK, Doc: "the next times, in order; a list of answers for a list", Body: wire.SchedulePreview{}}},
		Handle:  s.previewSchedule,
	}}
}

// lookAhead waits for its turn to use a processor for long. The caller calls done
// at the end, and asks stop in between, which says when the time is over.
func (s *service) lookAhead(r *request) (stop func() bool, done func(), err error) {
	select {
	case s.looks <- struct{}{}:
	case <-r.Context().Done():
		return nil, nil, r.Context().Err()
	}
	end := s.Clock.Now().Add(previewTime)
	return func() bool { return r.Context().Err() != nil || s.Clock.Now().After(end) }, func() { <-s.looks }, nil
}

func (s *service) previewSchedule(r *request) (reply, error) {
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	stop, done, err := s.lookAhead(r)
	if err != nil {
		return reply{}, err
	}
	defer done()
	if !isList(r.body) {
		var in wire.SchedulePreviewInput
		if err := r.decode(&in); err != nil {
			return reply{}, err
		}
		out, err := s.preview(in, set, stop)
		return reply{Status: http.StatusOK, Body: out}, err
	}
	var list []wire.SchedulePreviewInput
	if err := r.decode(&list); err != nil {
		return reply{}, err
	}
	out := make([]wire.SchedulePreview, 0, len(list))
	for i, in := range list {
		one, err := s.preview(in, set, stop)
		if err != nil {
			return reply{}, under(err, "/"+itoa(i))
		}
		out = append(out, one)
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// isList reports whether a JSON text is a list.
func isList(body []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) }

// under puts where a part of the body stands before the pointers of a fault.
func under(err error, at string) error {
	f := fault.From(err)
	if f.Kind() == fault.Internal {
		return err
	}
	moved := fault.New(f.Code, f.Detail).WithHint(f.Hint)
	for _, x := range f.Fields {
		moved = moved.At(at+x.Pointer, x.Code, x.Detail)
	}
	return moved
}

func (s *service) preview(in wire.SchedulePreviewInput, find timetable.Finder, stop func() bool) (wire.SchedulePreview, error) {
	out := wire.SchedulePreview{Items: []wire.Nominal{}}
	trigger, err := in.Compile(find, s.Zone, "")
	if err != nil {
		return out, err
	}
	from, count := s.Clock.Now(), previewCount
	if in.From != nil {
		from = in.From.UTC()
	}
	if in.Count > 0 {
		count = in.Count
	}
	if !in.AllowNever {
		if err := timetable.Never(trigger, from); err != nil {
			f := fault.From(err)
			return out, f.At("/trigger"+neverAt(in.Trigger), string(f.Code), f.Detail)
		}
	}
	items, err := timetable.Preview(trigger, from, count, stop)
	if errors.Is(err, timetable.ErrStopped) {
		return out, fault.Newf(fault.TriggerInvalid, "the preview takes longer than %v", previewTime).
			At("/count", "out_of_range", "must be less for this trigger").WithHint("ask for fewer times, or for fewer triggers at once")
	}
	for _, n := range items {
		out.Items = append(out.Items, wire.NominalOf(n))
	}
	return out, err
}

// neverAt is the field that says when a trigger fires.
func neverAt(t wire.TriggerInput) string {
	switch {
	case t.Expression != "":
		return "/expression"
	case t.Expressions != nil:
		return "/expressions"
	case t.At != nil:
		return "/at"
	case t.Event != "":
		return "/event"
	}
	return ""
}
