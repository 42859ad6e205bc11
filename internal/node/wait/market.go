package wait

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Almanac finds calendars; *almanac.Almanac is one.
type Almanac interface {
	// Of returns the calendars of a tenant with its overrides as they are now.
	Of(ctx context.Context, tenant string) (*calendar.Set, error)
}

// Market waits for the open or the close of an exchange. It implements node.Node and
// node.Resuming. Make one with NewMarket.
type Market struct {
	almanac Almanac
	clock   clock.Clock
}

// NewMarket returns the node; clk nil is the system's.
func NewMarket(a Almanac, clk clock.Clock) Market {
	if clk == nil {
		clk = clock.System{}
	}
	return Market{a, clk}
}

// maxOffset bounds how far from the event a wait ends.
const maxOffset = 7 * 24 * time.Hour

// Kind implements node.Node.
func (Market) Kind() workflow.Kind {
	return kind("market", "waits for the open or the close of an exchange",
		workflow.Field{Name: "calendar", Type: workflow.FieldString, Required: true, Doc: "for example XNYS"},
		workflow.Field{Name: "event", Type: workflow.FieldString, Required: true, Enum: []string{string(calendar.EventOpen), string(calendar.EventClose)}},
		workflow.Field{Name: "offset", Type: workflow.FieldDuration, Doc: "so much later, or earlier if it is negative; 7 days at most"})
}

// Run implements node.Node.
func (m Market) Run(ctx context.Context, c node.Call) (node.Result, error) {
	e, at, err := m.next(ctx, c)
	if err != nil {
		return node.Result{}, err
	}
	if !at.After(m.clock.Now()) {
		return happened(e, at), nil
	}
	return node.Result{}, node.Wait(workflow.Wait{For: workflow.WaitTimer, Until: at})
}

// Resume implements node.Resuming. It asks the calendar again: a holiday that was
// announced meanwhile makes the wait longer.
func (m Market) Resume(ctx context.Context, c node.Call, _ node.Woke) (node.Result, error) {
	return m.Run(ctx, c)
}

// next is the first event whose time with the offset is not before the node's now,
// the beginning of its first attempt, and that time.
func (m Market) next(ctx context.Context, c node.Call) (calendar.Event, time.Time, error) {
	bad := func(err error) (calendar.Event, time.Time, error) {
		return calendar.Event{}, time.Time{}, node.Fatal("invalid_config", err)
	}
	if m.almanac == nil {
		return calendar.Event{}, time.Time{}, node.Fatal(node.CodeNotAvailable, errors.New("there are no calendars here"))
	}
	code, _ := c.Config["calendar"].(string)
	word, _ := c.Config["event"].(string)
	if word != string(calendar.EventOpen) && word != string(calendar.EventClose) {
		return bad(fmt.Errorf("event is %q, which is not open or close", word))
	}
	var offset time.Duration
	if text, ok := c.Config["offset"].(string); ok {
		var fine bool
		if offset, fine = workflow.ParseDuration(text); !fine || offset.Abs() > maxOffset {
			return bad(fmt.Errorf("offset is %q, which is no duration of 7 days at most", text))
		}
	}
	set, err := m.almanac.Of(ctx, c.Tenant)
	if err != nil {
		return calendar.Event{}, time.Time{}, node.FromFault(err)
	}
	cal, err := set.Get(code)
	if err != nil {
		return calendar.Event{}, time.Time{}, node.FromFault(err)
	}
	e, ok := cal.NextEvent(calendar.EventKind(word), c.Env.Now.Add(-offset-time.Nanosecond))
	if !ok {
		return calendar.Event{}, time.Time{}, node.Fatal("no_session", fmt.Errorf("the calendar %s has no session any more", code))
	}
	return e, e.At.Add(offset), nil
}

func happened(e calendar.Event, at time.Time) node.Result {
	return node.Result{Outcome: fired, Value: map[string]any{
		"event": string(e.Kind), "at": e.At.UTC().Format(time.RFC3339), "until": at.UTC().Format(time.RFC3339), "session": e.Session.Date.String(),
	}}
}
