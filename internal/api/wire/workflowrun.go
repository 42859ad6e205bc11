package wire

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// WorkflowRunInput starts a run of a workflow.
type WorkflowRunInput struct {
	Inputs        Object            `json:"inputs,omitempty" doc:"as the version declares them"`
	Version       int               `json:"version,omitempty" minimum:"1" maximum:"2147483647" doc:"the active one if absent, and no tag is given"`
	Tag           string            `json:"tag,omitempty" maxLength:"64" example:"stable" doc:"the version that this tag names now, in place of version"`
	Name          string            `json:"name,omitempty" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"for people; the workflow's id if absent"`
	Trigger       string            `json:"trigger,omitempty" enum:"api,manual" default:"api" doc:"manual when a person asked for it"`
	Priority      *int              `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"lower is sooner; 5 if absent"`
	Labels        map[string]string `json:"labels,omitempty"`
	Hold          bool              `json:"hold,omitempty" doc:"do not start before a release of its job"`
	RunAt         *time.Time        `json:"run_at,omitempty" doc:"do not start before this time"`
	StartDeadline *Moment           `json:"start_deadline,omitempty" doc:"if it has not started by then, it is SKIPPED with reason deadline"`
	WebhookURL    string            `json:"webhook_url,omitempty" maxLength:"2048" doc:"is told how its job fares"`
	WebhookEvents []string          `json:"webhook_events,omitempty" maxItems:"32" doc:"what it is told; the ends of attempts if absent"`
	Position      *int              `json:"position,omitempty" minimum:"0" maximum:"1000000000" doc:"in the order, from 0; at most one of position, before, after, top and bottom"`
	Before        string            `json:"before,omitempty" maxLength:"100" doc:"id of the waiting job or group that comes next"`
	After         string            `json:"after,omitempty" maxLength:"100" doc:"id of the waiting job or group that comes just before"`
	Top           bool              `json:"top,omitempty" doc:"to the very front"`
	Bottom        bool              `json:"bottom,omitempty" doc:"to the very end"`
}

// Job is the body of POST /api/jobs that says the same.
func (in WorkflowRunInput) Job(params Object) JobInput {
	return JobInput{
		JobType: workflowType, Params: params, Name: in.Name, Trigger: in.Trigger, Priority: in.Priority, Labels: in.Labels, Hold: in.Hold, RunAt: in.RunAt, StartDeadline: in.StartDeadline,
		WebhookURL: in.WebhookURL, WebhookEvents: in.WebhookEvents, Position: in.Position, Before: in.Before, After: in.After, Top: in.Top, Bottom: in.Bottom,
	}
}

// WorkflowRetryInput says from where a run is repeated.
type WorkflowRetryInput struct {
	FromNode    string `json:"from_node,omitempty" maxLength:"64" doc:"this node and all that follows it run again; from the nodes that failed if absent"`
	FailedItems bool   `json:"failed_items,omitempty" doc:"the failed items of maps run again, and what follows these maps"`
	Version     int    `json:"version,omitempty" minimum:"1" maximum:"2147483647" doc:"another version, in which all that is kept must be unchanged; that of the run if absent"`
	Tag         string `json:"tag,omitempty" maxLength:"64" doc:"the version that this tag names now, in place of version"`
	Inputs      Object `json:"inputs,omitempty" doc:"in place of inputs of the run with the same names. Secret ones must be given again: they are not kept"`
	Preview     bool   `json:"preview,omitempty" doc:"only tell what would run again"`
}

// WorkflowRestoreInput says with which checkpoint another run begins.
type WorkflowRestoreInput struct {
	CheckpointID string `json:"checkpoint_id" maxLength:"100" example:"ckpt_01jh0000000000000000000000"`
	Version      int    `json:"version,omitempty" minimum:"1" maximum:"2147483647" doc:"another version, in which all that is kept must be unchanged; that of the run if absent"`
	Tag          string `json:"tag,omitempty" maxLength:"64" doc:"the version that this tag names now, in place of version"`
	Inputs       Object `json:"inputs,omitempty" doc:"in place of inputs of the run with the same names. Secret ones must be given again: they are not kept"`
	Preview      bool   `json:"preview,omitempty" doc:"only tell what would run again"`
}

// WorkflowDecisionInput says what an attempt did that a crash cut off.
type WorkflowDecisionInput struct {
	Decision string `json:"decision" enum:"retry,completed,failed" doc:"retry: run it again; completed: it had done its work; failed: it had not, and must not run again"`
	Reason   string `json:"reason,omitempty" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"for people"`
}

// WorkflowEventInput is something that has happened, for wait nodes.
type WorkflowEventInput struct {
	Name string `json:"name" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"as wait nodes name it" example:"file_arrived"`
	Data Object `json:"data,omitempty" doc:"result in the match of a wait node; becomes the node's output event"`
}

// WorkflowEventResult says what an event did.
type WorkflowEventResult struct {
	Woken int `json:"woken" doc:"how many waiting nodes it was for"`
	// Items are the first hundred of them.
	Items []WorkflowWoken `json:"items" doc:"the first 100 of them"`
}

// WorkflowWoken is a node that an event woke.
type WorkflowWoken struct {
	WorkflowRunID string `json:"workflow_run_id"`
	NodeID        string `json:"node_id"`
}

// WorkflowFailure is why a run or a node of it failed.
type WorkflowFailure struct {
	NodeID  *string `json:"node_id" doc:"null: it is no node's"`
	Code    string  `json:"code" doc:"stable, for programs"`
	Message string  `json:"message" doc:"for people"`
	Attempt int     `json:"attempt" doc:"of the node; 0: none"`
}

// WorkflowFailureOf shows a failure; nil if there is none.
func WorkflowFailureOf(f *workflow.Failure) *WorkflowFailure {
	if f == nil {
		return nil
	}
	return &WorkflowFailure{NodeID: str(f.NodeID), Code: f.Code, Message: f.Message, Attempt: f.Attempt}
}

// WorkflowRun is a run of a workflow as lists show it.
type WorkflowRun struct {
	WorkflowRunID     string            `json:"workflow_run_id" example:"wfrun_01jh0000000000000000000000"`
	WorkflowID        string            `json:"workflow_id"`
	Version           int               `json:"version" doc:"which it keeps, unless it is migrated"`
	Name              string            `json:"name"`
	Status            string            `json:"status" enum:"PENDING,RUNNING,WAITING,COMPLETED,FAILED,CANCELLED,SKIPPED" doc:"WAITING: it has begun, and needs no slot now"`
	Paused            bool              `json:"paused" doc:"a person let it start nothing more"`
	PausedBy          *string           `json:"paused_by"`
	JobID             string            `json:"job_id" doc:"its place in the queue"`
	RunID             *string           `json:"run_id" doc:"the job run that has its log and artifacts; null before it starts"`
	RetryOf           *string           `json:"retry_of" doc:"the run of a workflow with whose state it began"`
	Labels            map[string]string `json:"labels"`
	Priority          int               `json:"priority"`
	Trigger           string            `json:"trigger" enum:"api,manual,schedule,retry,workflow,group"`
	CreatedBy         string            `json:"created_by"`
	CreatedAt         time.Time         `json:"created_at"`
	StartedAt         *time.Time        `json:"started_at"`
	EndedAt           *time.Time        `json:"ended_at"`
	UpdatedAt         time.Time         `json:"updated_at"`
	CancelRequestedAt *time.Time        `json:"cancel_requested_at"`
	CancelledBy       *string           `json:"cancelled_by"`
}

// WorkflowRunOf shows a run as in lists.
func WorkflowRunOf(r store.WorkflowRun) WorkflowRun {
	j := r.Job
	ended := r.EndedAt
	if !j.State.Terminal() {
		ended = time.Time{}
	}
	return WorkflowRun{
		WorkflowRunID: r.ID, WorkflowID: r.WorkflowID, Version: r.Version, Name: j.Name, Status: r.Status(), Paused: r.PausedBy != "", PausedBy: str(r.PausedBy),
		JobID: r.JobID, RunID: str(j.RunID), RetryOf: str(r.RetryOf), Labels: labels(j.Labels), Priority: j.Priority, Trigger: string(j.Trigger), CreatedBy: j.CreatedBy,
		CreatedAt: r.CreatedAt.UTC(), StartedAt: moment(r.StartedAt), EndedAt: moment(ended), UpdatedAt: r.UpdatedAt.UTC(),
		CancelRequestedAt: moment(j.CancelAskedAt), CancelledBy: str(j.CancelledBy),
	}
}

// WorkflowRunList is one page.
type WorkflowRunList struct {
	Items      []WorkflowRun `json:"items"`
	NextCursor *string       `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// WorkflowRunDocument is a run with all its nodes.
type WorkflowRunDocument struct {
	WorkflowRun
	Phase              string              `json:"phase" doc:"what it is about: running, stopping, compensating, handling, over"`
	CheckpointSeq      int64               `json:"checkpoint_seq" doc:"number of its latest step, 0 = it never began"`
	Inputs             Object              `json:"inputs" doc:"secret ones are shown as ***"`
	Outputs            Object              `json:"outputs" doc:"of the run, once it has completed"`
	Reason             *string             `json:"reason" doc:"why it ended as it did, or ends"`
	Error              *WorkflowFailure    `json:"error" doc:"why it failed"`
	HandlerError       *WorkflowFailure    `json:"handler_error" doc:"why its on_error failed, too"`
	CompensationErrors []WorkflowFailure   `json:"compensation_errors" doc:"what could not be undone"`
	Waiting            *Waiting            `json:"waiting" doc:"why it is not at work; null: it is, or has ended"`
	Takeover           *WorkflowTakeover   `json:"takeover" doc:"the latest time that a server went on with it after it was cut off in the middle of its work; null: that never happened"`
	Began              *WorkflowBeginning  `json:"began" doc:"what the run that retry_of names was asked to be repeated from; null: it repeats none, or an older release made it"`
	Progress           WorkflowRunProgress `json:"progress"`
	Nodes              []WorkflowRunNode   `json:"nodes" doc:"all of its version, in the order of the document"`
	Maps               []WorkflowRunMap    `json:"maps"`
	Definition         Object              `json:"definition,omitempty" doc:"of its version, with include=definition"`
}

// WorkflowTakeover says how a run went on that was cut off.
type WorkflowTakeover struct {
	At         time.Time `json:"at"`
	After      string    `json:"after" enum:"crash,shutdown" doc:"crash: its server died; shutdown: its server stopped in order"`
	InstanceID *string   `json:"instance_id" doc:"the server process that went on"`
	NodeID     *string   `json:"node_id" doc:"the node at which it went on; null: none was at work"`
	Item       *int      `json:"item" doc:"how many items of that node had ended; null: it is no map"`
}

func takeoverOf(o *workflow.Takeover) *WorkflowTakeover {
	if o == nil {
		return nil
	}
	return &WorkflowTakeover{At: o.At.UTC(), After: string(o.After), InstanceID: str(o.Instance), NodeID: str(o.NodeID), Item: o.Items}
}

// WorkflowBeginning says from where a run repeats another one.
type WorkflowBeginning struct {
	Version       int     `json:"version" doc:"of the other run"`
	FromNode      *string `json:"from_node" doc:"this node and those behind it ran again; null: those that had failed"`
	FailedItems   bool    `json:"failed_items" doc:"only the failed items of maps, and what follows these maps"`
	CheckpointSeq *int64  `json:"checkpoint_seq" doc:"it began with the other run's state at this step; null: it was a retry"`
}

func beginningOf(b *workflow.Beginning) *WorkflowBeginning {
	if b == nil {
		return nil
	}
	out := &WorkflowBeginning{Version: b.Version, FromNode: str(b.From), FailedItems: b.FailedItems}
	if b.Seq != 0 {
		out.CheckpointSeq = &b.Seq
	}
	return out
}

// WorkflowRunProgress counts nodes.
type WorkflowRunProgress struct {
	Ended int `json:"ended" doc:"nodes that have ended"`
	Total int `json:"total" doc:"nodes, without those that run only when others fail"`
}

// WorkflowRunNode is a node of a run.
type WorkflowRunNode struct {
	NodeID         string           `json:"node_id"`
	Type           *string          `json:"type" example:"action/api_call" doc:"null: it is not in the version"`
	After          []string         `json:"after" doc:"the nodes before it"`
	Handler        bool             `json:"handler" doc:"it runs only when others fail"`
	Status         string           `json:"status" enum:"PENDING,READY,RUNNING,WAITING,COMPLETED,FAILED,SKIPPED,CANCELLED,COMPENSATED"`
	Attempt        int              `json:"attempt" doc:"number of the latest attempt since it was last put back, 0 = none began"`
	Round          int              `json:"round" doc:"how often it was put back to its beginning"`
	Outcome        *string          `json:"outcome"`
	Reason         *string          `json:"reason" doc:"why it was skipped"`
	ReasonCode     *string          `json:"reason_code" doc:"why it was skipped, for programs" enum:"not_reached,condition_false"`
	Error          *WorkflowFailure `json:"error" doc:"why it, or its latest attempt, failed"`
	Wait           *WorkflowWait    `json:"wait" doc:"what it waits for"`
	Outputs        Object           `json:"outputs" doc:"what is stored of them"`
	OutputsOmitted bool             `json:"outputs_omitted" doc:"they are too large to be shown here; a checkpoint has them"`
	Ephemeral      bool             `json:"ephemeral" doc:"a part of its outputs is kept in memory only"`
	Recompute      bool             `json:"will_be_recomputed" doc:"it runs again when the run goes on after a restart: what it said is not stored, and is still needed"`
	ReadyAt        *time.Time       `json:"ready_at"`
	StartedAt      *time.Time       `json:"started_at"`
	EndedAt        *time.Time       `json:"ended_at"`
}

// WorkflowWait is what a node waits for.
type WorkflowWait struct {
	For   string     `json:"for" enum:"retry_delay,timer,approval,event,job,decision,lock" doc:"decision: a person says what an attempt did that a crash cut off"`
	Until *time.Time `json:"until" doc:"when it ends by itself; null: never"`
	Ref   *string    `json:"ref" doc:"id of the approval or the job"`
	Event *string    `json:"event" doc:"name of the event"`
	Match *string    `json:"match" doc:"condition over the event"`
}

// WorkflowRunMap is how far a map of a run is.
type WorkflowRunMap struct {
	NodeID      string               `json:"node_id"`
	Total       int                  `json:"total"`
	Processed   int                  `json:"processed" doc:"items that have ended"`
	Failed      int                  `json:"failed" doc:"those of them that failed"`
	FailedItems []WorkflowFailedItem `json:"failed_items" doc:"the first 100"`
}

// WorkflowFailedItem is an item whose nodes failed.
type WorkflowFailedItem struct {
	Index   int    `json:"index" doc:"from 0"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// shownFailed is how many failed items of a map are shown.
const shownFailed = 100

// Bounds of what is shown of outputs, in bytes: of one node and of all.
const (
	maxShownOutputs    = 64 << 10
	maxAllShownOutputs = 1 << 20
)

// WorkflowRunDocumentOf shows a run. g is the graph of its version, nil if it cannot
// be read; why says why its job waits.
func WorkflowRunDocumentOf(r store.WorkflowRun, g *workflow.Graph, why *job.Waiting) WorkflowRunDocument {
	s := r.State
	out := WorkflowRunDocument{
		WorkflowRun: WorkflowRunOf(r), Phase: string(s.Phase), CheckpointSeq: r.Seq, Inputs: maskedInputs(r.Job.Params, g), Outputs: object(s.Values),
		Reason: str(s.Verdict()), Error: WorkflowFailureOf(s.Error), HandlerError: WorkflowFailureOf(s.HandlerError),
		CompensationErrors: []WorkflowFailure{}, Takeover: takeoverOf(s.Takeover), Began: beginningOf(s.Began), Nodes: []WorkflowRunNode{}, Maps: []WorkflowRunMap{},
	}
	if out.Reason == nil {
		out.Reason = str(s.Reason)
	}
	if out.Error == nil && r.Job.State == job.Failed && r.Job.Failure.Code != "" {
		out.Error = &WorkflowFailure{Code: r.Job.Failure.Code, Message: r.Job.Failure.Message}
	}
	for _, f := range s.UndoErrors {
		out.CompensationErrors = append(out.CompensationErrors, *WorkflowFailureOf(&f))
	}
	if r.Job.State == job.Queued {
		out.Waiting = waitingOf(why)
	}
	out.showNodes(r, g)
	for _, id := range slices.Sorted(maps.Keys(s.Maps)) {
		m := s.Maps[id]
		shown := WorkflowRunMap{NodeID: id, Total: m.Total, Processed: m.Processed(), Failed: len(m.Failed), FailedItems: []WorkflowFailedItem{}}
		for _, f := range m.Failed[:min(len(m.Failed), shownFailed)] {
			shown.FailedItems = append(shown.FailedItems, WorkflowFailedItem(f))
		}
		out.Maps = append(out.Maps, shown)
	}
	return out
}

func (d *WorkflowRunDocument) showNodes(r store.WorkflowRun, g *workflow.Graph) {
	left := maxAllShownOutputs
	add := func(id string, fill func(*WorkflowRunNode)) {
		n := workflowRunNodeOf(id, r.State, &left)
		if fill != nil {
			fill(&n)
		}
		d.Nodes = append(d.Nodes, n)
	}
	if g == nil {
		for _, id := range slices.Sorted(maps.Keys(r.State.Nodes)) {
			add(id, nil)
		}
		return
	}
	var again []string
	if !r.Job.State.Terminal() && r.Job.State != job.Running {
		again = g.Recomputed(r.State)
	}
	for _, step := range g.Steps {
		if !step.Handler {
			d.Progress.Total++
			if st := r.State.Status(step.ID); st.Terminal() {
				d.Progress.Ended++
			}
		}
		add(step.ID, func(n *WorkflowRunNode) {
			n.Type, n.Handler, n.Recompute = str(step.Kind.Name()), step.Handler, slices.Contains(again, step.ID)
			for _, e := range step.In {
				if !slices.Contains(n.After, e.From) {
					n.After = append(n.After, e.From)
				}
			}
		})
	}
}

func workflowRunNodeOf(id string, s workflow.State, left *int) WorkflowRunNode {
	n := s.Nodes[id]
	out := WorkflowRunNode{
		NodeID: id, After: []string{}, Status: string(s.Status(id)), Attempt: n.Attempt, Round: n.Round, Outcome: str(n.Outcome), Reason: str(n.Reason), ReasonCode: str(workflow.SkipCode(n.Reason)),
		Error: WorkflowFailureOf(n.Error), Ephemeral: n.Ephemeral, ReadyAt: moment(n.ReadyAt), StartedAt: moment(n.StartedAt), EndedAt: moment(n.EndedAt),
	}
	if w := n.Wait; w != nil && s.Status(id) == workflow.NodeWaiting {
		out.Wait = &WorkflowWait{For: string(w.For), Until: moment(w.Until), Ref: str(w.Ref), Event: str(w.Event), Match: str(w.Match)}
	}
	out.Outputs = object(s.Outputs[id])
	if len(out.Outputs) > maxShownOutputs || len(out.Outputs) > *left {
		out.Outputs, out.OutputsOmitted = nil, true
	}
	*left -= len(out.Outputs)
	return out
}

// object is a map as JSON; what cannot be written is left out.
func object(m map[string]any) Object {
	if len(m) == 0 {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return b
}

// masked stands for the value of a secret input.
const masked = "***"

// maskedInputs are the inputs in a job's params.
func maskedInputs(params []byte, g *workflow.Graph) Object {
	var p struct {
		Inputs map[string]any    `json:"inputs"`
		Sealed map[string]string `json:"sealed"`
	}
	if json.Unmarshal(params, &p) != nil { // params of another release
		return nil
	}
	if p.Inputs == nil {
		p.Inputs = map[string]any{}
	}
	for name := range p.Sealed {
		p.Inputs[name] = masked
	}
	if g != nil {
		for _, in := range g.Definition.Inputs {
			if in.Secret {
				p.Inputs[in.Name] = masked
			}
		}
	}
	return object(p.Inputs)
}

// WorkflowNodeAttempt is one attempt of a node.
type WorkflowNodeAttempt struct {
	NodeID    string           `json:"node_id"`
	Number    int              `json:"number" doc:"from 1, over rounds, lost ones included"`
	Epoch     int64            `json:"epoch" doc:"grows with each claim of the run by a server"`
	Status    string           `json:"status" enum:"PENDING,READY,RUNNING,WAITING,COMPLETED,FAILED,SKIPPED,CANCELLED,COMPENSATED" doc:"of the node after it; READY: another one repeats it"`
	Lost      *string          `json:"lost" enum:"crash,shutdown" doc:"its server died, or stopped, in the middle of it; null: neither"`
	Instance  *string          `json:"instance_id" doc:"the server that worked on it; null: not known"`
	Outcome   *string          `json:"outcome"`
	Error     *WorkflowFailure `json:"error"`
	StartedAt *time.Time       `json:"started_at"`
	EndedAt   *time.Time       `json:"ended_at" doc:"null: it has not ended. Of a lost one: when a server went on with the run; null: none has"`
}

// WorkflowNodeAttemptList is all that are kept, at most 200, oldest first.
type WorkflowNodeAttemptList struct {
	Items []WorkflowNodeAttempt `json:"items"`
}

// WorkflowNodeAttemptsOf shows attempts of a run.
func WorkflowNodeAttemptsOf(r store.WorkflowRun, all []store.NodeAttempt) WorkflowNodeAttemptList {
	out := WorkflowNodeAttemptList{Items: []WorkflowNodeAttempt{}}
	for _, a := range all {
		if a.Status == workflow.NodeRunning && a.Instance != "" && a.Epoch <= r.Job.Epoch && (r.Job.State != job.Running || r.Job.Epoch != a.Epoch) {
			// No server has gone on with the run, so nobody has written what became of it. Of a
			// later one than the run, which was read first, a server has.
			if a.Lost = workflow.CutOffShutdown; r.Job.Crashes > 0 {
				a.Lost = workflow.CutOffCrash
			}
		}
		out.Items = append(out.Items, WorkflowNodeAttempt{
			NodeID: a.NodeID, Number: a.Number, Epoch: a.Epoch, Status: string(a.Status), Lost: str(string(a.Lost)), Instance: str(a.Instance), Outcome: str(a.Outcome), Error: WorkflowFailureOf(a.Error),
			StartedAt: moment(a.StartedAt), EndedAt: moment(a.EndedAt),
		})
	}
	return out
}

// WorkflowRetryPreview is what a retry or a restore would do.
type WorkflowRetryPreview struct {
	WorkflowID string               `json:"workflow_id"`
	Version    int                  `json:"version"`
	Runs       []string             `json:"runs" doc:"nodes that run, or may run, in the order of the document"`
	Kept       []string             `json:"kept" doc:"nodes that stay as they are"`
	Recomputed []string             `json:"recomputed" doc:"nodes among those kept that run again, because what they said is not stored and is still needed"`
	Maps       []WorkflowMapPreview `json:"maps" doc:"maps that keep items"`
}

// WorkflowMapPreview is what becomes of a map's items.
type WorkflowMapPreview struct {
	NodeID string `json:"node_id"`
	Total  int    `json:"total"`
	Kept   int    `json:"kept" doc:"items that do not run again"`
}

// WorkflowRetryPreviewOf shows with which state a run would begin.
func WorkflowRetryPreviewOf(workflowID string, version int, s workflow.State, g *workflow.Graph) WorkflowRetryPreview {
	out := WorkflowRetryPreview{WorkflowID: workflowID, Version: version, Runs: []string{}, Kept: []string{}, Recomputed: full(g.Recomputed(s)), Maps: []WorkflowMapPreview{}}
	for _, step := range g.Steps {
		switch pending := s.Status(step.ID) == workflow.NodePending; {
		case pending && !step.Handler:
			out.Runs = append(out.Runs, step.ID)
		case !pending:
			out.Kept = append(out.Kept, step.ID)
		}
		if m, is := s.Maps[step.ID]; is {
			out.Maps = append(out.Maps, WorkflowMapPreview{step.ID, m.Total, m.Processed()})
		}
	}
	return out
}
