package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// HTTP fetches something with GET. It implements node.Node and node.Targeted. Its
// methods are safe for concurrent use.
type HTTP struct{ exchange exchange.Exchange }

var (
	_ node.Node     = (*HTTP)(nil)
	_ node.Targeted = (*HTTP)(nil)
)

// NewHTTP returns the kind. Requests go through client; clk is the system's if nil.
func NewHTTP(client *outbound.Client, clk clock.Clock) *HTTP {
	return &HTTP{exchange.New(client, clk)}
}

// parts are what select reads.
var parts = []string{"status", "headers", "body"} // read-only

// Kind implements node.Node.
func (*HTTP) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "data", Subtype: "http", SubtypeField: "data_type", Doc: "fetches something with GET",
		Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry, InMap: true, Secrets: true,
		Retryable: []string{node.ClassTimeout, node.ClassServerError, node.ClassRateLimited},
		Fields: []workflow.Field{
			{Name: "url", Type: workflow.FieldString, Required: true, Doc: "http or https, without user name and password"},
			{Name: "headers", Type: workflow.FieldObject, Doc: "request headers; those that belong to the connection are refused"},
			{Name: "select", Type: workflow.FieldExpr, Result: true, Parts: parts, Doc: "an expression over status, headers and body whose value is the result"},
		},
		Check: func(n workflow.Node, report func(at source.Pos, code, text string)) {
			exchange.CheckURL(n.Config, report)
			exchange.CheckHeaders(n.Config, report)
		},
	}
}

// Target implements node.Targeted.
func (h *HTTP) Target(config map[string]any) (string, error) {
	raw, err := exchange.String(config, "url")
	if err != nil {
		return "", err
	}
	return h.exchange.Target(raw)
}

// Run implements node.Node. Redirects of the same scheme are followed; headers do not
// go to another host.
func (h *HTTP) Run(ctx context.Context, c node.Call) (node.Result, error) {
	raw, err := exchange.String(c.Config, "url")
	if err != nil {
		return node.Result{}, err
	}
	header, err := exchange.Headers(c.Config)
	if err != nil {
		return node.Result{}, err
	}
	a, err := h.exchange.Do(ctx, exchange.Request{Method: "GET", URL: raw, Header: header, Redirects: outbound.MaxRedirects}, c.Host.Log())
	if err != nil {
		return node.Result{}, err
	}
	body, ok := a.Value()
	if !ok {
		return node.Result{}, node.Fail("bad_json", "", errBadJSON)
	}
	value := map[string]any{"status": int64(a.Status), "headers": a.Headers, "body": body}
	picked, ok := c.Config["select"].(*expression.Expr)
	if !ok {
		return node.Result{Value: value}, nil
	}
	env := c.Env
	env.Result = value
	v, err := picked.Eval(env)
	if err != nil {
		return node.Result{}, node.Fatal("select_failed", fmt.Errorf("select: %w", err))
	}
	return node.Result{Value: v}, nil
}

var errBadJSON = errors.New("the answer says that it is JSON, but it is not")
