package workflow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/workflow/source"
)

// KindTest is the kind of documents that say how a workflow is to behave. They are for
// rehearsals; servers do not keep them.
const KindTest = "WorkflowTest"

// Test is a rehearsal of a workflow, and what is expected of it.
type Test struct {
	Name string
	// Workflow is the id of the workflow; "" = the only one of the file.
	Workflow string
	// File has the workflow, as a path from the folder of this one; "" = this one.
	File   string
	Inputs map[string]any
	// Mocks take the place of those that the nodes have themselves.
	Mocks []NamedMock
	// Now is when the run begins; zero = the rehearsal's own time.
	Now    time.Time
	Expect Expect
	Pos    source.Pos
}

// NamedMock is the mock of a node.
type NamedMock struct {
	Node string
	Mock Mock
	Pos  source.Pos
}

// Expect is what a rehearsal must lead to. What is nil or empty is not looked at.
type Expect struct {
	// Status of the run, one of Result.
	Status *Wanted[string]
	// Completed, Skipped and Failed are all nodes that end so, in any order.
	Completed, Skipped, Failed *Wanted[[]string]
	// Order are nodes that complete one after the other; others may come between.
	Order *Wanted[[]string]
	// Approvals are the nodes that ask people, in their order, each as often as it does.
	Approvals *Wanted[[]string]
	// Error is the code for which the run fails.
	Error *Wanted[string]
	// Duration is how long the run takes, with its waits.
	Duration *Wanted[time.Duration]
	// Outputs are some of the run's. Objects need only have in them what is written.
	Outputs *Wanted[any]
	// Nodes has some of status, outcome, attempts, error and outputs, by node.
	Nodes *Wanted[any]
	// Calls has some of the config with which a node worked last, by node.
	Calls *Wanted[any]
}

// Wanted is an expectation with its place.
type Wanted[T any] struct {
	Value T
	Pos   source.Pos
}

func readTest(v *source.Value, p *Problems) *Test {
	o := p.object(v, "a test", "")
	o.get("kind")
	t := &Test{Name: o.str("name"), Workflow: o.str("workflow"), File: o.str("file"), Pos: v.Pos}
	if t.Name == "" {
		p.at(o.at("name"), "", ruleRequired, "a test", "name")
	}
	if in := o.of("inputs", source.Map); in != nil {
		t.Inputs, _ = in.Plain().(map[string]any)
	}
	if at := o.of("now", source.String); at != nil {
		var err error
		if t.Now, err = time.Parse(time.RFC3339, at.Str); err != nil {
			p.at(at.Pos, "", ruleForm, "now", formTime)
		}
	}
	if mocks := o.of("mocks", source.Map); mocks != nil {
		for _, pair := range mocks.Pairs {
			t.Mocks = append(t.Mocks, NamedMock{pair.Key, readMock(p, pair.Value, pair.Key, 0), pair.Pos})
		}
	}
	t.Expect = readExpect(o)
	o.done()
	return t
}

func readExpect(o *object) Expect {
	v := o.get("expect")
	if v == nil {
		return Expect{}
	}
	eo := o.p.object(v, "expect", "")
	e := Expect{
		Completed: wantedNodes(eo, "completed"), Skipped: wantedNodes(eo, "skipped"), Failed: wantedNodes(eo, "failed"),
		Order: wantedNodes(eo, "order"), Approvals: wantedNodes(eo, "approvals"),
		Outputs: wantedObject(eo, "outputs"), Nodes: wantedObject(eo, "nodes"), Calls: wantedObject(eo, "calls"),
	}
	if s := eo.v.Get("status"); s != nil {
		word := eo.oneOf("status", string(ResultCompleted), string(ResultFailed), string(ResultSkipped), string(ResultCancelled))
		e.Status = &Wanted[string]{word, s.Pos}
	}
	if c := eo.of("error", source.String); c != nil {
		e.Error = &Wanted[string]{c.Str, c.Pos}
	}
	if d := eo.of("duration", source.String); d != nil {
		took, ok := ParseDuration(d.Str)
		if !ok {
			o.p.at(d.Pos, "", ruleForm, "duration", formDuration)
		}
		e.Duration = &Wanted[time.Duration]{took, d.Pos}
	}
	eo.done()
	return e
}

func wantedNodes(o *object, name string) *Wanted[[]string] {
	v := o.get(name)
	if v == nil {
		return nil
	}
	w := &Wanted[[]string]{Value: []string{}, Pos: v.Pos}
	for _, s := range o.strings(name) {
		w.Value = append(w.Value, s.Str)
	}
	return w
}

func wantedObject(o *object, name string) *Wanted[any] {
	v := o.of(name, source.Map)
	if v == nil {
		return nil
	}
	return &Wanted[any]{v.Plain(), v.Pos}
}

// Mock is how a node answers in a rehearsal, in the place of what it does outside. The
// zero value succeeds at once, with the kind's first outcome and without a result.
type Mock struct {
	// Result is a value of JSON.
	Result  any
	Outcome string
	// Delay is how long an attempt, or the wait for a decision, takes.
	Delay time.Duration
	// Error fails the attempt; nil = it succeeds.
	Error *MockError
	// Attempts answer one call each, the last one also all that follow; empty = the
	// mock itself answers all of them.
	Attempts []Mock
	// Items answer for items of a map, by their index; the mock itself for the others.
	Items map[int]Mock
	Pos   source.Pos
}

// MockError is the failure of an attempt.
type MockError struct {
	Code string
	// Class is one that retry.on may name, "" = none.
	Class   string
	Message string
}

// For is the answer to the n-th call of a node, counted from 0, for an item of a map or
// -1.
func (m Mock) For(item, n int) Mock {
	if one, there := m.Items[item]; there && item >= 0 {
		m = one
	}
	if len(m.Attempts) > 0 {
		return m.Attempts[min(n, len(m.Attempts)-1)]
	}
	return m
}

// Outcomes are those that a mock names, with all in it, each with its place.
func (m Mock) Outcomes() []Target {
	var out []Target
	if m.Outcome != "" {
		out = append(out, Target{Outcome: m.Outcome, Pos: m.Pos})
	}
	for _, a := range m.Attempts {
		out = append(out, a.Outcomes()...)
	}
	for _, a := range m.Items {
		out = append(out, a.Outcomes()...)
	}
	return out
}

// readMock reads a mock; depth says what it may have in it: 0 attempts and items, 1
// attempts, 2 neither.
func readMock(p *Problems, v *source.Value, node string, depth int) Mock {
	o := p.object(v, "a mock", node)
	m := Mock{Outcome: o.str("outcome"), Delay: o.duration("delay", longest), Pos: v.Pos}
	if r := o.get("result"); r != nil {
		m.Result = r.Plain()
	}
	if e := o.get("error"); e != nil {
		eo := p.object(e, "error", node)
		m.Error = &MockError{Code: eo.str("code"), Class: eo.oneOf("class", append([]string{""}, retryClasses...)...), Message: eo.str("message")}
		if m.Error.Code == "" {
			m.Error.Code = "mocked"
		}
		if m.Error.Message == "" {
			m.Error.Message = "the mock says so"
		}
		eo.done()
		if o.v.Get("result") != nil || m.Outcome != "" {
			p.at(e.Pos, node, ruleMockError)
		}
	}
	if depth < 2 {
		for _, a := range o.list("attempts") {
			m.Attempts = append(m.Attempts, readMock(p, a, node, 2))
		}
	}
	if items := o.v.Get("items"); depth == 0 && items != nil {
		o.of("items", source.Map)
		m.Items = map[int]Mock{}
		for _, pair := range items.Pairs {
			i, err := strconv.Atoi(pair.Key)
			if err != nil || i < 0 {
				p.at(pair.Pos, node, ruleIndex)
				continue
			}
			m.Items[i] = readMock(p, pair.Value, node, 1)
		}
	}
	o.done()
	return m
}

// Misfit says why a mock cannot answer for the step, and where; "" = it can.
func (s *Step) Misfit(m Mock) (source.Pos, string) {
	if s.Body != nil || len(s.Node.Body) > 0 {
		return m.Pos, "the map " + s.ID + " is played as it is: give mocks to the nodes in it"
	}
	known := s.Ends()
	for _, o := range m.Outcomes() {
		if !slices.Contains(known, o.Outcome) {
			return o.Pos, fmt.Sprintf("the node %s never ends with %q, but with %s", s.ID, o.Outcome, strings.Join(known, ", "))
		}
	}
	return source.Pos{}, ""
}
