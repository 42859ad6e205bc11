package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/plan"
)

// WorkflowDocument is a file with definitions, as JSON or as YAML. Its schema is at
// /api/schemas/workflow.json.
type WorkflowDocument struct {
	Kind       string `json:"kind,omitempty" enum:"Workflow,JobTemplate,Schedule" doc:"what it is; Workflow if absent"`
	WorkflowID string `json:"workflow_id,omitempty" doc:"identity over all versions" example:"etl_customers"`
}

// Workflow is what is common to all versions of a workflow.
type Workflow struct {
	WorkflowID       string            `json:"workflow_id" example:"etl_customers"`
	Name             string            `json:"name" doc:"of the active version, or of the newest where none is active, like description and labels"`
	Description      string            `json:"description"`
	Labels           map[string]string `json:"labels"`
	ActiveVersion    *int              `json:"active_version" doc:"the version that new runs use; null: none does"`
	NewestVersion    int               `json:"newest_version"`
	ContentHash      string            `json:"content_hash" doc:"SHA-256 of the active version, or of the newest where none is active"`
	Archived         bool              `json:"archived" doc:"no new run begins; it is left out of lists"`
	CreatedBy        string            `json:"created_by"`
	CreatedAt        time.Time         `json:"created_at"`
	UpdatedAt        time.Time         `json:"updated_at"`
	Definition       Object            `json:"definition,omitempty" doc:"of the same version; not in lists"`
	Results          []WorkflowResult  `json:"results,omitempty" doc:"the latest 20 runs, newest first; in lists with include=results"`
	NextRunAt        *time.Time        `json:"next_run_at,omitempty" doc:"when a schedule starts it next; in lists with include=next"`
	NextScheduleID   *string           `json:"next_schedule_id,omitempty" doc:"that schedule"`
	PendingApprovals *int              `json:"pending_approvals,omitempty" doc:"requests about its runs; in lists with include=approvals"`
}

// WorkflowOf shows a workflow.
func WorkflowOf(w store.Workflow) Workflow {
	out := Workflow{
		WorkflowID: w.ID, Name: w.Name, Description: w.Description, Labels: w.Labels, NewestVersion: w.Newest, ContentHash: w.NewestHash,
		Archived: !w.ArchivedAt.IsZero(), CreatedBy: w.CreatedBy, CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt,
	}
	if w.Active > 0 {
		out.ActiveVersion, out.ContentHash = &w.Active, w.ActiveHash
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	return out
}

// WorkflowList is one page.
type WorkflowList struct {
	Items      []Workflow `json:"items"`
	NextCursor *string    `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// WorkflowVersion is a version. It never changes.
type WorkflowVersion struct {
	VersionID   string          `json:"version_id" example:"wf_01jh0000000000000000000000"`
	WorkflowID  string          `json:"workflow_id"`
	Version     int             `json:"version"`
	ContentHash string          `json:"content_hash" doc:"SHA-256 of the canonical JSON of definition"`
	Active      bool            `json:"active"`
	Tags        []string        `json:"tags" doc:"names that it has now, sorted; they are not part of the version"`
	CreatedBy   string          `json:"created_by"`
	CreatedAt   time.Time       `json:"created_at"`
	Message     string          `json:"message"`
	Definition  Object          `json:"definition,omitempty" doc:"not in lists"`
	Results     *VersionResults `json:"results,omitempty" doc:"in lists with include=results"`
}

// WorkflowVersionOf shows a version.
func WorkflowVersionOf(v store.WorkflowVersion) WorkflowVersion {
	return WorkflowVersion{
		VersionID: v.VersionID, WorkflowID: v.WorkflowID, Version: v.Version, ContentHash: v.Hash, Active: v.Active, Tags: full(v.Tags),
		CreatedBy: v.CreatedBy, CreatedAt: v.CreatedAt, Message: v.Message, Definition: Object(v.Definition),
	}
}

// WorkflowVersionList is one page.
type WorkflowVersionList struct {
	Items      []WorkflowVersion `json:"items"`
	NextCursor *string           `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// WorkflowActivation is a line of the log of activations.
type WorkflowActivation struct {
	WorkflowID  string    `json:"workflow_id"`
	Version     int       `json:"version"`
	FromVersion *int      `json:"from_version" doc:"null: none was active"`
	Source      string    `json:"source" enum:"apply,activate,rollback,node" doc:"node: a node of a workflow rolled it back"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
	Reason      string    `json:"reason"`
}

// WorkflowActivationOf shows a line.
func WorkflowActivationOf(a store.WorkflowActivation) WorkflowActivation {
	return WorkflowActivation{WorkflowID: a.WorkflowID, Version: a.Version, FromVersion: orNull(a.From), Source: a.Source, By: a.By, At: a.At, Reason: a.Reason}
}

func orNull(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// WorkflowActivationList is one page.
type WorkflowActivationList struct {
	Items      []WorkflowActivation `json:"items"`
	NextCursor *string              `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// WorkflowTagInput says which version a tag names.
type WorkflowTagInput struct {
	Version int `json:"version" minimum:"1" maximum:"2147483647"`
}

// WorkflowTag is a name of a version.
type WorkflowTag struct {
	WorkflowID      string `json:"workflow_id"`
	Tag             string `json:"tag" example:"stable"`
	Version         int    `json:"version"`
	PreviousVersion *int   `json:"previous_version" doc:"the version that the tag named before; null: there was no such tag"`
}

// WorkflowMoveInput says which version is to be used.
type WorkflowMoveInput struct {
	Version int    `json:"version,omitempty" minimum:"1" maximum:"2147483647" doc:"this or tag"`
	Tag     string `json:"tag,omitempty" maxLength:"64" example:"stable" doc:"the version that this tag names now"`
	Reason  string `json:"reason,omitempty" maxLength:"1000" doc:"for the log"`
	Running string `json:"running,omitempty" enum:"keep,cancel,migrate" doc:"what happens to runs that have begun: they keep their version, are cancelled, or go on with the new one; keep if absent"`
}

// WorkflowMoved says that another version is used.
type WorkflowMoved struct {
	Success         bool   `json:"success"`
	WorkflowID      string `json:"workflow_id"`
	Version         int    `json:"version"`
	PreviousVersion *int   `json:"previous_version" doc:"null: none was active"`
	RunsChanged     int    `json:"runs_changed" doc:"running runs that were cancelled or migrated"`
}

// WorkflowRolledBack says that an earlier version is used.
type WorkflowRolledBack struct {
	Success             bool   `json:"success"`
	WorkflowID          string `json:"workflow_id"`
	RolledBackToVersion int    `json:"rolled_back_to_version"`
	PreviousVersion     *int   `json:"previous_version" doc:"null: none was active"`
	RunsChanged         int    `json:"runs_changed" doc:"running runs that were cancelled or migrated"`
}

// AppliedDocument is what became of a document of a file.
type AppliedDocument struct {
	Kind            string  `json:"kind" enum:"Workflow,JobTemplate,Schedule"`
	ID              string  `json:"id"`
	Name            string  `json:"name"`
	Result          string  `json:"result" enum:"created,updated,activated,unchanged" doc:"of a workflow: created is a new version; activated: its content was there already as a draft, or it was archived"`
	Version         int     `json:"version"`
	ContentHash     *string `json:"content_hash" doc:"of a workflow"`
	Active          *bool   `json:"active" doc:"of a workflow: this version is the one that new runs use"`
	PreviousVersion *int    `json:"previous_version" doc:"of a workflow: which version was active before; null: none"`
}

// Applied is what became of a file, in the order in which it was applied.
type Applied struct {
	Items []AppliedDocument `json:"items"`
}

// AppliedWorkflowOf shows what became of a workflow.
func AppliedWorkflowOf(a store.AppliedWorkflow) AppliedDocument {
	out := AppliedDocument{
		Kind: workflow.KindWorkflow, ID: a.Workflow.ID, Name: a.Workflow.Name, Result: "unchanged", Version: a.Version.Version,
		ContentHash: &a.Version.Hash, Active: &a.Version.Active, PreviousVersion: orNull(a.From),
	}
	switch {
	case a.Created:
		out.Result = "created"
	case a.Activated:
		out.Result = "activated"
	}
	return out
}

// WorkflowProblem is something wrong in a document.
type WorkflowProblem struct {
	File       string  `json:"file"`
	Line       int     `json:"line" doc:"from 1; 0: it is about the whole file"`
	Column     int     `json:"column"`
	NodeID     *string `json:"node_id"`
	Code       string  `json:"code" example:"unknown_reference" doc:"stable, for programs; another version may have more" enum:"unknown_key,unknown_value,wrong_type,out_of_range,too_many,required,invalid_id,invalid_name,invalid_pattern,newer_dsl,unknown_type,not_constant,not_before,unknown_node,unknown_outcome,cycle,duplicate_node,not_in_map,not_allowed,secret_not_allowed,unknown_reference,not_stored,maybe_missing,more,syntax,expression,invalid_mock,wrong_value,shell_script,invalid_schema"`
	Reason     *string `json:"reason" example:"unknown_input" doc:"which sentence of the code the detail is, stable as the code is; null: the detail is in words of its own" enum:"unknown_key,unknown_value,wrong_type,wrong_form,wrong_items,not_an_object,mock_index,out_of_range,whole_number_out_of_range,duration_out_of_range,min_above_max,too_many_nodes,too_many_fields,required,subtype_required,invalid_id,invalid_name,invalid_pattern,newer_dsl,unknown_type,unknown_subtype,not_constant,not_before,unknown_node,unknown_outcome,cycle,duplicate_node,not_in_map,mock_error_and_result,subtype_already,name_taken,pattern_of_no_string,items_of_no_array,default_of_secret,secret_field,secret_not_allowed,secret_not_named,unknown_input,unknown_variable,unknown_output,outside_of_map,no_result,no_error,before_the_run,own_outputs,not_stored,maybe_missing,wrong_default,wrong_enum,wrong_expression,more"`
	Detail     string  `json:"detail" doc:"for people, in English"`
	Suggestion *string `json:"suggestion" doc:"what may have been meant"`

	Values map[string]string `json:"values" doc:"what the detail speaks of, by name, such as the name of a field, so that a program can say it in its own words"`
}

// WorkflowProblemOf shows a problem.
func WorkflowProblemOf(p workflow.Problem) WorkflowProblem {
	out := WorkflowProblem{File: p.File, Line: p.Pos.Line, Column: p.Pos.Column, Code: p.Code, Detail: p.Text, Values: p.Values}
	if p.Reason != "" {
		out.Reason = &p.Reason
	}
	if out.Values == nil {
		out.Values = map[string]string{}
	}
	if p.Node != "" {
		out.NodeID = &p.Node
	}
	if p.Suggest != "" {
		out.Suggestion = &p.Suggest
	}
	return out
}

// WorkflowValidation is the result of a check.
type WorkflowValidation struct {
	Valid    bool              `json:"valid"`
	Problems []WorkflowProblem `json:"problems"`
}

// WorkflowDiff is what differs between two versions.
type WorkflowDiff struct {
	WorkflowID   string             `json:"workflow_id"`
	From         int                `json:"from"`
	To           int                `json:"to"`
	Text         string             `json:"text" doc:"unified difference of the canonical YAML; empty: nothing differs"`
	Added        []string           `json:"added" doc:"nodes"`
	Removed      []string           `json:"removed" doc:"nodes"`
	Changed      []WorkflowNodeDiff `json:"changed" doc:"nodes"`
	Fields       []string           `json:"fields" doc:"fields of the document that differ"`
	EdgesAdded   []string           `json:"edges_added"`
	EdgesRemoved []string           `json:"edges_removed"`
}

// WorkflowNodeDiff is a node of both versions.
type WorkflowNodeDiff struct {
	NodeID string   `json:"node_id"`
	Fields []string `json:"fields"`
}

// Show puts the structural difference into d.
func (d *WorkflowDiff) Show(x workflow.Diff) {
	d.Added, d.Removed, d.Fields = full(x.Added), full(x.Removed), full(x.Fields)
	d.EdgesAdded, d.EdgesRemoved, d.Changed = full(x.EdgesAdded), full(x.EdgesRemoved), []WorkflowNodeDiff{}
	for _, c := range x.Changed {
		d.Changed = append(d.Changed, WorkflowNodeDiff{c.ID, full(c.Fields)})
	}
}

// full is list as JSON has it: never null.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// WorkflowPlan is what is known of a workflow's runs in advance.
type WorkflowPlan struct {
	WorkflowID string               `json:"workflow_id"`
	Nodes      []WorkflowPlanNode   `json:"nodes" doc:"in an order in which they may run"`
	Edges      []WorkflowPlanEdge   `json:"edges"`
	Locks      []WorkflowPlanUse    `json:"locks" doc:"as they are written"`
	Secrets    []WorkflowPlanUse    `json:"secrets"`
	Calls      []WorkflowPlanCall   `json:"calls" doc:"nodes that reach for something outside of the server"`
	People     []WorkflowPlanPerson `json:"people" doc:"nodes that wait for somebody"`
	Schedules  []WorkflowSchedule   `json:"schedules" doc:"those that start it"`
}

// WorkflowPlanNode is a step.
type WorkflowPlanNode struct {
	NodeID      string   `json:"node_id"`
	Type        string   `json:"type"`
	Subtype     *string  `json:"subtype"`
	Within      *string  `json:"within" doc:"the map that it belongs to"`
	Handler     bool     `json:"handler" doc:"only on_error or compensate leads to it"`
	When        *string  `json:"when"`
	MaxAttempts int      `json:"max_attempts"`
	Locks       []string `json:"locks"`
}

// WorkflowPlanEdge leads from a node to another.
type WorkflowPlanEdge struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Outcome *string `json:"outcome" doc:"null: on every good one"`
}

// WorkflowPlanUse is a name and the nodes that use it.
type WorkflowPlanUse struct {
	Name  string   `json:"name"`
	Nodes []string `json:"nodes"`
}

// WorkflowPlanCall is a node that reaches for something outside.
type WorkflowPlanCall struct {
	NodeID string  `json:"node_id"`
	Kind   string  `json:"kind" example:"action/api_call"`
	Target *string `json:"target" doc:"the address, program or recipient as it is written; null: the server's settings say"`
	Effect bool    `json:"effect" doc:"it changes something there"`
}

// WorkflowPlanPerson is a node that waits for somebody.
type WorkflowPlanPerson struct {
	NodeID string   `json:"node_id"`
	Why    string   `json:"why" enum:"approval,crash" doc:"crash: somebody says what an attempt did whose server died"`
	Who    []string `json:"who" doc:"empty: all who may decide approvals"`
}

// WorkflowSchedule is a schedule that starts the workflow.
type WorkflowSchedule struct {
	ScheduleID string     `json:"schedule_id"`
	Name       string     `json:"name"`
	State      string     `json:"state"`
	NextRunAt  *time.Time `json:"next_run_at"`
}

// WorkflowPlanOf shows a plan.
func WorkflowPlanOf(p plan.Plan) WorkflowPlan {
	out := WorkflowPlan{
		WorkflowID: p.WorkflowID, Nodes: []WorkflowPlanNode{}, Edges: []WorkflowPlanEdge{}, Locks: uses(p.Locks), Secrets: uses(p.Secrets),
		Calls: []WorkflowPlanCall{}, People: []WorkflowPlanPerson{}, Schedules: []WorkflowSchedule{},
	}
	for _, n := range p.Nodes {
		out.Nodes = append(out.Nodes, WorkflowPlanNode{n.ID, n.Type, said(n.Subtype), said(n.Within), n.Handler, said(n.When), n.Attempts, full(n.Locks)})
	}
	for _, e := range p.Edges {
		out.Edges = append(out.Edges, WorkflowPlanEdge{e.From, e.To, said(e.Outcome)})
	}
	for _, c := range p.Calls {
		out.Calls = append(out.Calls, WorkflowPlanCall{c.Node, c.Kind, said(c.Target), c.Effect})
	}
	for _, x := range p.People {
		out.People = append(out.People, WorkflowPlanPerson{x.Node, x.Why, full(x.Who)})
	}
	return out
}

func said(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func uses(list []plan.Use) []WorkflowPlanUse {
	out := []WorkflowPlanUse{}
	for _, u := range list {
		out = append(out, WorkflowPlanUse(u))
	}
	return out
}

// WorkflowPlans are the plans of a file's workflows.
type WorkflowPlans struct {
	Items []WorkflowPlan `json:"items"`
}
