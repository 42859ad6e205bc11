package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

// query is the parsed query of a request. Each value met its parameter.
type query map[string][]string

func (q query) text(name string) string {
	if v := q[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (q query) flag(name string) bool { return q.text(name) == "true" }

func (q query) number(name string, fallback int) int {
	n, err := strconv.Atoi(q.text(name))
	if err != nil {
		return fallback
	}
	return n
}

func (q query) time(name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, q.text(name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// labels reads the label=k:v parameters, all of which must hold.
func (q query) labels() map[string]string {
	out := map[string]string{}
	for _, l := range q["label"] {
		k, v, _ := strings.Cut(l, ":")
		out[k] = v
	}
	return out
}

// maxPage and pageSize are the bounds of limit.
const (
	maxPage  = 200
	pageSize = 50
)

// maxValues is how many values a parameter has at most: each is a condition of
// what the database is asked.
const maxValues = 200

func (q query) limit() int { return q.number("limit", pageSize) }

func textParam(name, doc string) param {
	limit := 200
	return param{Name: name, Doc: doc, Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &limit}}
}

func listParam(name, doc string, enum ...string) param {
	s := &huma.Schema{Type: huma.TypeString}
	for _, e := range enum {
		s.Enum = append(s.Enum, e)
	}
	return param{Name: name, Doc: doc + "; a comma means or", Schema: s, List: true}
}

func enumParam(name, doc string, enum ...string) param {
	p := listParam(name, doc, enum...)
	p.Doc, p.List = doc, false
	return p
}

func timeParam(name, doc string) param {
	return param{Name: name, Doc: doc, Schema: &huma.Schema{Type: huma.TypeString, Format: "date-time"}}
}

func flagParam(name, doc string) param {
	return param{Name: name, Doc: doc, Schema: &huma.Schema{Type: huma.TypeBoolean}}
}

func numberParam(name, doc string, low, high float64) param {
	return param{Name: name, Doc: doc, Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high}}
}

// seqSchema is that of a position in the log of events.
func seqSchema() *huma.Schema {
	low, high := 0.0, float64(1<<53-1) // what JavaScript counts exactly
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high}
}

func labelParam() param {
	p := textParam("label", "key:value; repeat it for more labels, all of which must be there")
	p.Repeat = true
	return p
}

// pageParams are the parameters of every list that has pages.
func pageParams(more ...param) []param {
	limit := numberParam("limit", "items of a page", 1, maxPage)
	limit.Schema.Default = pageSize
	cursor := param{Name: "cursor", Doc: "next_cursor of the page before", Schema: &huma.Schema{Type: huma.TypeString}}
	return append(more, limit, cursor)
}

// parseQuery checks a raw query against the parameters that an operation has.
func parseQuery(raw string, params []param) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidParameter, "the query is not well-formed").
			At("query", "syntax", "must be name=value pairs, joined by & and percent-encoded")
	}
	q := query{}
	unknown := fault.New(fault.UnknownParameter, "")
	bad := fault.New(fault.InvalidParameter, "a query parameter has a value that cannot be used")
	first := bad
	var names []string
	for _, p := range params {
		names = append(names, p.Name)
	}
	for _, name := range sortedKeys(values) {
		i := slices.Index(names, name)
		if i < 0 {
			unknown.Detail = "there is no parameter " + clip(name) + " here; known: " + known(names)
			unknown = unknown.At("query/"+clip(name), "unknown", "not a parameter of this operation")
			if s := strict.Closest(name, names); s != "" {
				unknown = unknown.WithHint("did you mean " + s + "?")
			}
			continue
		}
		if detail := q.take(params[i], values[name]); detail != "" {
			bad = bad.At("query/"+name, "invalid", detail)
		}
	}
	if len(unknown.Fields) > 0 {
		return nil, unknown
	}
	if bad != first {
		return nil, bad
	}
	return q, nil
}

func known(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// take stores the values of one parameter; it returns what is wrong with them.
func (q query) take(p param, values []string) string {
	if len(values) > 1 && !p.Repeat {
		return "may be given once"
	}
	if p.List {
		values = strings.SplitN(values[0], ",", maxValues+1)
	}
	if len(values) > maxValues {
		return "has more than " + itoa(maxValues) + " values"
	}
	for _, v := range values {
		if detail := acceptable(p, v); detail != "" {
			return detail
		}
	}
	q[p.Name] = values
	return ""
}

func acceptable(p param, v string) string {
	s := p.Schema
	switch {
	case strings.ContainsRune(v, 0) || strings.ToValidUTF8(v, "") != v:
		return "must be UTF-8 text without NUL"
	case v == "":
		return "must not be empty"
	case s.MaxLength != nil && len(v) > *s.MaxLength:
		return "is too long"
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, any(v)):
		var all []string
		for _, e := range s.Enum {
			if t, ok := e.(string); ok {
				all = append(all, t)
			}
		}
		return "must be one of " + strings.Join(all, ", ")
	case s.Type == huma.TypeBoolean && v != "true" && v != "false":
		return "must be true or false"
	case p.Name == "label" && !strings.Contains(v, ":"):
		return "must be key:value"
	case s.Format == "date-time":
		if err := strict.Time(v); err != nil {
			return err.Error()
		}
	case s.Type == huma.TypeInteger:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || float64(n) < *s.Minimum || float64(n) > *s.Maximum {
			return "must be a whole number from " + strconv.FormatFloat(*s.Minimum, 'f', -1, 64) + " to " + strconv.FormatFloat(*s.Maximum, 'f', -1, 64)
		}
	}
	return ""
}

// cursor is a place in a list. It holds sort keys of one item and a hash of the
// filter and sort that it belongs to; it grants nothing, so it is not signed.
type cursor struct {
	Filter string `json:"f"`
	ID     string `json:"i,omitempty"`
	Name   string `json:"n,omitempty"` // instead of ID, in lists that are sorted by name
	Rank   string `json:"r,omitempty"`
	Seq    int64  `json:"s,omitempty"`
	AtMs   int64  `json:"t,omitempty"`
}

// filterHash identifies a list: its path, tenant, and every parameter except
// the page's and those that only add something beside the items.
func (r *request) filterHash() string {
	h := sha256.New()
	h.Write([]byte(r.op.Path + "\x00" + r.tenant()))
	for _, name := range sortedKeys(r.query) {
		if name == "cursor" || name == "limit" || name == "include" || name == "bucket" {
			continue
		}
		values := slices.Sorted(slices.Values(r.query[name]))
		h.Write([]byte("\x00" + name + "\x01" + strings.Join(values, "\x01")))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// cursor reads the cursor parameter; nil without one.
func (r *request) cursor() (*cursor, error) {
	text := r.query.text("cursor")
	if text == "" {
		return nil, nil //nolint:nilnil // no cursor is not an error, and has no value
	}
	bad := fault.New(fault.CursorInvalid, "the cursor does not belong to this list with this filter and sort").
		At("query/cursor", "invalid", "is not a next_cursor of this list")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) > 1000 {
		return nil, bad
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil || c.Filter != r.filterHash() || !c.sound() {
		return nil, bad
	}
	return &c, nil
}

// next writes the cursor of the following page; nil when there is none.
func (r *request) next(more bool, c cursor) *string {
	if !more {
		return nil
	}
	c.Filter = r.filterHash()
	b, err := json.Marshal(c)
	if err != nil {
		return nil
	}
	s := base64.RawURLEncoding.EncodeToString(b)
	return &s
}

func (c *cursor) jobMark() *store.JobMark {
	if c == nil {
		return nil
	}
	return &store.JobMark{Rank: rank.Rank(c.Rank), CreatedAt: c.at(), ID: c.ID}
}

func (c *cursor) runMark() *store.RunMark {
	if c == nil {
		return nil
	}
	return &store.RunMark{StartedAt: c.at(), ID: c.ID}
}

// historyMark reads a cursor that historyCursor made.
func (c *cursor) historyMark() *store.HistoryMark {
	if c == nil {
		return nil
	}
	m := &store.HistoryMark{Nominal: c.at(), Kind: store.HistoryRun, Again: int(c.Seq), Reason: agenda.Reason(strings.ToValidUTF8(strings.ReplaceAll(c.Rank, "\x00", ""), ""))}
	if m.Reason != "" {
		m.Kind = store.HistorySkip
	}
	return m
}

func historyCursor(scheduleID string, m *store.HistoryMark) cursor {
	return cursor{ID: scheduleID, AtMs: clock.Millis(m.Nominal), Seq: int64(m.Again), Rank: string(m.Reason)}
}

// sound reports whether a store can be asked with c: its texts come from the
// caller.
func (c *cursor) sound() bool {
	if c.Name != "" {
		return c.ID == "" && !strings.ContainsRune(c.Name, 0)
	}
	return anyID.MatchString(c.ID)
}

func (c *cursor) at() time.Time { return clock.FromMillis(c.AtMs) }
