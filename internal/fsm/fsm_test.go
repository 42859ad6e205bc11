package fsm_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fsm"
)

type state string

type door struct {
	state  state
	locked bool
}

type (
	push struct{ hard bool }
	pull struct{}
	kick struct{}
)

type change struct{ noise string }

func table() *fsm.Table[state, door, change] {
	return fsm.New[state, door, change](func(d door) state { return d.state },
		fsm.On[push](fsm.From[state]("shut"), fsm.When("hard", func(_ door, e push) bool { return e.hard }), fsm.To[state]("broken"),
			fsm.Do(func(_ door, _ push, c *change) { c.noise = "crash" })),
		fsm.On[push](fsm.From[state]("shut"), fsm.When("not locked", func(d door, _ push) bool { return !d.locked }), fsm.To[state]("open")),
		fsm.On[pull](fsm.From[state]("open", "broken"), fsm.To[state]("shut")),
	)
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		door  door
		event any
		to    state
		noise string
	}{
		{"first fitting rule wins", door{state: "shut"}, push{hard: true}, "broken", "crash"},
		{"guard of the first fails", door{state: "shut"}, push{}, "open", ""},
		{"second From", door{state: "broken"}, pull{}, "shut", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			to, ch, err := table().Apply(c.door, c.event)
			if err != nil || to != c.to || ch.noise != c.noise {
				t.Errorf("Apply = %q, %+v, %v; want %q, %q", to, ch, err, c.to, c.noise)
			}
		})
	}
}

func TestApplyRejects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		door  door
		event any
		want  fsm.Rejected
	}{
		{"no guard fits", door{state: "shut", locked: true}, push{}, fsm.Rejected{State: "shut", Event: "push"}},
		{"wrong state", door{state: "shut"}, pull{}, fsm.Rejected{State: "shut", Event: "pull"}},
		{"unknown event", door{state: "open"}, kick{}, fsm.Rejected{State: "open", Event: "kick"}},
		{"pointer to an event", door{state: "open"}, &pull{}, fsm.Rejected{State: "open"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			to, ch, err := table().Apply(c.door, c.event)
			var r *fsm.Rejected
			if !errors.As(err, &r) || *r != c.want {
				t.Fatalf("Apply = %v, want %+v", err, c.want)
			}
			if to != c.door.state || ch != (change{}) {
				t.Errorf("a refused event gave %q, %+v", to, ch)
			}
		})
	}
}

func TestRulesAreForDrawing(t *testing.T) {
	t.Parallel()
	type line struct {
		Event string
		From  []string
		To    string
		Guard string
	}
	var got []line
	for _, r := range table().Rules() {
		got = append(got, line{r.Event, r.From, r.To, r.Guard})
	}
	want := []line{
		{"push", []string{"shut"}, "broken", "hard"},
		{"push", []string{"shut"}, "open", "not locked"},
		{"pull", []string{"open", "broken"}, "shut", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Rules (-want +got):\n%s", diff)
	}
}

func TestNewPanicsOnAnIncompleteRule(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]fsm.Rule{
		"no To":   fsm.On[push](fsm.From[state]("shut")),
		"no From": fsm.On[push](fsm.To[state]("shut")),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: New did not panic", name)
				}
			}()
			fsm.New[state, door, change](func(d door) state { return d.state }, r)
		}()
	}
}
