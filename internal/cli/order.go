package cli

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock"
)

// placeFlags say where in the order something goes.
type placeFlags struct {
	top, bottom   bool
	before, after string
	position      int
}

func (p *placeFlags) add(a *app, c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&p.top, "top", false, "to the very front")
	f.BoolVar(&p.bottom, "bottom", false, "to the very end")
	f.StringVar(&p.before, "before", "", "just before the job or group with this `id`")
	f.StringVar(&p.after, "after", "", "just behind the job or group with this `id`")
	f.IntVar(&p.position, "position", 0, "behind this `number` of others")
	for _, name := range []string{"before", "after"} {
		if err := c.RegisterFlagCompletionFunc(name, a.completeQueued()); err != nil {
			panic("cli: " + err.Error()) // the flag was added above
		}
	}
}

// given are the flags that were set.
func (p *placeFlags) given(c *cobra.Command) []string {
	var out []string
	for _, name := range []string{"top", "bottom", "before", "after", "position"} {
		if c.Flags().Changed(name) {
			out = append(out, "--"+name)
		}
	}
	return out
}

// read returns the place, the zero value when none was given.
func (p *placeFlags) read(c *cobra.Command) (client.JobMove, error) {
	given := p.given(c)
	if len(given) > 1 {
		return client.JobMove{}, usagef("%s exclude each other", strings.Join(given, " and "))
	}
	to := client.JobMove{Before: p.before, After: p.after, Top: p.top, Bottom: p.bottom}
	if c.Flags().Changed("position") {
		if p.position < 0 {
			return to, usagef("--position must be 0 or more")
		}
		to.Position = &p.position
	}
	return to, nil
}

// need is read for a command that does nothing else.
func (p *placeFlags) need(c *cobra.Command) (client.JobMove, error) {
	if len(p.given(c)) == 0 {
		return client.JobMove{}, &usage{text: "where to?", hint: "give one of --top, --bottom, --before, --after and --position"}
	}
	return p.read(c)
}

func (a *app) jobMove() *cobra.Command {
	var (
		place    placeFlags
		revision int64
	)
	c := &cobra.Command{
		Use: "move JOB", Short: "Move a waiting job to another place in the order", Args: oneArg,
		Long: `Move changes the order and nothing else: a job that is held or delayed stays so. A
member of a group moves inside its group; to move the whole group, use queue reorder.`,
		Example: `  runsheet job move --top job_01jh0000000000000000000000
  runsheet job move job_01jh0000000000000000000000 --before job_01jh0000000000000000000001`,
		ValidArgsFunction: a.completeQueued(),
		RunE: func(c *cobra.Command, args []string) error {
			to, err := place.need(c)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			call := client.Call{}
			if c.Flags().Changed("revision") {
				call.IfMatch = client.Revision(revision)
			}
			done, err := cl.MoveJob(c.Context(), args[0], to, call)
			if err != nil {
				return err
			}
			return printOne(a, moveView(), done)
		},
	}
	place.add(a, c)
	c.Flags().Int64Var(&revision, "revision", 0, "only if the order still has this `number`, see queue ls --json")
	return c
}

func moveView() view[client.OrderChange] {
	return view[client.OrderChange]{
		id: func(m client.OrderChange) string { return deref(m.JobID) }, columns: []string{"JOB", "FROM", "TO"}, status: -1,
		row: func(m client.OrderChange) []string {
			return []string{deref(m.JobID), number(m.OldPosition), number(m.NewPosition)}
		},
	}
}

func (a *app) queueReorder() *cobra.Command {
	var (
		place    placeFlags
		revision int64
	)
	c := &cobra.Command{
		Use: "reorder ID...", Short: "Put waiting jobs and groups in the given order", Args: someArgs,
		Long: `Reorder gives the named jobs and groups, in the given order, the places that they
have now; the others stay where they are. With a place, the named go there together.
What does not wait any more is passed over and named on stderr.`,
		Example: `  runsheet queue reorder job_01jh0000000000000000000002 job_01jh0000000000000000000001
  runsheet queue reorder --top group_01jh0000000000000000000000
  runsheet queue reorder --revision 41 --after job_01jh0000000000000000000000 job_01jh0000000000000000000003`,
		ValidArgsFunction: a.completeQueued(),
		RunE: func(c *cobra.Command, args []string) error {
			to, err := place.read(c)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			call := client.Call{}
			if c.Flags().Changed("revision") {
				call.IfMatch = client.Revision(revision)
			}
			done, err := cl.SetOrder(c.Context(), client.OrderInput{
				Order: args, Position: to.Position, Before: to.Before, After: to.After, Top: to.Top, Bottom: to.Bottom,
			}, call)
			if err != nil {
				return err
			}
			if len(done.Ignored) > 0 {
				a.talk("not waiting any more: %s", strings.Join(done.Ignored, ", "))
			}
			return printOne(a, view[client.OrderChange]{
				id: func(m client.OrderChange) string { return strings.Join(m.Moved, "\n") }, columns: []string{"MOVED", "IGNORED", "REVISION"}, status: -1,
				row: func(m client.OrderChange) []string {
					return []string{strconv.Itoa(len(m.Moved)), strconv.Itoa(len(m.Ignored)), strconv.FormatInt(m.Revision, 10)}
				},
			}, done)
		},
	}
	place.add(a, c)
	c.Flags().Int64Var(&revision, "revision", 0, "only if the order still has this `number`, see queue ls --json")
	return c
}

func (a *app) queueList() *cobra.Command {
	var (
		limit int
		watch bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List what runs and what waits, in the order in which it starts", Args: noArgs,
		Long: `Ls shows the running jobs and then the waiting ones in the order in which they start:
for each its position, when it is expected to start, and why it waits. A group has one
position for all its members.`,
		Example: "  runsheet queue ls\n  runsheet queue ls --json=job_id,position\n  runsheet queue ls --watch | jq .waiting.detail",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			load := func(ctx context.Context) ([]place, error) {
				ps, notes, err := loadQueue(ctx, cl, limit)
				for _, note := range notes {
					if !watch && !a.quiet && err == nil {
						a.talk("%s", note)
					}
				}
				return ps, err
			}
			return show(c.Context(), a, placeView(), watch, 0, load)
		},
	}
	addListFlags(c, &limit, &watch)
	return c
}

// place is one line of the queue: a job that runs or waits.
type place struct {
	JobID         *string         `json:"job_id"`
	RunID         *string         `json:"run_id"`
	Status        string          `json:"status"`
	Position      *int            `json:"position"`
	Name          string          `json:"name"`
	JobType       string          `json:"job_type"`
	GroupID       *string         `json:"group_id"`
	Priority      *int            `json:"priority"`
	EstimatedWait *string         `json:"estimated_wait"`
	Waiting       *client.Waiting `json:"waiting"`
	Revision      int64           `json:"revision"`
	reason        string
}

// loadQueue reads what runs and at most limit waiting jobs, 0 = all. The notes
// are what else a person should know.
func loadQueue(ctx context.Context, cl *client.Client, limit int) (out []place, notes []string, err error) {
	for cursor, waiting := "", 0; ; {
		size := pageSize(limit)
		if limit > 0 {
			size = min(size, limit-waiting)
		}
		q, err := cl.Queue(ctx, cursor, size)
		if err != nil {
			return out, nil, err
		}
		if cursor == "" {
			for _, r := range q.Running {
				p := place{
					JobID: r.JobID, RunID: &r.RunID, Status: "RUNNING", Name: r.Name, JobType: r.JobType, GroupID: r.GroupID, Priority: r.Priority,
					Revision: q.Revision, reason: progressText(r.Progress),
				}
				if r.CancelRequestedAt != nil {
					p.reason = "is being stopped"
				}
				out = append(out, p)
			}
			if q.Paused {
				notes = append(notes, "the queue is paused: runsheet queue resume")
			}
			if n := len(q.Direct); n > 0 {
				notes = append(notes, "direct requests that wait for a slot: "+strconv.Itoa(n))
			}
		}
		for _, j := range q.Queued.Items {
			out = append(out, place{
				JobID: &j.JobID, RunID: j.RunID, Status: j.Status, Position: j.Position, Name: j.Name, JobType: j.JobType, GroupID: j.GroupID,
				Priority: &j.Priority, EstimatedWait: j.EstimatedWait, Waiting: j.Waiting, Revision: q.Revision, reason: reason(j),
			})
		}
		waiting += len(q.Queued.Items)
		more := q.Queued.NextCursor != nil && *q.Queued.NextCursor != cursor
		if full := limit > 0 && waiting >= limit; !more || full {
			if more {
				notes = append(notes, fmt.Sprintf("the list was cut at --limit %d; %d jobs wait", limit, q.Statistics.Queued))
			}
			return out, notes, nil
		}
		cursor = *q.Queued.NextCursor
	}
}

func placeView() view[place] {
	return view[place]{
		id: func(p place) string {
			if p.JobID == nil {
				return deref(p.RunID)
			}
			return *p.JobID
		},
		columns: []string{"POS", "JOB", "NAME", "TYPE", "STATUS", "PRI", "STARTS IN", "REASON"},
		status:  4, spare: []string{"TYPE", "PRI", "STATUS"}, note: true,
		row: func(p place) []string {
			id := deref(p.JobID)
			if id == "" {
				id = deref(p.RunID)
			}
			return []string{number(p.Position), id, p.Name, p.JobType, p.Status, optionalPriority(p.Priority), inShort(p.EstimatedWait), p.reason}
		},
	}
}

// inShort is an optional ISO 8601 duration for people.
func inShort(text *string) string {
	d, err := clock.ParseDuration(deref(text))
	if text == nil || err != nil {
		return deref(text)
	}
	return short(d)
}

func (a *app) completeQueued() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Job, error] {
		return cl.Jobs(ctx, client.JobFilter{Status: []string{"QUEUED"}, PageSize: completeAtMost})
	}, func(j client.Job) cobra.Completion {
		return cobra.CompletionWithDesc(j.JobID, clean(number(j.Position)+", "+j.Name))
	})
}
