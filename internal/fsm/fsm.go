// Package fsm describes a state machine as data: a table of rules that is
// applied, drawn, listed and tested from one place.
//
// Each kind of thing that has states (job, run, ...) owns one state.go with
// its states, its events (one struct type each) and its table:
//
//	var Table = fsm.New[State, Job, Change](func(j Job) State { return j.State },
//		fsm.On[Claimed](fsm.From(Queued), fsm.To(Running), fsm.Do(claim)),
//		fsm.On[Failed](fsm.From(Running), fsm.When("retries left", retriesLeft), fsm.To(Queued), fsm.Do(retry)),
//		fsm.On[Failed](fsm.From(Running), fsm.To(Dead), fsm.Do(fail)),
//	)
//
// Rules are tried in order; the first whose event type, state and guard match
// is taken. Applying a table is pure: guards and effects see only the subject
// and the event, and an effect only fills in the change that is returned. No
// clock, id, randomness or I/O belongs here. A table is immutable and safe for
// concurrent use.
package fsm

import (
	"fmt"
	"reflect"
	"slices"
)

// Part is one clause of a rule: From, To, When or Do.
type Part func(*Rule)

// Rule is one line of a table. Its fields are for drawing and testing.
type Rule struct {
	Event string
	From  []string
	To    string
	// Guard is the condition in words, "" for none.
	Guard string

	event reflect.Type
	when  func(subject, event any) bool
	do    func(subject, event, change any)
}

// On starts a rule for events of type E.
func On[E any](parts ...Part) Rule {
	t := reflect.TypeFor[E]()
	r := Rule{Event: t.Name(), event: t}
	for _, p := range parts {
		p(&r)
	}
	return r
}

// From names the states in which the rule applies.
func From[S ~string](states ...S) Part {
	return func(r *Rule) {
		for _, s := range states {
			r.From = append(r.From, string(s))
		}
	}
}

// To names the state that follows.
func To[S ~string](s S) Part { return func(r *Rule) { r.To = string(s) } }

// When adds a condition; name says it in words for the diagram.
func When[T, E any](name string, f func(T, E) bool) Part {
	return func(r *Rule) {
		r.Guard = name
		r.when = func(subject, event any) bool { return f(subject.(T), event.(E)) }
	}
}

// Do fills in the change that the rule makes, beside the new state.
func Do[T, E, C any](f func(T, E, *C)) Part {
	return func(r *Rule) {
		r.do = func(subject, event, change any) { f(subject.(T), event.(E), change.(*C)) }
	}
}

// Table is a state machine over states S of subjects T whose transitions
// yield changes C.
type Table[S ~string, T, C any] struct {
	state func(T) S
	rules []Rule
}

// New checks the rules and returns their table. It panics on a rule without a
// From or a To, which is an error of the programmer.
func New[S ~string, T, C any](state func(T) S, rules ...Rule) *Table[S, T, C] {
	for _, r := range rules {
		if len(r.From) == 0 || r.To == "" {
			panic(fmt.Sprintf("fsm: rule on %s has no From or no To", r.Event))
		}
	}
	return &Table[S, T, C]{state: state, rules: rules}
}

// Rejected says that no rule matches.
type Rejected struct{ State, Event string }

// Error implements error.
func (e *Rejected) Error() string { return "no transition from " + e.State + " on " + e.Event }

// Apply returns the state that follows event and the change that leads there,
// or *Rejected. The subject is not modified.
func (t *Table[S, T, C]) Apply(subject T, event any) (S, C, error) {
	var change C
	from, typ := t.state(subject), reflect.TypeOf(event)
	for _, r := range t.rules {
		if r.event != typ || !slices.Contains(r.From, string(from)) || r.when != nil && !r.when(subject, event) {
			continue
		}
		if r.do != nil {
			r.do(subject, event, &change)
		}
		return S(r.To), change, nil
	}
	return from, change, &Rejected{State: string(from), Event: typ.Name()}
}

// Rules returns the table's lines in order. The caller must not change them.
func (t *Table[S, T, C]) Rules() []Rule { return t.rules }
