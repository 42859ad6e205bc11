package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) approvalCommand() *cobra.Command {
	return a.noun("approval", "See what waits for an approval, and decide it",
		a.approvalList(), a.approvalShow(), a.approvalDecide(true), a.approvalDecide(false), a.approvalDelegate(), a.approvalAgain())
}

func (a *app) completeApprovals() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Approval, error] {
		return cl.Approvals(ctx, client.ApprovalFilter{Statuses: []string{"PENDING"}, PageSize: completeAtMost})
	}, func(x client.Approval) cobra.Completion {
		return cobra.CompletionWithDesc(x.ApprovalID, clean(x.Title))
	})
}

func (a *app) approvalView() view[client.Approval] {
	return view[client.Approval]{
		id:      func(x client.Approval) string { return x.ApprovalID },
		columns: []string{"APPROVAL", "STATUS", "TITLE", "SUBJECT", "BY", "EXPIRES"}, status: 1, spare: []string{"SUBJECT", "BY"},
		row: func(x client.Approval) []string {
			return []string{x.ApprovalID, x.Status, x.Title, x.Subject.ID, x.RequestedBy, stamp(&x.ExpiresAt)}
		},
		detail: approvalDetail,
	}
}

func approvalDetail(x client.Approval) []pair {
	out := []pair{
		{"approval", x.ApprovalID},
		{"title", x.Title},
		{"status", x.Status},
		{"subject", x.Subject.Type + " " + x.Subject.ID},
		{"workflow run", deref(x.WorkflowRunID)},
		{"node", deref(x.NodeID)},
		{"approvers", strings.Join(x.Approvers, ", ")},
	}
	for _, f := range x.Fields {
		out = append(out, pair{strings.ToLower(f.Label), f.Value})
	}
	for i, row := range x.Table.Rows {
		var cells []string
		for n, cell := range row {
			cells = append(cells, x.Table.Columns[n].Label+" "+cell)
		}
		out = append(out, pair{"row " + strconv.Itoa(i+1), strings.Join(cells, ", ")})
	}
	out = append(out,
		pair{"content", compact(x.Content)},
		pair{"content hash", x.ContentHash},
		pair{"requested", stamp(&x.RequestedAt) + " by " + x.RequestedBy},
		pair{"expires", stamp(&x.ExpiresAt)},
		pair{"approvals", strconv.Itoa(approved(x)) + " of " + strconv.Itoa(x.MinApprovals)},
	)
	for _, d := range x.Decisions {
		word := "rejected"
		if d.Approved {
			word = "approved"
		}
		text := stamp(&d.DecidedAt) + " by " + d.DecidedBy
		if d.Comment != nil {
			text += ": " + *d.Comment
		}
		if form := compact(d.Form); form != "{}" && form != "null" && form != "" {
			text += " with " + form
		}
		out = append(out, pair{word, text})
	}
	for _, d := range x.Delegations {
		out = append(out, pair{"delegated", stamp(&d.DelegatedAt) + " by " + d.From + " to " + d.To + ": " + d.Reason})
	}
	return append(out, pair{"ended", stamp(x.EndedAt)}, pair{"reason", deref(x.Reason)}, pair{"replaces", deref(x.Replaces)}, pair{"replaced by", deref(x.ReplacedBy)})
}

func approved(x client.Approval) int {
	n := 0
	for _, d := range x.Decisions {
		if d.Approved {
			n++
		}
	}
	return n
}

func compact(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return string(raw)
	}
	return out.String()
}

func (a *app) approvalList() *cobra.Command {
	var (
		f     client.ApprovalFilter
		limit int
		all   bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List what waits for an approval, newest first", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if len(f.Statuses) == 0 && !all {
				f.Statuses = []string{"PENDING"}
			}
			f.PageSize = pageSize(limit)
			load := func(ctx context.Context) ([]client.Approval, error) {
				return client.Collect(cl.Approvals(ctx, f), limit)
			}
			return show(c.Context(), a, a.approvalView(), false, limit, load)
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.Statuses, "status", nil, "only these `statuses`: PENDING, APPROVED, REJECTED, EXPIRED, SUPERSEDED")
	fs.BoolVar(&all, "all", false, "also what was decided")
	fs.StringVar(&f.SubjectID, "subject", "", "only about the thing with this `id`, such as a job")
	fs.StringVar(&f.WorkflowRunID, "workflow-run", "", "only about nodes of this `run` of a workflow")
	fs.IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) approvalShow() *cobra.Command {
	return &cobra.Command{
		Use: "show APPROVAL", Aliases: []string{"get"}, Short: "Show what is to be approved", Args: oneArg, ValidArgsFunction: a.completeApprovals(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			x, err := cl.Approval(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.approvalView(), x)
		},
	}
}

func (a *app) approvalDecide(yes bool) *cobra.Command {
	var (
		in     client.DecisionInput
		sure   bool
		fields []string
	)
	verb, short := "reject", "Reject: a job ends without having run, a workflow may go on"
	if yes {
		verb, short = "approve", "Approve: what waits goes on"
	}
	c := &cobra.Command{
		Use: verb + " APPROVAL", Short: short, Args: oneArg, ValidArgsFunction: a.completeApprovals(),
		Long: `A decision is for exactly what was shown: with --content-hash, as show prints it, it is
refused when that is not the content. Without it, the content is shown and you are
asked; --yes takes it as it is now.`,
		Example: "  runsheet approval " + verb + ` appr_01jh0000000000000000000000 --comment "looked at it with Ann"`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if in.Form, err = filledIn(fields); err != nil {
				return err
			}
			if in.ContentHash == "" {
				if in.ContentHash, err = a.lookedAt(c, cl, args[0], verb, sure); err != nil {
					return err
				}
			}
			decide := cl.Reject
			if yes {
				decide = cl.Approve
			}
			x, err := decide(c.Context(), args[0], in, client.Call{})
			if err != nil {
				return err
			}
			if x.Status == "PENDING" {
				a.talk("%d of %d approvals are there", approved(x), x.MinApprovals)
			}
			return printOne(a, a.approvalView(), x)
		},
	}
	fs := c.Flags()
	fs.StringVar(&in.Comment, "comment", "", "a `sentence` for people")
	fs.StringVar(&in.ContentHash, "content-hash", "", "the `hash` of what you saw")
	fs.BoolVarP(&sure, "yes", "y", false, "do not ask")
	if yes {
		fs.StringArrayVar(&fields, "field", nil, "a value of the approval's form, `NAME=VALUE`; the value is JSON, or a text if it is none (repeatable)")
	}
	return c
}

// filledIn is a form of flags, nil if there are none.
func filledIn(fields []string) (json.RawMessage, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	form := map[string]json.RawMessage{}
	for _, f := range fields {
		name, value, ok := strings.Cut(f, "=")
		if _, twice := form[name]; !ok || name == "" || twice {
			return nil, usagef("--field must be NAME=VALUE, each name once")
		}
		if form[name] = json.RawMessage(value); !json.Valid(form[name]) {
			raw, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			form[name] = raw
		}
	}
	return json.Marshal(form)
}

// lookedAt shows a request, asks, and returns the hash of what was shown.
func (a *app) lookedAt(c *cobra.Command, cl *client.Client, id, verb string, sure bool) (string, error) {
	x, err := cl.Approval(c.Context(), id)
	if err != nil || sure {
		return x.ContentHash, err
	}
	if a.inTTY && a.errTTY {
		for _, p := range approvalDetail(x) {
			if p.value != "" {
				a.talk("%s: %s", p.name, clean(p.value))
			}
		}
	}
	return x.ContentHash, a.confirm(false, verb+" this?")
}

func (a *app) approvalDelegate() *cobra.Command {
	var (
		in     client.DelegationInput
		recall bool
	)
	c := &cobra.Command{
		Use: "delegate APPROVAL", Short: "Let another user decide in your place, or take that back", Args: oneArg, ValidArgsFunction: a.completeApprovals(),
		Long: `Delegate hands an approval that you may give to a user who may decide approvals: for
this one approval, and you do not approve it any more. --recall takes it back, as long as
nobody has approved in your place. Neither who asked nor the author can get it.`,
		Example: "  runsheet approval delegate appr_01jh0000000000000000000000 --to tom --reason 'on leave'\n  runsheet approval delegate appr_01jh0000000000000000000000 --recall",
		RunE: func(c *cobra.Command, args []string) error {
			if recall == (in.To != "") || recall && in.Reason != "" || !recall && in.Reason == "" {
				return usagef("give --to USER and --reason TEXT, or --recall")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			var x client.Approval
			if recall {
				x, err = cl.RecallApproval(c.Context(), args[0], client.Call{})
			} else {
				x, err = cl.DelegateApproval(c.Context(), args[0], in, client.Call{})
			}
			if err != nil {
				return err
			}
			return printOne(a, a.approvalView(), x)
		},
	}
	fs := c.Flags()
	fs.StringVar(&in.To, "to", "", "name of the `user` who is to decide")
	fs.StringVar(&in.Reason, "reason", "", "why, a `text` for people")
	fs.BoolVar(&recall, "recall", false, "take it back")
	return c
}

func (a *app) approvalAgain() *cobra.Command {
	var in client.DecisionInput
	c := &cobra.Command{
		Use: "re-request APPROVAL", Short: "Ask again: a new request with a fresh life takes its place", Args: oneArg, ValidArgsFunction: a.completeApprovals(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if in.ContentHash == "" {
				x, err := cl.Approval(c.Context(), args[0])
				if err != nil {
					return err
				}
				in.ContentHash = x.ContentHash
			}
			x, err := cl.ReRequestApproval(c.Context(), args[0], in, client.Call{})
			if err != nil {
				return err
			}
			return printOne(a, a.approvalView(), x)
		},
	}
	fs := c.Flags()
	fs.StringVar(&in.Comment, "comment", "", "why, a `sentence` for people")
	fs.StringVar(&in.ContentHash, "content-hash", "", "only if the content has this `hash`")
	return c
}

// approvalFlags are --approval and what belongs to it.
type approvalFlags struct {
	life  askFlag
	rules client.ApprovalRules
}

// askFlag is --approval, whose value is how long people have.
type askFlag struct {
	on   bool
	life time.Duration // 0 = the server's default
}

// askedDefault is the value of --approval without one.
const askedDefault = "yes"

// String, Set and Type make --approval a flag.
func (f *askFlag) String() string {
	if f.life > 0 {
		return f.life.String()
	}
	return ""
}

// Type names the value in help texts.
func (f *askFlag) Type() string { return "duration" }

// Set reads the value.
func (f *askFlag) Set(s string) error {
	f.on = true
	if s == askedDefault {
		f.life = 0
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return errors.New("must be a duration such as 4h")
	}
	f.life = d
	return nil
}

func (f *approvalFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.Var(&f.life, "approval", "do not start before somebody approves it; --approval=4h gives them that time, not 24h")
	fs.Lookup("approval").NoOptDefVal = askedDefault
	fs.IntVar(&f.rules.MinApprovals, "approvals", 0, "`number` of different people who must approve it (implies --approval)")
	fs.BoolVar(&f.rules.AllowRequester, "self-approval", false, "you may approve it yourself, too (implies --approval)")
}

// read is what the flags ask for, nil = no approval is needed.
func (f *approvalFlags) read() *client.ApprovalRules {
	if !f.life.on && f.rules.MinApprovals == 0 && !f.rules.AllowRequester {
		return nil
	}
	rules := f.rules
	if f.life.life > 0 {
		rules.ExpiresIn = text(f.life.life.String())
	}
	return &rules
}
