package top

import (
	"context"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"
)

// page is how many items are asked for at first, and more at the end of them.
const page = 200

// The messages of the view.
type (
	loaded struct {
		state State
		err   error
	}
	changed struct{}
	done    struct {
		text string
		undo *undo
		err  error
	}
)

// undo takes back what was done last.
type undo struct {
	id, name string
	verb     Verb // "" = a move
	position int
}

// model is the view's state. Update returns a changed copy.
type model struct {
	ctx    context.Context
	server Server

	state  State
	known  bool // state was loaded once
	cursor int
	limit  int
	width  int
	height int
	scroll int
	help   bool
	asking string // id of the job that a second key cancels

	todo    []tea.Cmd // requests that wait for the one under way
	busy    bool
	stale   bool // something happened while busy
	loading bool

	said string // the last line
	bad  bool   // it is about an error
	back *undo
}

func newModel(ctx context.Context, s Server) model {
	return model{ctx: ctx, server: s, limit: page, width: 80, height: 24, loading: true}
}

// Init implements tea.Model.
func (m model) Init() tea.Cmd { return tea.Batch(m.load(), m.watch()) }

func (m model) load() tea.Cmd {
	limit := m.limit
	return func() tea.Msg {
		s, err := m.server.Load(m.ctx, limit)
		return loaded{s, err}
	}
}

func (m model) watch() tea.Cmd {
	return func() tea.Msg {
		m.server.Changed(m.ctx)
		return changed{}
	}
}

// Update implements tea.Model.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		return m.follow(), nil
	case loaded:
		return m.onLoaded(msg)
	case changed:
		if m.ctx.Err() != nil {
			return m, nil
		}
		m, cmd := m.refresh()
		return m, tea.Batch(cmd, m.watch())
	case done:
		return m.onDone(msg)
	case tea.KeyPressMsg:
		return m.key(msg.String())
	}
	return m, nil
}

// refresh asks for the state, unless it comes anyway.
func (m model) refresh() (model, tea.Cmd) {
	if m.busy || m.loading {
		m.stale = true
		return m, nil
	}
	m.loading = true
	return m, m.load()
}

func (m model) onLoaded(msg loaded) (tea.Model, tea.Cmd) {
	m.loading = false
	switch {
	case msg.err != nil:
		m.said, m.bad = msg.err.Error(), true
	case m.busy:
		// What the person did meanwhile is not in it.
		m.stale = true
	default:
		at := m.selected()
		m.state, m.known = msg.state, true
		m = m.choose(at.ID)
	}
	if m.stale && !m.busy {
		m.stale, m.loading = false, true
		return m.follow(), m.load()
	}
	return m.follow(), nil
}

func (m model) onDone(msg done) (tea.Model, tea.Cmd) {
	m.said, m.bad = msg.text, msg.err != nil
	if msg.err != nil {
		m.said = msg.err.Error()
	}
	if msg.undo != nil {
		m.back = msg.undo
	}
	if len(m.todo) > 0 {
		next := m.todo[0]
		m.todo = slices.Clone(m.todo[1:])
		return m, next
	}
	m.busy, m.stale = false, false
	if m.loading {
		m.stale = true
		return m, nil
	}
	m.loading = true
	return m, m.load()
}

// send makes a request behind those that are under way.
func (m model) send(f func(ctx context.Context) done) (model, tea.Cmd) {
	cmd := func() tea.Msg { return f(m.ctx) }
	if m.busy {
		m.todo = append(slices.Clone(m.todo), cmd)
		return m, nil
	}
	m.busy = true
	return m, cmd
}

func (m model) selected() Item {
	if m.cursor < 0 || m.cursor >= len(m.state.Items) {
		return Item{}
	}
	return m.state.Items[m.cursor]
}

// choose puts the cursor on an item, or keeps its line when the item is gone.
func (m model) choose(id string) model {
	if i := slices.IndexFunc(m.state.Items, func(it Item) bool { return it.ID == id }); i >= 0 {
		m.cursor = i
	}
	m.cursor = max(0, min(m.cursor, len(m.state.Items)-1))
	return m
}

// key does what a key means.
func (m model) key(k string) (tea.Model, tea.Cmd) {
	asked := m.asking
	m.asking = ""
	switch k {
	case "q", "ctrl+c", "esc":
		return m, tea.Quit
	case "?":
		m.help = !m.help
		return m, nil
	case "up", "k":
		m.cursor--
	case "down", "j":
		m.cursor++
	case "pgup":
		m.cursor -= m.rows()
	case "pgdown":
		m.cursor += m.rows()
	case "home", "g":
		m.cursor = 0
	case "end", "G":
		m.cursor = len(m.state.Items) - 1
	case "alt+up", "K":
		return m.shift(-1)
	case "alt+down", "J":
		return m.shift(1)
	case "t":
		return m.move(Place{Top: true}, 0)
	case "b":
		return m.move(Place{Bottom: true}, len(m.state.Items)-1)
	case "h":
		return m.hold()
	case "c":
		return m.cancel(asked)
	case "u":
		return m.undo()
	case "p":
		return m.pause()
	case "+", "=":
		return m.scale(1)
	case "-":
		return m.scale(-1)
	case "r":
		return m.refresh()
	default:
		return m, nil
	}
	m.cursor = max(0, min(m.cursor, len(m.state.Items)-1))
	if m.state.More && m.cursor == len(m.state.Items)-1 && !m.loading {
		m.limit += page
		m, cmd := m.refresh()
		return m.follow(), cmd
	}
	return m.follow(), nil
}

// unit is the lines of what has one place: a job, or a group with its members.
// A member is a unit inside its group.
func (m model) unit(i int) (from, to int) {
	items := m.state.Items
	to = i + 1
	if items[i].Group {
		for to < len(items) && items[to].In == items[i].ID {
			to++
		}
	}
	return i, to
}

// shift moves the selected thing by one place.
func (m model) shift(by int) (tea.Model, tea.Cmd) {
	items := m.state.Items
	if len(items) == 0 {
		return m, nil
	}
	me := m.selected()
	from, to := m.unit(m.cursor)
	if by < 0 {
		at := from - 1
		for at >= 0 && items[at].In != me.In { // the head of the group before
			at--
		}
		if at < 0 || me.In != "" && items[at].Group {
			return m, nil
		}
		return m.move(Place{Before: items[at].ID}, at)
	}
	if to >= len(items) || items[to].In != me.In {
		return m, nil
	}
	_, end := m.unit(to)
	return m.move(Place{After: items[to].ID}, end-1)
}

// move shows the selected thing at a line and tells the server.
func (m model) move(p Place, line int) (tea.Model, tea.Cmd) {
	me := m.selected()
	if me.ID == "" {
		return m, nil
	}
	if me.In != "" && (p.Top || p.Bottom) {
		line = m.cursor // the server knows where its group begins and ends
	}
	from, to := m.unit(m.cursor)
	block := slices.Clone(m.state.Items[from:to])
	rest := slices.Concat(m.state.Items[:from], m.state.Items[to:])
	if line > from {
		line -= len(block) - 1
	}
	line = max(0, min(line, len(rest)))
	m.state.Items = slices.Insert(rest, line, block...)
	m = m.choose(me.ID).follow()
	m2, cmd := m.send(func(ctx context.Context) done {
		old, err := m.server.Move(ctx, me.ID, p)
		if err != nil {
			return done{err: err}
		}
		return done{text: "moved " + me.Name, undo: &undo{id: me.ID, name: me.Name, position: old}}
	})
	return m2, cmd
}

func (m model) verb(v Verb, it Item, text string, back Verb) (tea.Model, tea.Cmd) {
	m2, cmd := m.send(func(ctx context.Context) done {
		if err := m.server.Do(ctx, v, it.ID); err != nil {
			return done{err: err}
		}
		return done{text: text, undo: &undo{id: it.ID, name: it.Name, verb: back}}
	})
	return m2, cmd
}

func (m model) hold() (tea.Model, tea.Cmd) {
	me := m.selected()
	switch {
	case me.ID == "" || me.Group:
		m.said, m.bad = "jobs are held one by one", true
		return m, nil
	case me.Held:
		return m.verb(Release, me, "released "+me.Name, Hold)
	}
	return m.verb(Hold, me, "held "+me.Name, Release)
}

func (m model) cancel(asked string) (tea.Model, tea.Cmd) {
	me := m.selected()
	if me.ID == "" {
		return m, nil
	}
	if asked != me.ID {
		m.asking, m.bad = me.ID, false
		m.said = fmt.Sprintf("cancel %s? press c again", me.Name)
		return m, nil
	}
	back := Restore
	if me.Group || me.In != "" {
		back = "" // members of a group do not come back
	}
	if back == "" {
		m2, cmd := m.send(func(ctx context.Context) done {
			if err := m.server.Do(ctx, Cancel, me.ID); err != nil {
				return done{err: err}
			}
			return done{text: "cancelled " + me.Name}
		})
		return m2, cmd
	}
	return m.verb(Cancel, me, "cancelled "+me.Name+"; u puts it back", back)
}

func (m model) undo() (tea.Model, tea.Cmd) {
	if m.back == nil {
		m.said, m.bad = "nothing to undo", false
		return m, nil
	}
	b := *m.back
	m.back = nil
	m2, cmd := m.send(func(ctx context.Context) done {
		var err error
		if b.verb == "" {
			_, err = m.server.Move(ctx, b.id, Place{Position: &b.position})
		} else {
			err = m.server.Do(ctx, b.verb, b.id)
		}
		return done{text: "undone: " + b.name, err: err}
	})
	return m2, cmd
}

func (m model) pause() (tea.Model, tea.Cmd) {
	v, back, text := Pause, Resume, "paused: running jobs finish, none starts"
	if m.state.Paused {
		v, back, text = Resume, Pause, "resumed"
	}
	m.state.Paused = !m.state.Paused
	return m.verb(v, Item{Name: "pause"}, text, back)
}

func (m model) scale(by int) (tea.Model, tea.Cmd) {
	n := max(0, m.state.Workers+by)
	m.state.Workers = n
	m2, cmd := m.send(func(ctx context.Context) done {
		return done{text: fmt.Sprintf("worker count %d", n), err: m.server.Scale(ctx, n)}
	})
	return m2, cmd
}
