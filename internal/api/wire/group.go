package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/job"
)

// JobGroupInput puts several jobs into the queue as a group, which has one place
// and one slot: new ones, or ones that wait already.
type JobGroupInput struct {
	Name        string            `json:"name" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"for people"`
	Mode        string            `json:"mode" enum:"parallel,sequential" doc:"parallel: the members start together; sequential: one after another, in list order"`
	MaxParallel *int              `json:"max_parallel,omitempty" minimum:"1" maximum:"8" doc:"members of a parallel group that run at a time; their number, but at most 8, if absent"`
	OnFailure   string            `json:"on_failure,omitempty" enum:"stop,continue" doc:"stop: when a member fails or is cancelled, those that have not started are SKIPPED. If absent, stop for sequential and continue for parallel groups"`
	Priority    *int              `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"of the group's place, in place of those of its members; 5 if absent"`
	Position    *int              `json:"position,omitempty" minimum:"0" maximum:"2000000000" doc:"place in the queue, from 0; at most one of position, before, after, top, bottom"`
	Before      string            `json:"before,omitempty" maxLength:"100" doc:"id of a job or group"`
	After       string            `json:"after,omitempty" maxLength:"100" doc:"id of a job or group"`
	Top         bool              `json:"top,omitempty" doc:"before everything that waits"`
	Bottom      bool              `json:"bottom,omitempty" doc:"behind everything that waits"`
	Labels      map[string]string `json:"labels,omitempty" doc:"of the group"`
	Jobs        []JobInput        `json:"jobs,omitempty" minItems:"1" maxItems:"500" doc:"new jobs, the members in list order; either this or job_ids. More can be added while the group is PENDING, up to 10000"`
	JobIDs      []string          `json:"job_ids,omitempty" minItems:"1" maxItems:"500" doc:"jobs that wait, the members in list order; either this or jobs. The group takes the place of the first of them in the queue, so no place and no priority goes with it"`
}

// JobGroupDissolved is what dissolving a group did.
type JobGroupDissolved struct {
	GroupID  string    `json:"group_id"`
	JobIDs   []string  `json:"job_ids" doc:"the members that waited, in their order: they are ordinary jobs now, one behind the other"`
	Position int       `json:"position" doc:"number of places before the first of them"`
	Revision int64     `json:"revision" doc:"of the order now"`
	Group    *JobGroup `json:"group" doc:"what is left of the group: the members that have begun or ended; null when there are none, and the group is gone"`
}

// JobGroupJobs adds members to a group.
type JobGroupJobs struct {
	Jobs []JobInput `json:"jobs" minItems:"1" maxItems:"500" doc:"they go behind the other members, in this order"`
}

// JobGroup is several jobs that have one place in the queue and one slot.
type JobGroup struct {
	GroupID     string            `json:"group_id" example:"group_01jh0000000000000000000000"`
	Name        string            `json:"name"`
	Mode        string            `json:"mode" enum:"parallel,sequential"`
	MaxParallel int               `json:"max_parallel"`
	OnFailure   string            `json:"on_failure" enum:"stop,continue"`
	Status      string            `json:"status" enum:"PENDING,RUNNING,COMPLETED,PARTIAL" doc:"PARTIAL: it has ended, and not all members succeeded"`
	Position    *int              `json:"position" doc:"number of places before it in the queue; null unless PENDING"`
	Waiting     *Waiting          `json:"waiting" doc:"why it does not start or go on; null when it does"`
	Total       int               `json:"total" doc:"members"`
	Completed   int               `json:"completed" doc:"members that have ended, however"`
	Succeeded   int               `json:"succeeded"`
	Failed      int               `json:"failed"`
	Skipped     int               `json:"skipped"`
	Cancelled   int               `json:"cancelled"`
	Running     int               `json:"running" doc:"members that run now"`
	Labels      map[string]string `json:"labels"`
	CreatedBy   string            `json:"created_by"`
	CreatedAt   time.Time         `json:"created_at"`
	StartedAt   *time.Time        `json:"started_at"`
	FinishedAt  *time.Time        `json:"finished_at"`
	Jobs        []Job             `json:"jobs" nullable:"true" doc:"a page of its members in list order, those that were added in the answer to a POST; null in a list of groups"`
	NextCursor  *string           `json:"next_cursor" doc:"give it as cursor to get more members; null when there are none"`
}

// JobGroupList is one page.
type JobGroupList struct {
	Items      []JobGroup `json:"items"`
	NextCursor *string    `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// JobGroupOf shows g. running is the number of members that run; position and
// waiting are nil when it does not wait.
func JobGroupOf(g job.Group, running int, position *int, waiting *job.Waiting) JobGroup {
	return JobGroup{
		GroupID: g.ID, Name: g.Name, Mode: string(g.Mode), MaxParallel: g.MaxParallel, OnFailure: string(g.OnFailure),
		Status: string(g.State), Position: position, Waiting: waitingOf(waiting), Total: g.Total, Completed: g.Ended(), Succeeded: g.Succeeded,
		Failed: g.Failed, Skipped: g.Skipped, Cancelled: g.Cancelled, Running: running, Labels: labels(g.Labels),
		CreatedBy: g.CreatedBy, CreatedAt: g.CreatedAt.UTC(), StartedAt: instant(g.StartedAt), FinishedAt: instant(g.FinishedAt),
	}
}

func waitingOf(w *job.Waiting) *Waiting {
	if w == nil {
		return nil
	}
	return &Waiting{Code: string(w.Code), Detail: w.Detail, For: str(w.For), Holder: str(w.Holder), HeldBy: str(w.HeldBy), Reason: str(w.Reason), Until: instant(w.Until)}
}
