package top_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/cli/top"
)

// server keeps an order of places; a group is one with members.
type server struct {
	mu     sync.Mutex
	order  []top.Item
	calls  []string
	loads  int // calls of Load
	at     int // loads at the last call of another method
	fail   error
	paused bool
	count  int
	seen   chan string // each call
	change chan struct{}
}

func newServer(names ...string) *server {
	s := &server{count: 1, seen: make(chan string, 100), change: make(chan struct{})}
	for _, n := range names {
		it := top.Item{ID: n, Name: n, Type: "command"}
		if group, member, ok := strings.Cut(n, "/"); ok {
			it.In, it.Name = group, member
		} else if strings.HasPrefix(n, "g") {
			it.Group = true
		}
		s.order = append(s.order, it)
	}
	return s
}

func (s *server) Load(_ context.Context, limit int) (top.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	n := min(limit, len(s.order))
	return top.State{
		Workers: s.count, Paused: s.paused, Items: slices.Clone(s.order[:n]), Waiting: len(s.order), More: n < len(s.order),
		Running: []top.Running{{ID: "r", Name: "busy", Type: "command", Detail: mark(s.loads) + " epoch 3/10"}},
	}, nil
}

// mark is a text in which every character differs from the one before: the
// screen is drawn by its differences.
func mark(n int) string { return strings.Repeat(string(rune('A'+n%26)), 8) }

func (s *server) note(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	s.calls, s.at = append(s.calls, call), s.loads
	s.seen <- call
	err := s.fail
	s.fail = nil
	return err
}

func (s *server) Move(_ context.Context, id string, p top.Place) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.order, func(it top.Item) bool { return it.ID == id })
	to, old := "?", s.position(i)
	switch {
	case p.Before != "":
		to = "before " + p.Before
	case p.After != "":
		to = "after " + p.After
	case p.Top:
		to = "top"
	case p.Bottom:
		to = "bottom"
	case p.Position != nil:
		to = fmt.Sprint("position ", *p.Position)
	}
	err := s.note("move %s %s", id, to)
	if err == nil {
		s.place(i, p)
	}
	return old, err
}

// block is a job, or a group with its members, or a member.
func (s *server) block(i int) (from, to int) {
	for to = i + 1; s.order[i].Group && to < len(s.order) && s.order[to].In == s.order[i].ID; to++ {
	}
	return i, to
}

// position counts places before line i.
func (s *server) position(i int) int {
	n := 0
	for _, it := range s.order[:i] {
		if it.In == "" {
			n++
		}
	}
	return n
}

func (s *server) place(i int, p top.Place) {
	from, to := s.block(i)
	block := slices.Clone(s.order[from:to])
	s.order = slices.Delete(s.order, from, to)
	at := 0
	switch target := p.Before + p.After; {
	case target != "":
		at = slices.IndexFunc(s.order, func(it top.Item) bool { return it.ID == target })
		if p.After != "" {
			_, at = s.block(at)
		}
	case p.Bottom:
		at = len(s.order)
	case p.Position != nil:
		for at < len(s.order) && s.position(at) < *p.Position {
			at++
		}
	}
	s.order = slices.Insert(s.order, at, block...)
}

func (s *server) Do(_ context.Context, v top.Verb, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch v {
	case top.Pause, top.Resume:
		s.paused = v == top.Pause
	case top.Hold, top.Release:
		for i := range s.order {
			if s.order[i].ID == id {
				s.order[i].Held = v == top.Hold
			}
		}
	case top.Cancel, top.Restore:
	}
	return s.note("%s %s", v, id)
}

func (s *server) Scale(_ context.Context, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = n
	return s.note("scale %d", n)
}

func (s *server) Changed(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.change:
	}
}

// Keys as a terminal sends them.
const (
	down    = "\x1b[B"
	altUp   = "\x1b[1;3A"
	altDown = "\x1b[1;3B"
)

// screen runs the view with keys, waiting for a call of the server where a key
// is followed by one.
type screen struct {
	t    *testing.T
	s    *server
	in   *io.PipeWriter
	out  *safe
	done chan error
}

type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func open(t *testing.T, s *server) *screen {
	t.Helper()
	r, w := io.Pipe()
	sc := &screen{t: t, s: s, in: w, out: &safe{}, done: make(chan error, 1)}
	go func() {
		sc.done <- top.Run(t.Context(), top.Options{Server: s, In: r, Out: sc.out, Env: []string{"TERM=xterm-256color"}, Width: 120, Height: 30})
	}()
	sc.shows(mark(1)) // the first answer: before it, a key finds nothing to act on
	return sc
}

// shows waits until a text was drawn.
func (sc *screen) shows(text string) {
	sc.t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(sc.out.String(), text); {
		if time.Now().After(end) {
			sc.t.Fatalf("%q is not shown in %q", text, sc.out.String())
		}
		time.Sleep(time.Millisecond)
	}
}

// press sends keys; the last one must make the wanted call.
func (sc *screen) press(keys, want string) {
	sc.t.Helper()
	if _, err := io.WriteString(sc.in, keys); err != nil {
		sc.t.Fatal(err)
	}
	select {
	case got := <-sc.s.seen:
		if got != want {
			sc.t.Errorf("%q calls %q, want %q", keys, got, want)
		}
		sc.s.mu.Lock()
		next := sc.s.at + 1
		sc.s.mu.Unlock()
		sc.shows(mark(next)) // the answer is on the screen
	case <-time.After(time.Minute):
		sc.t.Fatalf("%q calls nothing, want %q", keys, want)
	}
}

func (sc *screen) close() {
	sc.t.Helper()
	if _, err := io.WriteString(sc.in, "q"); err != nil {
		sc.t.Fatal(err)
	}
	select {
	case err := <-sc.done:
		if err != nil {
			sc.t.Error(err)
		}
	case <-time.After(time.Minute):
		sc.t.Fatal("q does not end it")
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := newServer("a", "b", "c", "d")
	sc := open(t, s)
	sc.press(down+down+altUp, "move c before b")
	sc.press(altDown, "move c after b")
	sc.press("t", "move c top")
	sc.press("u", "move c position 2")
	sc.press("b", "move c bottom")
	sc.press("h", "hold c")
	sc.press("u", "release c")
	sc.press("cc", "cancel c")
	sc.press("u", "restore c")
	sc.press("p", "pause ")
	sc.press("u", "resume ")
	sc.press("+", "scale 2")
	sc.shows("busy")
	sc.shows("epoch 3/10")
	sc.close()
}

// TestMovesInARow: several moves before the first answer arrive one after the
// other, each relative to what is shown.
func TestMovesInARow(t *testing.T) {
	t.Parallel()
	s := newServer("a", "b", "c", "d")
	sc := open(t, s)
	if _, err := io.WriteString(sc.in, altDown+altDown+altDown); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 3 {
		got = append(got, <-s.seen)
	}
	if d := cmp.Diff([]string{"move a after b", "move a after c", "move a after d"}, got); d != "" {
		t.Error(d)
	}
	sc.close()
}

// TestGroups: a group moves as one, its members inside of it, and others around
// it.
func TestGroups(t *testing.T) {
	t.Parallel()
	s := newServer("a", "g", "g/x", "g/y", "b")
	sc := open(t, s)
	sc.press(altDown, "move a after g")
	sc.press("u", "move a position 0")
	sc.press("j"+altDown, "move g after b")
	sc.press("u", "move g position 1")
	sc.press("jj"+"K", "move g/y before g/x")
	sc.close()
}

func TestErrorsAreShown(t *testing.T) {
	t.Parallel()
	s := newServer("a", "b")
	s.fail = errors.New("job a does not wait any more")
	sc := open(t, s)
	sc.press(altDown, "move a after b")
	sc.shows("does not wait any more")
	sc.close()
}

// TestChangesOfOthers: what others do is shown without a key.
func TestChangesOfOthers(t *testing.T) {
	t.Parallel()
	s := newServer("a", "b")
	sc := open(t, s)
	s.mu.Lock()
	s.order = append(s.order, top.Item{ID: "z", Name: "brandnew", Type: "http", Why: "2 places are ahead"})
	s.mu.Unlock()
	s.change <- struct{}{}
	sc.shows("brandnew")
	sc.close()
}
