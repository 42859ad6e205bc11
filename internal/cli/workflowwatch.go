package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) workflowWatch() *cobra.Command {
	return &cobra.Command{
		Use: "watch RUN", Short: "Follow a run of a workflow until it ends", Args: oneArg, ValidArgsFunction: a.completeWorkflowRuns(),
		Long: `Print what has happened to a run of a workflow and its nodes, and what happens from
now on, one line each, until the run ends. --json prints one object a line. Of a run
that has ended its end is printed; workflow show and its job's log have the rest.

The exit code is that of the run's job: 1 failed, 9 cancelled or skipped.`,
		Example: `  runsheet workflow watch wfrun_01jh0000000000000000000000
  runsheet workflow watch wfrun_01jh0000000000000000000000 --json`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return a.watchRun(c.Context(), cl, args[0])
		},
	}
}

// watchRun shows the events of a run. Its job says whether it has ended: events
// that are old may be gone.
func (a *app) watchRun(ctx context.Context, cl *client.Client, runID string) error {
	body, ok := strings.CutPrefix(runID, "wfrun_")
	if !ok {
		return &usage{text: "a run of a workflow has an id that begins with wfrun_"}
	}
	jobID := "job_" + body
	j, err := cl.Job(ctx, jobID)
	if err != nil {
		return err
	}
	if jobLives(j.Status) {
		oldest := int64(0)
		for e, err := range cl.Events(ctx, client.EventFilter{Topics: []string{"workflow:" + runID, "job:" + jobID}, Since: &oldest}) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(e.Type, "workflow.") {
				if err := a.runLine(e); err != nil {
					return err
				}
				continue
			}
			if e.Type != "job.cancelled" && !strings.HasPrefix(e.Type, "job.run.") {
				continue
			}
			if j, err = cl.Job(ctx, jobID); err != nil {
				return err
			}
			if !jobLives(j.Status) {
				break
			}
		}
	}
	a.talk("%s %s", runID, j.Status)
	if exitOfJob(j.Status) != exitOK {
		return &ended{job: j}
	}
	return nil
}

func jobLives(status string) bool { return status == "QUEUED" || status == "RUNNING" }

// runLine prints one event of a run.
func (a *app) runLine(e client.Event) error {
	if a.json != nil {
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s\n", b)
		return err
	}
	what := clean(e.Data["node_id"])
	if what == "" {
		what = "run"
	}
	line := fmt.Sprintf("%s  %-24s %s", e.At.Local().Format("15:04:05"), what, e.Data["new_state"])
	if r := clean(e.Data["reason"]); r != "" {
		line += " " + r
	}
	_, err := fmt.Fprintln(a.out, strings.TrimRight(line, " "))
	return err
}
