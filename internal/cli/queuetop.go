package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/cli/top"
	"github.com/runsheet/runsheet/internal/clock"
)

func (a *app) queueTop() *cobra.Command {
	return &cobra.Command{
		Use: "top", Short: "Watch the queue and change its order with keys", Args: noArgs,
		Long: `Top shows what runs, what waits in which order, why, and when it is expected to
start, and follows what happens. Alt+Up and Alt+Down (or K and J) move the selected
job or group; t and b put it at the front or the end; h holds or releases it; c twice
cancels it; u undoes what was done last; p pauses the queue; + and - change the worker
count; ? shows all keys. It needs a terminal; queue ls is for scripts.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if !a.outTTY {
				return usagef("queue top needs a terminal; use: runsheet queue ls --watch")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return top.Run(c.Context(), top.Options{Server: &queueServer{cl: cl, clock: a.Clock}, In: a.in, Out: a.out, Env: a.environ()})
		},
	}
}

// queueServer is the queue of a server for the live view.
type queueServer struct {
	cl    *client.Client
	clock clock.Clock
	since *int64 // of the events; used by Changed only
}

// Load implements top.Server.
func (q *queueServer) Load(ctx context.Context, limit int) (top.State, error) {
	var out top.State
	for cursor := ""; ; {
		page, err := q.cl.Queue(ctx, cursor, min(limit-len(out.Items), 200))
		if err != nil {
			return out, readable(err)
		}
		if cursor == "" {
			out = top.State{Paused: page.Paused, Workers: page.Workers, Direct: len(page.Direct), Waiting: page.Statistics.Queued}
			for _, r := range page.Running {
				out.Running = append(out.Running, top.Running{
					ID: r.RunID, Name: clean(r.Name), Type: clean(r.JobType),
					Detail: clean(strings.TrimSpace(progressText(r.Progress) + " " + short(q.clock.Now().Sub(r.StartedAt)))),
				})
			}
		}
		out.Items = append(out.Items, items(page, lastGroup(out.Items))...)
		if out.More = page.Queued.NextCursor != nil; !out.More || len(out.Items) >= limit {
			return out, nil
		}
		cursor = *page.Queued.NextCursor
	}
}

// lastGroup is the group that the last item belongs to: the next page may go on
// with it.
func lastGroup(items []top.Item) string {
	if len(items) == 0 {
		return ""
	}
	return items[len(items)-1].In
}

// items are the lines of a page. A group has one of its own, before its members.
func items(page client.QueueState, group string) []top.Item {
	names := map[string]client.QueueGroup{}
	for _, g := range page.Groups {
		names[g.GroupID] = g
	}
	var out []top.Item
	for _, j := range page.Queued.Items {
		in := deref(j.GroupID)
		if in != "" && in != group {
			g := names[in]
			out = append(out, top.Item{ID: in, Name: clean(g.Name), Type: clean(g.Mode), Group: true, Why: clean(strings.ToLower(g.Status))})
		}
		group = in
		out = append(out, top.Item{
			ID: j.JobID, Name: clean(j.Name), Type: clean(j.JobType), Why: clean(reason(j)), Starts: starts(j), In: in, Held: j.Hold,
		})
	}
	return out
}

// starts says when a job is expected to start.
func starts(j client.Job) string {
	if j.EstimatedWait == nil {
		return ""
	}
	if d, err := clock.ParseDuration(*j.EstimatedWait); err == nil && d < time.Second {
		return "now"
	}
	return "in " + inShort(j.EstimatedWait)
}

// Move implements top.Server.
func (q *queueServer) Move(ctx context.Context, id string, p top.Place) (int, error) {
	in := client.OrderInput{JobID: id, Before: p.Before, After: p.After, Top: p.Top, Bottom: p.Bottom, Position: p.Position}
	done, err := q.cl.SetOrder(ctx, in, client.Call{})
	if err != nil {
		return 0, readable(err)
	}
	if len(done.Ignored) > 0 {
		return 0, errors.New("it does not wait any more")
	}
	return deref(done.OldPosition), nil
}

// Do implements top.Server.
func (q *queueServer) Do(ctx context.Context, v top.Verb, id string) error {
	var err error
	group := strings.HasPrefix(id, "group_")
	switch v {
	case top.Hold:
		_, err = q.cl.HoldJob(ctx, id, "", client.Call{})
	case top.Release:
		_, err = q.cl.ReleaseJob(ctx, id, client.Call{})
	case top.Cancel:
		if group {
			_, err = q.cl.CancelGroup(ctx, id, client.Call{})
		} else {
			_, err = q.cl.CancelJob(ctx, id, client.Call{})
		}
	case top.Restore:
		_, err = q.cl.RestoreJob(ctx, id, client.Call{})
	case top.Pause:
		_, err = q.cl.Pause(ctx, "", client.Call{})
	case top.Resume:
		_, err = q.cl.Resume(ctx, client.Call{})
	}
	return readable(err)
}

// Scale implements top.Server.
func (q *queueServer) Scale(ctx context.Context, n int) error {
	_, err := q.cl.ScaleWorkers(ctx, n, client.Call{})
	return readable(err)
}

// readable makes an error safe to show: the answer of a server may hold what
// somebody wrote to play tricks with terminals.
func readable(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(clean(err.Error()))
}

const (
	// lookAgain is how often the view asks when nothing happens: progress and
	// estimates change without events.
	lookAgain = 3 * time.Second
	// calm is how long events are collected before the view asks again.
	calm = 150 * time.Millisecond
)

// Changed implements top.Server.
func (q *queueServer) Changed(ctx context.Context) {
	wait, cancel := context.WithTimeout(ctx, lookAgain)
	defer cancel()
	for e, err := range q.cl.Events(wait, client.EventFilter{Topics: []string{"job", "run", "queue", "group"}, Since: q.since}) {
		if err == nil {
			seq := e.Seq
			q.since = &seq
			_ = clock.Sleep(wait, q.clock, calm) // ends early with ctx
		}
		break
	}
	if wait.Err() == nil {
		return
	}
	<-wait.Done()
}
