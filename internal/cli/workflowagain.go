package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) workflowRetry() *cobra.Command {
	var (
		in      client.WorkflowRetryInput
		version versionRef
		input   []string
		inputs  string
		preview bool
		w       waitFlags
	)
	c := &cobra.Command{
		Use: "retry RUN", Short: "Repeat a run that has ended, and keep what went well", Args: oneArg, ValidArgsFunction: a.completeWorkflowRuns(),
		Long: `Retry makes a new run that keeps what went well in another one: all but the nodes
that failed and what follows them, or --from a node and what follows it. A map that
failed keeps its good items. --preview tells what would run again, and changes nothing.`,
		Example: `  runsheet workflow retry wfrun_01jh0000000000000000000000 --preview
  runsheet workflow retry wfrun_01jh0000000000000000000000 --from load_all
  runsheet workflow retry wfrun_01jh0000000000000000000000 --failed-items --wait`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if in.Inputs, err = a.inputsOf(input, inputs); err != nil {
				return err
			}
			in.Version, in.Tag = version.number, version.tag
			if preview {
				p, err := cl.PreviewWorkflowRetry(c.Context(), args[0], in)
				if err != nil {
					return err
				}
				return a.printPreview(p)
			}
			r, err := cl.RetryWorkflowRun(c.Context(), args[0], in, client.Call{})
			if err != nil {
				return err
			}
			return a.addedRun(c.Context(), cl, r, w)
		},
	}
	f := c.Flags()
	f.StringVar(&in.FromNode, "from", "", "from this `node` on; from those that failed without it")
	f.BoolVar(&in.FailedItems, "failed-items", false, "run the failed items of maps again, and what follows these maps")
	f.Var(&version, "version", "with another version, a `number` or tag, in which all that is kept is unchanged")
	f.StringArrayVar(&input, "input", nil, "another value of an input, `key=value`; may be repeated")
	f.StringVar(&inputs, "inputs", "", "other values of inputs, as a JSON `object`, @file or -")
	f.BoolVar(&preview, "preview", false, "only tell what would run again")
	w.add(c)
	return c
}

func (a *app) printPreview(p client.WorkflowRetryPreview) error {
	if a.json != nil {
		b, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return a.writeJSON(b)
	}
	for _, l := range []struct {
		name string
		list []string
	}{{"runs again", p.Runs}, {"is kept", p.Kept}, {"is recomputed", p.Recomputed}} {
		if len(l.list) > 0 {
			if _, err := fmt.Fprintf(a.out, "%s: %s\n", l.name, clean(strings.Join(l.list, ", "))); err != nil {
				return err
			}
		}
	}
	for _, m := range p.Maps {
		if _, err := fmt.Fprintf(a.out, "items of %s: %d of %d are kept\n", clean(m.NodeID), m.Kept, m.Total); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) workflowRestore() *cobra.Command {
	var w waitFlags
	c := &cobra.Command{
		Use: "restore RUN CHECKPOINT", Short: "Begin a run with a checkpoint of another one", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeWorkflowRuns(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			r, err := cl.RestoreWorkflowRun(c.Context(), args[0], client.WorkflowRestoreInput{CheckpointID: args[1]}, client.Call{})
			if err != nil {
				return err
			}
			return a.addedRun(c.Context(), cl, r, w)
		},
	}
	w.add(c)
	return c
}

func (a *app) workflowCheckpoints() *cobra.Command {
	limit := 0
	v := view[client.WorkflowCheckpoint]{
		id:      func(x client.WorkflowCheckpoint) string { return x.CheckpointID },
		columns: []string{"CHECKPOINT", "STEP", "NODE", "AT"}, status: -1,
		row: func(x client.WorkflowCheckpoint) []string {
			return []string{x.CheckpointID, strconv.FormatInt(x.Seq, 10), deref(x.NodeID), stamp(&x.Timestamp)}
		},
	}
	c := &cobra.Command{
		Use: "checkpoints RUN", Short: "List the steps of a run, latest first", Args: oneArg, ValidArgsFunction: a.completeWorkflowRuns(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return show(c.Context(), a, v, false, limit, func(ctx context.Context) ([]client.WorkflowCheckpoint, error) {
				return client.Collect(cl.WorkflowCheckpoints(ctx, args[0], pageSize(limit)), limit)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) workflowSkip() *cobra.Command {
	reason := ""
	c := &cobra.Command{
		Use: "skip RUN NODE", Short: "Let a waiting node end as if it had gone well", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeWorkflowRuns(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if _, err := cl.SkipWorkflowNode(c.Context(), args[0], args[1], reason, client.Call{}); err != nil {
				return err
			}
			a.talk("%s of %s is skipped", args[1], args[0])
			return nil
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, a `text` for the log")
	return c
}

func (a *app) workflowDecide() *cobra.Command {
	var in client.WorkflowDecisionInput
	c := &cobra.Command{
		Use: "decide RUN NODE retry|completed|failed", Short: "Say what an attempt did that a crash cut off", Args: cobra.ExactArgs(3), ValidArgsFunction: a.completeWorkflowRuns(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			in.Decision = args[2]
			if _, err := cl.DecideWorkflowNode(c.Context(), args[0], args[1], in, client.Call{}); err != nil {
				return err
			}
			a.talk("%s of %s: %s", args[1], args[0], args[2])
			return nil
		},
	}
	c.Flags().StringVar(&in.Reason, "reason", "", "why, a `text` for the log")
	return c
}

func (a *app) workflowEvent() *cobra.Command {
	var data, key string
	c := &cobra.Command{
		Use: "event NAME", Short: "Tell runs that wait for an event that it has happened", Args: oneArg,
		Example: `  runsheet workflow event file_arrived --payload '{"path":"/in/a.csv"}'`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			var b []byte
			if data != "" {
				if b, err = a.read(data); err != nil {
					return err
				}
				if !json.Valid(b) {
					return usagef("--payload must be a JSON object")
				}
			}
			done, err := cl.PostWorkflowEvent(c.Context(), args[0], b, client.Call{IdempotencyKey: key})
			if err != nil {
				return err
			}
			if a.json != nil {
				b, err := json.Marshal(done)
				if err != nil {
					return err
				}
				return a.writeJSON(b)
			}
			_, err = fmt.Fprintf(a.out, "woken: %d\n", done.Woken)
			return err
		},
	}
	c.Flags().StringVar(&data, "payload", "", "what the event brings, a JSON `object`, @file or -")
	c.Flags().StringVar(&key, "idempotency-key", "", "the same `key` within 24 hours posts it only once")
	return c
}
