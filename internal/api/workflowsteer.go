package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// This file steers runs of workflows that have begun: pause, skip, decide, events.

func (s *service) workflowSteerRoutes(one string) []operation {
	shown := []answer{{Status: http.StatusOK, Doc: "the run", Body: wire.WorkflowRunDocument{}}}
	noted := []answer{{Status: http.StatusAccepted, Doc: "noted; the node ends when the run goes on, which is soon unless it is paused", Body: wire.WorkflowRunDocument{}}}
	verb := func(name, path, summary, doc string, h func(*request) (reply, error)) operation {
		return operation{
			ID: name, Method: http.MethodPost, Path: one + path, Scope: access.JobsWrite, Tag: "workflows", Summary: summary, Doc: doc, Answers: shown,
			Faults: []fault.Code{fault.WrongIDType, fault.AlreadyFinished}, Handle: h,
		}
	}
	skip := verb("skip_workflow_node", "/nodes/{node_id}/skip", "Skip a waiting node",
		"It ends well with its first outcome and the outputs skipped and reason; what it waited for is given up. Approvals cannot be skipped: they are decided.", s.skipNode)
	skip.Body, skip.BodyOptional, skip.Answers, skip.Faults = wire.Reason{}, true, noted, append(skip.Faults, fault.Conflict)
	decide := verb("decide_workflow_node", "/nodes/{node_id}/decide", "Say what an attempt did that a crash cut off",
		"For nodes with on_crash: ask, which wait for that.", s.decideNode)
	decide.Body, decide.Answers, decide.Faults = wire.WorkflowDecisionInput{}, noted, append(decide.Faults, fault.Conflict)
	return []operation{
		verb("pause_workflow_run", "/pause", "Pause a run", "It starts nothing more. What is at work ends in order. Waits go on, and count when it is resumed.", s.pauseWorkflowRun(true)),
		verb("resume_workflow_run", "/resume", "Let a paused run go on", "", s.pauseWorkflowRun(false)),
		skip, decide,
		{
			ID: "post_workflow_event", Method: http.MethodPost, Path: "/api/workflow-events", Scope: access.JobsWrite, Tag: "workflows",
			Summary: "Tell waiting runs that something has happened",
			Doc: "Wakes all wait nodes of the tenant that wait for an event of that name and whose match is true for data, at most 10000. " +
				"Nothing is kept: a node that begins to wait later does not see it.",
			Body: wire.WorkflowEventInput{}, Answers: []answer{{Status: http.StatusOK, Doc: "whom it woke", Body: wire.WorkflowEventResult{}}}, Handle: s.postEvent,
		},
	}
}

func (s *service) pauseWorkflowRun(pause bool) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		w, err := s.workflowRun(r.Context(), r)
		if err != nil {
			return reply{}, err
		}
		if err := s.maySteer(r, w.Job); err != nil {
			return reply{}, err
		}
		v, err := s.runView(r.Context(), w)
		if err != nil {
			return reply{}, err
		}
		action := audit.WorkflowRunResumed
		if pause {
			action = audit.WorkflowRunPaused
		}
		entry, err := s.record(r, change{Action: action, Object: w.ID, Name: w.Job.Name})
		if err != nil {
			return reply{}, err
		}
		if pause == (w.PausedBy != "") {
			entry = nil // nothing changes
		}
		done, err := s.Store.WorkflowRuns.Pause(r.Context(), store.PauseWorkflow{
			Tenant: w.Tenant, ID: w.ID, Paused: pause, By: r.principal.Name, At: s.now(), Audit: entry,
			Key: keyed(r, func(n store.WorkflowRun) reply {
				v.WorkflowRun = wire.WorkflowRunOf(n)
				return reply{Status: http.StatusOK, Body: v}
			}),
		})
		if err != nil {
			return reply{}, err
		}
		return s.runReply(r.Context(), http.StatusOK, done)
	}
}

func (s *service) skipNode(r *request) (reply, error) {
	var in wire.Reason
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	return s.endWait(r, audit.WorkflowNodeSkipped, "skip", in.Reason, func(n string, w workflow.Wait) error {
		switch w.For {
		case workflow.WaitApproval:
			return fault.Newf(fault.Conflict, "node %s waits for an approval, which has to be decided", n).WithHint("runsheet approval approve " + w.Ref)
		case workflow.WaitLock:
			return fault.Newf(fault.Conflict, "node %s waits for its locks and has not begun", n)
		case workflow.WaitRetry, workflow.WaitTimer, workflow.WaitEvent, workflow.WaitJob, workflow.WaitPerson:
		}
		return nil
	})
}

func (s *service) decideNode(r *request) (reply, error) {
	var in wire.WorkflowDecisionInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	return s.endWait(r, audit.WorkflowNodeDecided, in.Decision, in.Reason, func(n string, w workflow.Wait) error {
		if w.For != workflow.WaitPerson {
			return fault.Newf(fault.Conflict, "node %s does not wait for a decision, but for: %s", n, w.For)
		}
		return nil
	})
}

// endWait ends the wait of the node that the path names by a person's word, if may
// says nothing against it.
func (s *service) endWait(r *request, action audit.Action, decision, reason string, may func(string, workflow.Wait) error) (reply, error) {
	w, err := s.workflowRun(r.Context(), r)
	if err != nil {
		return reply{}, err
	}
	if err := s.maySteer(r, w.Job); err != nil {
		return reply{}, err
	}
	node, err := r.node()
	if err != nil {
		return reply{}, err
	}
	if w.Job.State.Terminal() {
		return reply{}, fault.Newf(fault.AlreadyFinished, "run %s is %s", w.ID, w.Job.State)
	}
	if err := s.hasNode(r.Context(), w, node); err != nil {
		return reply{}, err
	}
	n := w.State.Nodes[node]
	if w.State.Status(node) != workflow.NodeWaiting || n.Wait == nil {
		return reply{}, fault.Newf(fault.Conflict, "node %s does not wait: it is %s", node, w.State.Status(node))
	}
	if err := may(node, *n.Wait); err != nil {
		return reply{}, err
	}
	data, err := json.Marshal(map[string]any{"decision": decision, "reason": reason, "by": r.principal.Name, byPerson: true})
	if err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: action, Object: w.ID, Name: w.Job.Name, Detail: map[string]string{"node_id": node, "decision": decision, "reason": reason}})
	if err != nil {
		return reply{}, err
	}
	out, err := s.runReply(r.Context(), http.StatusAccepted, w)
	if err != nil {
		return reply{}, err
	}
	err = s.Store.WorkflowRuns.Wake(r.Context(), store.WakeNode{
		Tenant: w.Tenant, RunID: w.ID, NodeID: node, For: n.Wait.For, Ref: n.Wait.Ref, Data: data, At: s.now(), Audit: entry,
		Key: keyed(r, func(store.WakeNode) reply { return out }),
	})
	return out, err
}

// byPerson is engine.ByPerson.
const byPerson = "$by_person"

// hasNode returns not_found where a run has no such node.
func (s *service) hasNode(ctx context.Context, w store.WorkflowRun, node string) error {
	if _, reached := w.State.Nodes[node]; reached {
		return nil
	}
	g, err := s.graph(ctx, w.Tenant, w.WorkflowID, w.Version)
	if err == nil && g.Step(node) == nil {
		err = fault.Newf(fault.NotFound, "run %s has no node %s", w.ID, node)
	}
	return err
}

// Bounds of an event: how many nodes it wakes, and are looked at, how many are read at
// once, and shown.
const (
	maxWoken   = 10_000
	wakeBatch  = 200
	shownWoken = 100
	// eventTime is how long an event counts as in flight for a repetition of it.
	eventTime = time.Minute
)

func (s *service) postEvent(r *request) (reply, error) {
	var in wire.WorkflowEventInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if err := r.principal.RequireTemplate(""); err != nil {
		return reply{}, err
	}
	if len(in.Data) == 0 || string(in.Data) == "null" {
		in.Data = wire.Object("{}")
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(in.Data, &fields); err != nil {
		return reply{}, err
	}
	if _, given := fields[byPerson]; given {
		return reply{}, fault.New(fault.InvalidInput, "the event cannot have that field").At("/data/"+byPerson, "not_allowed", "is for what persons say")
	}
	if r.key != nil {
		k := *r.key
		k.InFlightUntil = k.Now.Add(eventTime)
		k.Render = func(any) (store.Reply, error) {
			return encode(reply{Status: http.StatusOK, Body: wire.WorkflowEventResult{Items: []wire.WorkflowWoken{}}})
		}
		if err := s.Store.Keys.Begin(r.Context(), k); err != nil {
			return reply{}, err
		}
	}
	out, err := s.wakeByEvent(r, in)
	if err != nil {
		return reply{}, err
	}
	done := reply{Status: http.StatusOK, Body: out}
	return done, s.complete(r, done)
}

// wakeByEvent wakes the nodes that an event is for.
func (s *service) wakeByEvent(r *request, in wire.WorkflowEventInput) (wire.WorkflowEventResult, error) {
	out := wire.WorkflowEventResult{Items: []wire.WorkflowWoken{}}
	var data any
	if err := json.Unmarshal(in.Data, &data); err != nil {
		return out, err
	}
	data = workflow.Plain(data)
	p := store.ListWaiting{Tenant: r.tenant(), Event: in.Name, Limit: wakeBatch}
	for range maxWoken / wakeBatch {
		list, err := s.Store.WorkflowRuns.Waiting(r.Context(), p)
		if err != nil {
			return out, err
		}
		for _, n := range list {
			p.AfterRun, p.AfterNodeID = n.RunID, n.NodeID
			if yes, err := s.matches(r.Context(), p.Tenant, n, data); err != nil || !yes {
				if err != nil {
					s.log.Warn("an event could not be compared with what a node waits for", "workflow_run_id", n.RunID, "node_id", n.NodeID, "error", err)
				}
				continue
			}
			entry, err := s.record(r, change{Action: audit.WorkflowEventPosted, Object: n.RunID, Name: in.Name, Detail: map[string]string{"node_id": n.NodeID}})
			if err != nil {
				return out, err
			}
			err = s.Store.WorkflowRuns.Wake(r.Context(), store.WakeNode{
				Tenant: p.Tenant, RunID: n.RunID, NodeID: n.NodeID, For: workflow.WaitEvent, Data: json.RawMessage(in.Data), At: s.now(), Audit: entry,
			})
			switch {
			case fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound):
				continue // it waits no more
			case err != nil:
				return out, err
			}
			if out.Woken++; len(out.Items) < shownWoken {
				out.Items = append(out.Items, wire.WorkflowWoken{WorkflowRunID: n.RunID, NodeID: n.NodeID})
			}
		}
		if len(list) < wakeBatch {
			break
		}
	}
	return out, nil
}

// matches reports whether an event is one that a node waits for. Secret inputs are not
// known here.
func (s *service) matches(ctx context.Context, tenant string, n store.WaitingNode, data any) (bool, error) {
	if n.Wait.Match == "" {
		return true, nil
	}
	g, err := s.graph(ctx, tenant, n.WorkflowID, n.Version)
	if err != nil {
		return false, err
	}
	step := g.Step(n.NodeID)
	if step == nil {
		return false, fault.Newf(fault.NotFound, "no node %s", n.NodeID)
	}
	match, _ := step.Config.Get("match")
	if match.Expr == nil {
		return true, nil
	}
	env := expression.Env{Result: data, Now: s.now()}
	for _, ref := range match.Expr.Refs() {
		if ref.Root() == "result" {
			continue
		}
		if env, err = s.runEnv(ctx, tenant, n, g); err != nil {
			return false, err
		}
		env.Result = data
		break
	}
	return match.Expr.Bool(env)
}

// runEnv is what an expression of a waiting node sees of its run.
func (s *service) runEnv(ctx context.Context, tenant string, n store.WaitingNode, g *workflow.Graph) (expression.Env, error) {
	w, err := s.Store.WorkflowRuns.Run(ctx, tenant, n.RunID)
	if err != nil {
		return expression.Env{}, err
	}
	var p struct {
		Inputs map[string]any `json:"inputs"`
	}
	if err := json.Unmarshal(w.Job.Params, &p); err != nil {
		return expression.Env{}, err
	}
	sc := workflow.Scope{
		Run:      map[string]any{"id": w.ID, "trigger": string(w.Job.Trigger)},
		Workflow: map[string]any{"id": w.WorkflowID, "version": int64(w.Version)},
	}
	sc.Inputs, _ = workflow.Plain(p.Inputs).(map[string]any)
	if sc.Vars, err = g.Definition.Constants(expression.Env{Inputs: sc.Inputs, Run: sc.Run, Workflow: sc.Workflow, Now: s.now()}); err != nil {
		return expression.Env{}, err
	}
	return g.Env(w.State, sc, n.NodeID, s.now()), nil
}
