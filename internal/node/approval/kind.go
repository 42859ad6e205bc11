package approval

import (
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// The outcomes.
const (
	approved = "approved"
	rejected = "rejected"
	expired  = "expired"
)

// What an expiry means.
const (
	onExpireReject    = "reject"
	onExpireReRequest = "re_request"
	onExpireFail      = "fail"
)

// Kind implements node.Node.
func (Approval) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "approval", Doc: "asks people whether the run may go on",
		Outcomes: []string{approved, rejected, expired}, Plain: []string{approved}, OnCrash: workflow.CrashRetry, Stores: true,
		Retryable: []string{node.ClassServerError},
		Fields: []workflow.Field{
			{Name: "title", Type: workflow.FieldString, Required: true},
			{Name: "summary", Type: workflow.FieldString, Doc: "a sentence or two for who decides"},
			{Name: "show", Type: workflow.FieldObject, Doc: "a table of what is asked for", Fields: []workflow.Field{
				{Name: "table", Type: workflow.FieldList, Doc: "rows, each an object"},
				{Name: "columns", Type: workflow.FieldList, Doc: "names of columns in their order; without it all, by name"},
				{Name: "totals", Type: workflow.FieldList, Doc: "names of columns whose sums are shown"},
				{Name: "diff", Type: workflow.FieldAny, Doc: "an object {before, after} whose changes are shown"},
			}},
			{Name: "approvers", Type: workflow.FieldList, Doc: "role:NAME or user:NAME each; without it all who may decide approvals"},
			{Name: "min_approvals", Type: workflow.FieldInteger, Doc: "1 without it; 20 at most"},
			{Name: "expires_in", Type: workflow.FieldDuration, Doc: "24h without it; from 1s to 90d"},
			{
				Name: "on_expire", Type: workflow.FieldString, Enum: []string{onExpireReject, onExpireReRequest, onExpireFail}, Constant: true,
				Doc: "reject without it: the outcome expired if an edge has it, rejected otherwise",
			},
			{Name: "rewind_to", Type: workflow.FieldString, Node: true, Constant: true, Doc: "with re_request: the run goes back to this node and comes here again"},
			{Name: "max_re_requests", Type: workflow.FieldInteger, Doc: "3 without it; 20 at most"},
			{Name: "remind_every", Type: workflow.FieldDuration, Doc: "announces approval.reminder so often; never without it"},
			{Name: "require_comment", Type: workflow.FieldBoolean},
			{Name: "allow_requester", Type: workflow.FieldBoolean, Constant: true, Doc: "lets whoever started the run approve"},
			{Name: "form", Type: workflow.FieldObject, Constant: true, Doc: "inputs, as those of a workflow, that who approves fills in"},
			{Name: "bind", Type: workflow.FieldAny, Doc: "a value that must still be the same when the approval is used"},
		},
		Check: check,
	}
}

func check(n workflow.Node, report func(at source.Pos, code, text string)) {
	c := n.Config
	if to := c.Get("rewind_to"); to != nil {
		if e := c.Get("on_expire"); e == nil || e.Str != onExpireReRequest {
			report(to.Pos, "not_allowed", "rewind_to is for on_expire: re_request")
		}
	}
	if v := c.Get("approvers"); v != nil {
		for _, a := range v.Items {
			if a.Kind != source.String || !isTemplate(a.Str) && !approval.ApproverOK(a.Str) {
				report(a.Pos, "wrong_type", "approvers are role:NAME or user:NAME")
			}
		}
	}
	if v := c.Get("min_approvals"); v != nil && v.Kind == source.Int && (v.Int < 1 || v.Int > approval.MaxApprovals) {
		report(v.Pos, "out_of_range", "min_approvals must be from 1 to 20")
	}
	if v := c.Get("max_re_requests"); v != nil && v.Kind == source.Int && (v.Int < 0 || v.Int > approval.MaxReRequests) {
		report(v.Pos, "out_of_range", "max_re_requests must be from 0 to 20")
	}
	if v := c.Get("form"); v != nil {
		for _, p := range workflow.CheckForm(v) {
			report(p.Pos, p.Code, p.Text)
		}
	}
}
