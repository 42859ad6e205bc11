package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/runsheet/runsheet/client"
)

// shownSchedules bounds how many names a line has.
const shownSchedules = 5

// schedules looks for those that do not fire although nobody wants that: they have
// paused themselves, or their triggers cannot be used.
func (e *exam) schedules(ctx context.Context, cl *client.Client) {
	total, troubled := 0, []string{}
	for s, err := range cl.Schedules(ctx, client.ScheduleFilter{PageSize: 200}) {
		if err != nil {
			e.bad(Warn, "schedules", "look at the server's log", "they cannot be read: %v", err)
			return
		}
		total++
		if why := trouble(s); why != "" {
			troubled = append(troubled, fmt.Sprintf("%s (%s)", s.Name, why))
		}
	}
	if len(troubled) == 0 {
		e.ok("schedules", "%d, none of them stopped by itself", total)
		return
	}
	text := strings.Join(troubled[:min(len(troubled), shownSchedules)], ", ")
	if more := len(troubled) - shownSchedules; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	e.bad(Warn, "schedules", "correct them and resume them: runsheet schedule resume NAME", "%d of %d do not fire: %s", len(troubled), total, text)
}

// trouble is why a schedule does not fire although nobody paused it; "" = it does, or
// somebody did.
func trouble(s client.Schedule) string {
	if s.State == "paused" && (s.StateBy == nil || *s.StateBy == "") {
		if s.StateReason != nil {
			return *s.StateReason
		}
		return "paused"
	}
	for _, w := range s.Warnings {
		if s.State == "active" && (w.Code == "trigger_unusable" || w.Code == "clock_ahead") {
			return w.Detail
		}
	}
	return ""
}
