package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// asked is what a person approves. Fields may be added.
type asked struct {
	WorkflowRunID string `json:"workflow_run_id"`
	WorkflowID    string `json:"workflow_id"`
	Version       int    `json:"version"`
	NodeID        string `json:"node_id"`
	// BindHash is that of the value to which the approval is bound, "" = none.
	BindHash string `json:"bind_hash,omitempty"`
	// Form are the inputs that who approves fills in.
	Form any `json:"form,omitempty"`
}

const (
	maxTitle   = 400 // a little below what approvals allow, in bytes
	maxSummary = 8 << 10
	maxCell    = 1 << 10
)

// request is the question that a node's config asks.
func request(c node.Call, which string, now time.Time) (approval.Request, error) {
	bad := func(format string, args ...any) (approval.Request, error) {
		return approval.Request{}, node.Fatal("invalid_config", fmt.Errorf(format, args...))
	}
	bind, err := bindHash(c)
	if err != nil {
		return approval.Request{}, err
	}
	form := c.Config["form"]
	if form != nil {
		if _, err := workflow.FormOf(form); err != nil {
			return bad("%w", err)
		}
	}
	content, err := json.Marshal(asked{c.RunID, c.WorkflowID, c.Version, c.Step.ID, bind, form})
	if err != nil {
		return bad("what is to be approved cannot be written as JSON")
	}
	by := c.CreatedBy
	if by == "" {
		by = "workflow"
	}
	r := approval.Request{
		ID: which, Tenant: c.Tenant, Kind: approval.KindWorkflow, Subject: approval.NodeSubject(c.RunID, c.Step.ID),
		Title: cut(word(c, "title"), maxTitle), Content: content, RequestedBy: approval.Person{Name: by}, RequestedAt: now,
		ExpiresAt: now.Add(span(c, "expires_in", approval.DefaultLife)), MaxReRequests: approval.DefaultReRequests,
	}
	if s := word(c, "summary"); s != "" {
		r.Summary = append(r.Summary, approval.Field{Name: "summary", Label: "Summary", Type: approval.Text, Value: cut(s, maxSummary)})
	}
	r.Summary = append(r.Summary,
		approval.Field{Name: "workflow", Label: "Workflow", Type: approval.Text, Value: c.WorkflowID},
		approval.Field{Name: "version", Label: "Version", Type: approval.Number, Value: strconv.Itoa(c.Version)},
		approval.Field{Name: "node", Label: "Node", Type: approval.Text, Value: c.Step.ID})
	if show, ok := c.Config["show"].(map[string]any); ok {
		if err := table(&r, show); err != nil {
			return approval.Request{}, err
		}
	}
	if n, ok := c.Config["min_approvals"].(int64); ok {
		r.MinApprovals = int(min(n, approval.MaxApprovals+1))
	}
	if n, ok := c.Config["max_re_requests"].(int64); ok {
		r.MaxReRequests = int(max(min(n, approval.MaxReRequests+1), -1))
	}
	r.RequireComment, _ = c.Config["require_comment"].(bool)
	r.AllowRequester, _ = c.Config["allow_requester"].(bool)
	list, _ := c.Config["approvers"].([]any)
	for _, x := range list {
		s, _ := x.(string)
		r.Approvers = append(r.Approvers, s)
	}
	return r, nil
}

// table fills in what show says.
func table(r *approval.Request, show map[string]any) error {
	rows, _ := show["table"].([]any)
	columns := texts(show["columns"])
	if len(columns) == 0 && len(rows) > 0 {
		first, _ := rows[0].(map[string]any)
		for name := range first {
			columns = append(columns, name)
		}
		slices.Sort(columns)
	}
	for _, name := range columns {
		r.Table.Columns = append(r.Table.Columns, approval.Column{Name: name, Type: columnType(rows, name)})
	}
	for i, x := range rows {
		row, ok := x.(map[string]any)
		if !ok {
			return node.Fatal("invalid_config", fmt.Errorf("row %d of show.table is no object", i+1))
		}
		cells := make([]string, 0, len(columns))
		for _, name := range columns {
			cells = append(cells, cell(row[name]))
		}
		r.Table.Rows = append(r.Table.Rows, cells)
	}
	for _, name := range texts(show["totals"]) {
		r.Summary = append(r.Summary, approval.Field{Name: "total_" + name, Label: "Total " + name, Type: approval.Number, Value: total(rows, name)})
	}
	diff, _ := show["diff"].(map[string]any)
	changes(r, diff["before"], diff["after"])
	return nil
}

// changes shows what differs between two objects.
func changes(r *approval.Request, before, after any) {
	a, _ := before.(map[string]any)
	b, _ := after.(map[string]any)
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if from, to := cell(a[name]), cell(b[name]); from != to {
			r.Summary = append(r.Summary, approval.Field{Name: "change_" + name, Label: name, Type: approval.Text, Value: from + " -> " + to})
		}
	}
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// columnType is number where each row has one, or nothing.
func columnType(rows []any, name string) approval.ValueType {
	found := false
	for _, x := range rows {
		row, _ := x.(map[string]any)
		switch row[name].(type) {
		case nil:
		case int64, float64:
			found = true
		default:
			return approval.Text
		}
	}
	if found {
		return approval.Number
	}
	return approval.Text
}

// total adds the numbers of a column, without the errors of binary fractions: also
// those that are written as texts.
func total(rows []any, name string) string {
	sum, digits := new(big.Rat), 0
	for _, x := range rows {
		row, _ := x.(map[string]any)
		text := cell(row[name])
		n, ok := new(big.Rat).SetString(text)
		if !ok || strings.Contains(text, "/") || len(text) > 64 {
			continue
		}
		sum.Add(sum, n)
		if _, fraction, is := strings.Cut(text, "."); is {
			digits = max(digits, len(fraction))
		}
	}
	return sum.FloatString(digits)
}

func cell(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return cut(x, maxCell)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return cut(string(b), maxCell)
}

// cut shortens a text at the end of a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "..."
}

func isTemplate(s string) bool { return strings.Contains(s, "{{") }

func word(c node.Call, name string) string { s, _ := c.Config[name].(string); return s }

// span reads a duration; without it, or where it is none, otherwise.
func span(c node.Call, name string, otherwise time.Duration) time.Duration {
	d, ok := workflow.ParseDuration(word(c, name))
	if !ok {
		return otherwise
	}
	return d
}

// bindHash is the hash of the value that the approval is bound to, "" = there is none.
// JSON of one value is one text: keys are sorted.
func bindHash(c node.Call) (string, error) {
	v, there := c.Config["bind"]
	if !there {
		return "", nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", node.Fatal("invalid_config", errors.New("bind cannot be written as JSON"))
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// boundTo is the hash in a request.
func boundTo(r approval.Request) string {
	var c asked
	if json.Unmarshal(r.Content, &c) != nil {
		return ""
	}
	return c.BindHash
}

// result is how the node ends.
func result(outcome string, r approval.Request) node.Result {
	value := map[string]any{
		"status": string(r.Status), "approval_id": r.ID, "content_hash": r.ContentHash, "decided_by": nil, "comment": nil, "form": map[string]any{},
	}
	if d := r.Last(); d != nil {
		value["decided_by"], value["comment"] = d.By.Name, d.Comment
		if form, err := plain(d.Form); err == nil && form != nil {
			value["form"] = form
		}
	}
	return node.Result{Outcome: outcome, Value: value}
}

// plain reads a JSON value with whole numbers as int64.
func plain(raw []byte) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	docs, err := source.Read("form.json", raw)
	if err != nil || len(docs) != 1 {
		return nil, errors.New("the form is no value of JSON")
	}
	return docs[0].Plain(), nil
}
