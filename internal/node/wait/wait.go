// Package wait has the nodes that let time pass, or wait for something to happen,
// without a slot.
package wait

import (
	"context"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// The outcomes.
const (
	fired    = "fired"
	timedOut = "timed_out"
)

// Duration waits for a length of time. It implements node.Node and node.Resuming.
type Duration struct{}

// Kind implements node.Node.
func (Duration) Kind() workflow.Kind {
	return kind("duration", "waits for a length of time", workflow.Field{Name: "for", Type: workflow.FieldDuration, Required: true})
}

// Run implements node.Node.
func (Duration) Run(_ context.Context, c node.Call) (node.Result, error) {
	text, _ := c.Config["for"].(string)
	d, ok := workflow.ParseDuration(text)
	if !ok || d < 0 {
		return node.Result{}, node.Fatal("invalid_config", fmt.Errorf("for is %q, which is no duration", text))
	}
	return node.Result{}, node.Wait(workflow.Wait{For: workflow.WaitTimer, Until: c.Env.Now.Add(d)})
}

// Resume implements node.Resuming.
func (Duration) Resume(_ context.Context, c node.Call, _ node.Woke) (node.Result, error) {
	return passed(c), nil
}

// Until waits for an instant, or for a local time in a zone. It implements node.Node
// and node.Resuming.
type Until struct{}

// Kind implements node.Node.
func (Until) Kind() workflow.Kind {
	return kind("until", "waits for a time",
		workflow.Field{Name: "at", Type: workflow.FieldString, Required: true, Doc: "2026-03-29T09:00:00Z, or 2026-03-29T09:00 with timezone"},
		workflow.Field{Name: "timezone", Type: workflow.FieldString, Doc: "IANA name; UTC without it"})
}

// Run implements node.Node. A time that has passed is no wait.
func (Until) Run(_ context.Context, c node.Call) (node.Result, error) {
	text, _ := c.Config["at"].(string)
	zone, _ := c.Config["timezone"].(string)
	at, err := instant(text, zone)
	if err != nil {
		return node.Result{}, node.Fatal("invalid_config", err)
	}
	if !at.After(c.Env.Now) {
		return passed(c), nil
	}
	return node.Result{}, node.Wait(workflow.Wait{For: workflow.WaitTimer, Until: at})
}

// Resume implements node.Resuming.
func (Until) Resume(_ context.Context, c node.Call, _ node.Woke) (node.Result, error) {
	return passed(c), nil
}

// Event waits for an event by its name and a condition over it. It implements
// node.Node and node.Resuming.
type Event struct{}

// Kind implements node.Node.
func (Event) Kind() workflow.Kind {
	return kind("event", "waits for an event",
		workflow.Field{Name: "name", Type: workflow.FieldString, Required: true},
		workflow.Field{Name: "match", Type: workflow.FieldExpr, Result: true, Doc: "a condition over result, the event"},
		workflow.Field{Name: "timeout", Type: workflow.FieldDuration})
}

// Run implements node.Node.
func (Event) Run(_ context.Context, c node.Call) (node.Result, error) {
	w := workflow.Wait{For: workflow.WaitEvent}
	w.Event, _ = c.Config["name"].(string)
	if match, ok := c.Config["match"].(*expression.Expr); ok && match != nil {
		w.Match = match.Text()
	}
	if text, ok := c.Config["timeout"].(string); ok {
		d, ok := workflow.ParseDuration(text)
		if !ok || d <= 0 {
			return node.Result{}, node.Fatal("invalid_config", fmt.Errorf("timeout is %q, which is no duration", text))
		}
		w.Until = c.Env.Now.Add(d)
	}
	return node.Result{}, node.Wait(w)
}

// Resume implements node.Resuming.
func (Event) Resume(_ context.Context, c node.Call, woke node.Woke) (node.Result, error) {
	if woke.TimedOut {
		return node.Result{Outcome: timedOut, Value: map[string]any{"event": nil}}, nil
	}
	r := passed(c)
	r.Value = map[string]any{"event": woke.Data}
	return r, nil
}

func kind(subtype, doc string, fields ...workflow.Field) workflow.Kind {
	return workflow.Kind{
		Type: "wait", Subtype: subtype, SubtypeField: "wait_type", Doc: doc, Outcomes: []string{fired, timedOut}, Plain: []string{fired},
		OnCrash: workflow.CrashRetry, Fields: fields,
	}
}

func passed(node.Call) node.Result { return node.Result{Outcome: fired, Value: map[string]any{}} }

// instant reads a time with an offset, or a local one in a zone. A local time that
// does not exist is that of the hour before the clocks went forward.
func instant(text, zone string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC(), nil
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return time.Time{}, fmt.Errorf("%q is no time zone", zone)
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, text, loc); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("at is %q, which is no time such as 2026-03-29T09:00:00Z", text)
}
