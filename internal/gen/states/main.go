// Command states writes docs/states/*.md and ui/src/gen/states.ts from the
// state tables. Run it from the repository's root.
package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/fsm"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/workflow"
)

// machine is one state machine, ready to be drawn.
type machine struct {
	name, title, source string
	intro               string
	first               string
	states, terminal    []string
	rules               []fsm.Rule
	// quasi are conditions that people take for states.
	quasi []condition
}

type condition struct{ name, meaning, seen, ends string }

func main() {
	if err := write(); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("write the state documents", "error", err)
		os.Exit(1)
	}
}

func write() error {
	all := []machine{
		{
			name: "job", title: "States of a job", source: "internal/job/state.go",
			intro: "A job that left the queue by finishing has the result of its last run as its state. Nothing moves it any more, with one exception: a cancelled job that never started can be put back at its old place. [Jobs and runs](../jobs.md) tells the same in sentences.",
			first: string(job.Queued), states: names(job.States()), terminal: terminal(job.States()), rules: job.Table.Rules(),
			quasi: []condition{
				{"held", "a person, or three crashes in a row, keeps the job from starting", "`QUEUED`, `waiting.code` `held` with the reason", "release"},
				{"waits for an approval", "somebody must approve it first", "`QUEUED`, `waiting.code` `approval` with the approval and its expiry", "the approval ends: it may start, or is `SKIPPED` with reason `approval_rejected` or `approval_expired`"},
				{"delayed", "its earliest start is in the future", "`QUEUED`, `waiting.code` `not_before` with the time", "the time comes"},
				{"waiting for a retry", "an attempt failed, and the policy makes it wait before the next", "`QUEUED`, `waiting.code` `retry_delay` with the time; the attempts so far are its runs", "the delay is over"},
				{"blocked by a lock", "something else holds a lock that it needs", "`QUEUED`, `waiting.code` `lock` with the holder", "the holder ends"},
				{"blocked by a limit", "as many jobs of its type, template, tenant or concurrency key run as may", "`QUEUED`, `waiting.code` `limit` with the counts", "one of them ends"},
				{"too late", "it has never started, and its start deadline comes", "`SKIPPED`; its run has reason `deadline` and no `started_at`", "never: a retry of that run is a new job"},
				{"member of a group", "its group has the place in the order, and decides when it starts", "`QUEUED`, `waiting.code` `group` once the group has begun", "its turn in the group comes"},
				{"cancel asked", "a person cancelled it while it ran; its processes are being stopped", "`RUNNING`, `cancel_requested_at` is set", "the process tree is gone: `CANCELLED`"},
				{"leased", "one instance holds the running attempt under a fencing epoch and renews its lease", "`RUNNING`, `instance_id` of the run", "the attempt ends, or the lease does and another instance rescues it"},
			},
		},
		{
			name: "approval", title: "States of an approval", source: "internal/approval/state.go",
			intro: "A request leaves PENDING once, whoever comes at the same time; what follows for its subject happens in the same transaction. [Approvals](../approvals.md) tells the same in sentences.",
			first: string(approval.Pending), states: names(approval.States()), terminal: terminal(approval.States()), rules: approval.Table.Rules(),
			quasi: []condition{
				{"over, and not ended yet", "its expiry has come, and no server has looked since", "`PENDING` with `expires_at` in the past; every decision is refused", "a server looks: `EXPIRED`"},
				{"approved in part", "some of several people have approved", "`PENDING` with `decisions`", "the last of them does, or anybody rejects"},
				{"handed on", "somebody who may approve lets another user do so in his place", "`PENDING` with `delegations`", "the delegate approves, it is taken back, or anybody rejects"},
			},
		},
		{
			name: "run", title: "States of a run", source: "internal/run/state.go",
			intro: "On the API an active run has `status` null and `active` true. A cancelled attempt ends `FAILED` with code `cancelled`, one that a crash ended `FAILED` with code `interrupted`.",
			first: string(run.Active), states: names(run.States()), terminal: terminal(run.States()), rules: run.Table.Rules(),
		},
		{
			name: "node", title: "States of a node", source: "internal/workflow/state.go",
			intro: "Each node of a [workflow](../workflows.md) run is in one of these states. A rewind puts a node, with all that follows it, back to its beginning; only that and a compensation leave a final state.",
			first: string(workflow.NodePending), states: names(workflow.NodeStates()), terminal: terminal(workflow.NodeStates()), rules: workflow.NodeTable.Rules(),
			quasi: []condition{
				{"waits before another attempt", "an attempt failed, and the policy makes it wait", "`WAITING` for `retry_delay`, with the time", "the delay is over: `READY`"},
				{"waits for a person", "it needs an approval, or somebody must say what an attempt did that was cut off", "`WAITING` for `approval` or `decision`", "somebody decides, or its time is over"},
				{"waits for locks", "other work has what its `resources` name", "`WAITING` for `lock`", "the locks are free"},
				{"parked with its run", "everything that is left of the run waits", "`WAITING`; the job is `QUEUED` with `waiting.code` `parked`, and has no slot", "one of the waits ends"},
			},
		},
	}
	if err := os.MkdirAll(filepath.Join("docs", "states"), 0o755); err != nil {
		return err
	}
	for _, m := range all {
		if err := os.WriteFile(filepath.Join("docs", "states", m.name+".md"), m.page(), 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join("ui", "src", "gen"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("ui", "src", "gen", "states.ts"), enums(all), 0o644)
}

func names[S ~string](states []S) []string {
	var out []string
	for _, s := range states {
		out = append(out, string(s))
	}
	return out
}

func terminal[S interface {
	~string
	Terminal() bool
}](states []S) []string {
	return names(slices.DeleteFunc(slices.Clone(states), func(s S) bool { return !s.Terminal() }))
}

// page is the document: a drawing, the rules in order, the quasi-states.
func (m machine) page() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "<!-- Written by make generate from %s. Do not edit. -->\n# %s\n\n%s\n\n```mermaid\nstateDiagram-v2\n    [*] --> %s\n", m.source, m.title, m.intro, m.first)
	for _, r := range m.rules {
		for _, from := range r.From {
			label := r.Event
			if r.Guard != "" {
				label += " [" + r.Guard + "]"
			}
			fmt.Fprintf(&out, "    %s --> %s: %s\n", from, r.To, label)
		}
	}
	for _, s := range m.terminal {
		fmt.Fprintf(&out, "    %s --> [*]\n", s)
	}
	fmt.Fprint(&out, "```\n\nRules are tried from top to bottom; the first whose state, event and condition fit is taken. An event without a\nfitting rule is refused and changes nothing.\n\n| event | from | condition | to |\n|---|---|---|---|\n")
	for _, r := range m.rules {
		guard := r.Guard
		if guard == "" {
			guard = "-"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", r.Event, strings.Join(r.From, ", "), guard, r.To)
	}
	fmt.Fprintf(&out, "\nFinal states: %s.\n", strings.Join(m.terminal, ", "))
	if len(m.quasi) > 0 {
		fmt.Fprint(&out, "\n## What looks like a state and is none\n\n| condition | meaning | how it shows | ends when |\n|---|---|---|---|\n")
		for _, q := range m.quasi {
			fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", q.name, q.meaning, q.seen, q.ends)
		}
	}
	return out.Bytes()
}

// enums is the TypeScript of all state names.
func enums(all []machine) []byte {
	var out bytes.Buffer
	fmt.Fprint(&out, "// Code generated by make generate from the state tables; DO NOT EDIT.\n")
	for _, m := range all {
		upper := strings.ToUpper(m.name[:1]) + m.name[1:]
		fmt.Fprintf(&out, "\nexport const %sStates = [%s] as const;\nexport type %sState = (typeof %sStates)[number];\nexport const %sTerminal: readonly %sState[] = [%s];\n",
			m.name, quoted(m.states), upper, m.name, m.name, upper, quoted(m.terminal))
	}
	return out.Bytes()
}

func quoted(words []string) string { return `"` + strings.Join(words, `", "`) + `"` }
