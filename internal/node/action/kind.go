// Package action has the nodes that change something outside. Their attempts carry
// an idempotency key, which is the same for all attempts of a node.
package action

import (
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// kind is what the kinds of this package have in common.
func kind(subtype, doc string) workflow.Kind {
	return workflow.Kind{
		Type: "action", Subtype: subtype, SubtypeField: "action_type", Doc: doc, Outcomes: []string{"success"},
		Effect: true, Secrets: true, InMap: true,
	}
}

// methods are those of the job type http.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} // read-only

// Kind implements node.Node.
func (*APICall) Kind() workflow.Kind {
	k := kind("api_call", "sends one HTTP request and judges the answer by its status")
	k.OnCrash = workflow.CrashRetry
	k.Retryable = []string{node.ClassTimeout, node.ClassServerError, node.ClassRateLimited}
	k.Check = checkAPICall
	k.Fields = []workflow.Field{
		{Name: "url", Type: workflow.FieldString, Required: true, Doc: "http or https, without user name and password"},
		{Name: "method", Type: workflow.FieldString, Enum: methods, Doc: "POST if there is a body, GET otherwise"},
		{Name: "headers", Type: workflow.FieldObject, Doc: "request headers; those that belong to the connection are refused"},
		{Name: "body", Type: workflow.FieldAny, Doc: "any value, sent as JSON unless Content-Type says otherwise"},
		{Name: "body_from", Type: workflow.FieldString, Doc: "the id of an artifact of the run that is sent instead of body"},
		{Name: "expect", Type: workflow.FieldList, Doc: "statuses of success, such as 201 or 200-299; [200-299] without it"},
		{Name: "auth", Type: workflow.FieldObject, Doc: "one of bearer, basic and header", Fields: []workflow.Field{
			{Name: "bearer", Type: workflow.FieldString, Doc: "a token"},
			{Name: "basic", Type: workflow.FieldObject, Fields: []workflow.Field{
				{Name: "username", Type: workflow.FieldString, Required: true}, {Name: "password", Type: workflow.FieldString, Required: true},
			}},
			{Name: "header", Type: workflow.FieldObject, Fields: []workflow.Field{
				{Name: "name", Type: workflow.FieldString, Required: true}, {Name: "value", Type: workflow.FieldString, Required: true},
			}},
		}},
		{Name: "follow_redirects", Type: workflow.FieldBoolean, Doc: "follow up to 3 redirects of the same scheme; without it a redirect is the answer"},
	}
	return k
}

// checkAPICall looks at what is not computed.
func checkAPICall(n workflow.Node, report func(at source.Pos, code, text string)) {
	c := n.Config
	if b, from := c.Get("body"), c.Get("body_from"); b != nil && from != nil {
		report(from.Pos, "not_allowed", "body and body_from exclude each other")
	}
	exchange.CheckURL(c, report)
	exchange.CheckHeaders(c, report)
	if v := c.Get("expect"); v != nil && v.Kind == source.List {
		for _, item := range v.Items {
			if item.Kind == source.String && computed(item) {
				continue
			}
			if _, err := exchange.ParseExpect([]any{item.Plain()}); err != nil {
				report(item.Pos, "wrong_value", "expect: "+err.Error())
			}
		}
	}
	if a := c.Get("auth"); a != nil && a.Kind == source.Map && len(a.Pairs) != 1 {
		report(a.Pos, "wrong_value", "auth must have one of bearer, basic and header")
	}
}

// Kind implements node.Node.
func (*Command) Kind() workflow.Kind {
	k := kind("command", "runs a program, without a shell")
	k.OnCrash = workflow.CrashFail
	k.Retryable = []string{node.ClassExit, node.ClassTimeout}
	k.Check = checkCommand
	limit := func(name, doc string) workflow.Field {
		return workflow.Field{Name: name, Type: workflow.FieldInteger, Doc: doc}
	}
	k.Fields = []workflow.Field{
		{Name: "argv", Type: workflow.FieldList, Required: true, Doc: "the executable, an absolute path or a bare name, and its arguments"},
		{Name: "env", Type: workflow.FieldObject, Doc: "environment variables besides PATH, HOME and RUNSHEET_*"},
		{Name: "stdin", Type: workflow.FieldString, Doc: "what the program reads on standard input"},
		{Name: "artifacts", Type: workflow.FieldList, Doc: "patterns of files in the working folder that are kept, such as out/*.csv"},
		{Name: "capture", Type: workflow.FieldBoolean, Doc: "give the last 64 KiB of standard output as stdout"},
		{Name: "limits", Type: workflow.FieldObject, Doc: "bounds on the use of the machine", Fields: []workflow.Field{
			limit("cpu_seconds", "processor time in seconds"), limit("memory_bytes", "address space"), limit("open_files", "file descriptors"),
			limit("processes", "processes and threads of the server's user"), limit("file_size_bytes", "size of any one file"),
		}},
	}
	return k
}
