package rehearsal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// CodeNoMock is the code of the failure of a node that would go outside.
const CodeNoMock = "no_mock"

// Kinds that are more than a question and its answer.
const (
	kindLLM      = "action/llm"
	kindApproval = "approval"
	kindJudgment = "judgment"
	kindEvent    = "wait/event"
)

// waits are kinds whose nodes wait for their answer without a slot.
func waits(kind string, config map[string]any) workflow.WaitFor {
	switch kind {
	case kindApproval:
		return workflow.WaitApproval
	case kindEvent:
		return workflow.WaitEvent
	case "wait/job":
		return workflow.WaitJob
	case "action/job", "subworkflow":
		if wait, is := config["wait"].(bool); !is || wait {
			return workflow.WaitJob
		}
	}
	return ""
}

// actor is any kind of node in a rehearsal: it plays itself where it touches nothing
// outside, and otherwise answers as its mock says. It implements node.Node and
// node.Resuming.
type actor struct {
	p    *play
	kind workflow.Kind
	// real is the node itself, nil = it would go outside.
	real node.Node
}

// Kind implements node.Node.
func (a actor) Kind() workflow.Kind { return a.kind }

// Run implements node.Node.
func (a actor) Run(ctx context.Context, c node.Call) (node.Result, error) {
	m, mocked, err := a.p.called(a, c)
	if err != nil {
		return node.Result{}, err
	}
	if mocked {
		// Also those that wait take turns, in the order of the document.
		if err := a.p.stage.Sleep(ctx, c.Step.ID, c.Item, 0); err != nil {
			return node.Result{}, err
		}
		if w := waits(a.kind.Name(), c.Config); w != "" {
			until := a.p.stage.Now().Add(a.patience(c, m))
			return node.Result{}, node.Wait(workflow.Wait{For: w, Until: until, Ref: c.Step.ID})
		}
	}
	delay := time.Duration(0)
	if mocked {
		delay = m.Delay
	}
	if err := a.p.stage.Sleep(ctx, c.Step.ID, c.Item, delay); err != nil {
		return node.Result{}, err
	}
	switch {
	case mocked:
		return a.answer(m)
	case a.plays(c):
		return a.real.Run(ctx, c)
	}
	return node.Result{}, node.Fatal(CodeNoMock, fmt.Errorf("node %s has no mock; it would work with %s", c.Step.ID, shown(c.Config)))
}

// plays reports whether the node works in a rehearsal as it does outside of one.
func (a actor) plays(c node.Call) bool {
	return a.real != nil && !(a.kind.Name() == kindJudgment && c.Config["llm"] != nil)
}

// Resume implements node.Resuming.
func (a actor) Resume(ctx context.Context, c node.Call, woke node.Woke) (node.Result, error) {
	if err := a.p.stage.Sleep(ctx, c.Step.ID, c.Item, 0); err != nil {
		return node.Result{}, err
	}
	m, mocked := a.p.resumed(a, c)
	if r, is := a.real.(node.Resuming); is && !mocked {
		return r.Resume(ctx, c, woke)
	}
	if a.kind.Name() == kindApproval {
		return a.decided(ctx, c, m)
	}
	return a.answer(m)
}

// answer is what a mock says.
func (a actor) answer(m workflow.Mock) (node.Result, error) {
	if m.Error != nil {
		return node.Result{}, node.Fail(m.Error.Code, m.Error.Class, errors.New(m.Error.Message))
	}
	r := node.Result{Outcome: m.Outcome, Value: workflow.Plain(clone(m.Result))}
	if a.kind.Name() == kindLLM {
		// As outside: what a model says is not stored, what is counted is.
		r.Ephemeral = true
		if all, is := r.Value.(map[string]any); is {
			kept := map[string]any{}
			for k, v := range all {
				if k != "json" && k != "text" {
					kept[k] = v
				}
			}
			r.Durable = kept
		}
	}
	return r, nil
}

// patience is how long a node waits for its answer: an approval that nobody decides in
// time no longer than until it expires.
func (a actor) patience(c node.Call, m workflow.Mock) time.Duration {
	if a.kind.Name() != kindApproval {
		return m.Delay
	}
	if limit := expires(c); m.Outcome == outcomeExpired || m.Delay > limit {
		return limit
	}
	return m.Delay
}

func expires(c node.Call) time.Duration {
	text, _ := c.Config["expires_in"].(string)
	if d, ok := workflow.ParseDuration(text); ok && d > 0 {
		return d
	}
	return approval.DefaultLife
}

const (
	outcomeApproved = "approved"
	outcomeRejected = "rejected"
	outcomeExpired  = "expired"
)

// decided is how an approval ends, with what on_expire says.
func (a actor) decided(ctx context.Context, c node.Call, m workflow.Mock) (node.Result, error) {
	value := map[string]any{"approval_id": "appr_" + c.Step.ID, "content_hash": "", "decided_by": nil, "comment": nil, "form": map[string]any{}}
	end := func(outcome string) (node.Result, error) {
		value["status"] = strings.ToUpper(outcome)
		if given, is := clone(m.Result).(map[string]any); is {
			maps.Copy(value, given)
		}
		return node.Result{Outcome: outcome, Value: value}, nil
	}
	switch {
	case m.Error != nil:
		return a.answer(m)
	case m.Outcome != outcomeExpired && m.Delay <= expires(c):
		value["decided_by"] = "rehearsal"
		return end(cmp.Or(m.Outcome, outcomeApproved))
	}
	switch c.Config["on_expire"] {
	case "fail":
		return node.Result{}, node.Fatal("approval_expired", errors.New("nobody decided in time"))
	case "re_request":
		most := int64(approval.DefaultReRequests)
		if n, is := c.Config["max_re_requests"].(int64); is {
			most = min(n, approval.MaxReRequests)
		}
		if int64(a.p.times(c)) > most {
			break
		}
		if to, _ := c.Config["rewind_to"].(string); to != "" {
			return node.Result{Rewind: to}, nil
		}
		return a.Run(ctx, c)
	}
	for _, e := range c.Step.Out {
		if e.Outcome == outcomeExpired {
			return end(outcomeExpired)
		}
	}
	return end(outcomeRejected)
}

// shown is a config as people read it.
func shown(config map[string]any) string {
	data, err := json.Marshal(plain(config))
	if err != nil {
		return "what cannot be shown"
	}
	return string(data)
}

// plain is a value without what is no JSON: expressions become their texts.
func plain(v any) any {
	switch v := v.(type) {
	case *expression.Expr:
		return v.Text()
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = plain(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = plain(x)
		}
		return out
	}
	return v
}

// clone copies a value of JSON.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = clone(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = clone(x)
		}
		return out
	}
	return v
}
