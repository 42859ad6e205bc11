// Package top is the live view of the queue in a terminal: what runs, what
// waits in which order and why, and keys that change it. It is a Bubble Tea
// program; the cli gives it a Server, which talks to the API.
//
// The view shows the order as the server last told it, and at once what the
// person does to it; the server's answer then replaces both. Requests are sent
// one after the other, so that several moves of one job arrive in order. The
// package reads no clock but the server's answers and keeps no state on disk.
package top

import (
	"context"
	"io"

	tea "charm.land/bubbletea/v2"
)

// Item is one line of the order.
type Item struct {
	// ID of a job or, with Group, of a group.
	ID, Name, Type string
	// Why it waits and when it is expected to start, for people.
	Why, Starts string
	Group       bool
	// In is the id of the group that it is a member of, "" = none.
	In   string
	Held bool
}

// Running is one line of what runs.
type Running struct{ ID, Name, Type, Detail string }

// State is what the server says of the queue.
type State struct {
	Paused  bool
	Workers int
	Running []Running
	// Direct is the number of direct requests that wait.
	Direct int
	Items  []Item
	// Waiting is the number of all waiting jobs; More says that Items are not all.
	Waiting int
	More    bool
}

// Place is where something goes: exactly one field is set. Position counts from
// 0; nil is none.
type Place struct {
	Before, After string
	Top, Bottom   bool
	Position      *int
}

// Verb is what a key does to one job, or to the queue.
type Verb string

// The verbs. Pause and Resume need no id.
const (
	Hold    Verb = "hold"
	Release Verb = "release"
	Cancel  Verb = "cancel"
	Restore Verb = "restore"
	Pause   Verb = "pause"
	Resume  Verb = "resume"
)

// Server is what the view asks for. Methods are called from other goroutines,
// one at a time.
type Server interface {
	// Load returns the state with at most limit items.
	Load(ctx context.Context, limit int) (State, error)
	// Move changes the order and returns the position that the thing had.
	Move(ctx context.Context, id string, p Place) (old int, err error)
	Do(ctx context.Context, v Verb, id string) error
	Scale(ctx context.Context, workers int) error
	// Changed returns when something happened, or after a while, or with ctx.
	Changed(ctx context.Context)
}

// Options of Run.
type Options struct {
	Server Server
	In     io.Reader
	Out    io.Writer
	// Env decides about colours, for example NO_COLOR.
	Env []string
	// Width and Height of the screen in characters; 0 = ask the terminal.
	Width, Height int
}

// Run shows the view until the person leaves it or ctx ends.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	with := []tea.ProgramOption{tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithEnvironment(o.Env)}
	if o.Width > 0 && o.Height > 0 {
		with = append(with, tea.WithWindowSize(o.Width, o.Height))
	}
	if _, err := tea.NewProgram(newModel(ctx, o.Server), with...).Run(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
