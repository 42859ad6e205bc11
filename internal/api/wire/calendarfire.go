package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

// FireChange is one fire of a schedule that comes, goes or moves.
type FireChange struct {
	ScheduleID string     `json:"schedule_id"`
	Schedule   string     `json:"schedule" doc:"its name"`
	Paused     bool       `json:"paused" doc:"it fires only if somebody resumes the schedule"`
	Change     string     `json:"change" doc:"removed, added or moved"`
	NominalAt  time.Time  `json:"nominal_at" doc:"removed and moved: when it fires without the change; added: when it does with it"`
	Local      string     `json:"local" doc:"the same as clocks in the schedule's zone show it" example:"2026-01-12T09:00:00+09:00"`
	MovedTo    *time.Time `json:"moved_to" doc:"moved: when it fires with the change"`
	Reason     *string    `json:"reason" doc:"removed: why it is skipped, such as holiday or only_in"`
}

// FireChanges is what a change of a calendar does to the fires of schedules.
type FireChanges struct {
	Items     []FireChange `json:"items" nullable:"false" doc:"by schedule and time"`
	Schedules int          `json:"schedules" doc:"number of schedules in items"`
	Complete  bool         `json:"complete" doc:"false: there are more than are listed"`
}

// FireChangeOf shows what becomes of a fire; whose it is remains to be said.
func FireChangeOf(e timetable.Effect) FireChange {
	shown, out := e.Before, FireChange{Change: "removed", Reason: str(string(e.Reason))}
	switch {
	case e.Moved():
		out.Change, out.MovedTo, out.Reason = "moved", moment(e.After.At), nil
	case e.Before.At.IsZero():
		shown, out.Change = schedule.Nominal{At: e.After.At, Zone: e.After.Zone}, "added"
	}
	out.NominalAt, out.Local = shown.At.UTC(), shown.Local()
	return out
}
