package wire

import "time"

// BulkInput changes many jobs at once. They are named by job_ids or by a
// filter.
type BulkInput struct {
	JobIDs   []string    `json:"job_ids,omitempty" minItems:"1" maxItems:"1000" doc:"either this or filter"`
	Filter   *BulkFilter `json:"filter,omitempty" doc:"either this or job_ids; the first 1000 that match, in queue order"`
	Action   string      `json:"action" enum:"cancel,hold,release,restore,priority,move"`
	DryRun   bool        `json:"dry_run,omitempty" doc:"change nothing, and say what would be changed"`
	Reason   string      `json:"reason,omitempty" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"of a hold, for people"`
	Priority *int        `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"for action priority"`
	To       *JobMove    `json:"to,omitempty" doc:"for action move: where they go together"`
}

// BulkFilter chooses jobs; fields combine with and, the values of a list with
// or.
type BulkFilter struct {
	Status        []string          `json:"status,omitempty" maxItems:"6" doc:"the statuses to which the action applies if absent" example:"[\"QUEUED\"]"`
	JobType       []string          `json:"job_type,omitempty" maxItems:"50"`
	TemplateID    []string          `json:"template_id,omitempty" maxItems:"50" doc:"ids"`
	GroupID       string            `json:"group_id,omitempty" maxLength:"100"`
	Labels        map[string]string `json:"labels,omitempty" doc:"all of them"`
	Query         string            `json:"q,omitempty" maxLength:"200" doc:"part of the name, any case"`
	CreatedAfter  *time.Time        `json:"created_after,omitempty"`
	CreatedBefore *time.Time        `json:"created_before,omitempty"`
}

// BulkItem is what happened to one job.
type BulkItem struct {
	JobID  string  `json:"job_id"`
	Name   *string `json:"name" doc:"null for a job that is not there"`
	Status *string `json:"status" doc:"of the job now"`
	Result string  `json:"result" enum:"done,would,refused" doc:"would: in a dry run, it would be done"`
	Error  *Error  `json:"error" doc:"why it was refused"`
}

// BulkResult is what happened to all of them.
type BulkResult struct {
	Action  string     `json:"action" enum:"cancel,hold,release,restore,priority,move"`
	DryRun  bool       `json:"dry_run"`
	Matched int        `json:"matched" doc:"number of items"`
	Done    int        `json:"done" doc:"items that were changed, or would be"`
	Refused int        `json:"refused"`
	More    bool       `json:"more" doc:"more jobs match the filter: repeat the request"`
	Items   []BulkItem `json:"items"`
}
