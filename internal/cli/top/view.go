package top

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// frame is the number of lines that are not the order: title, blank lines,
// headings, the last line and the keys.
const frame = 7

const keys = "↑↓ select   Alt+↑↓ move   t/b top/bottom   h hold/release   c cancel   u undo   p pause   +/- workers   ? help   q quit"

const help = `Alt+Up, Alt+Down or K, J   move the selected job or group by one place
t, b                       move it to the very front, to the very end
h                          hold it, or release it
c, c                       cancel it; u puts a job back that had not started
u                          undo what was done last
p                          pause the queue, or resume it
+, -                       one slot more, one less
Up, Down, PgUp, PgDn, g, G select
r                          ask the server again
q                          leave; jobs go on`

// rows is how many lines of the order fit.
func (m model) rows() int { return max(3, m.height-frame-min(len(m.state.Running), m.height/3)) }

// follow scrolls so that the cursor is seen.
func (m model) follow() model {
	n := m.rows()
	m.scroll = max(0, min(m.scroll, m.cursor))
	if m.cursor >= m.scroll+n {
		m.scroll = m.cursor - n + 1
	}
	return m
}

var (
	bold  = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	here  = lipgloss.NewStyle().Reverse(true)
	alarm = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red)
)

// View implements tea.Model.
func (m model) View() tea.View {
	v := tea.NewView(m.text())
	v.AltScreen = true
	v.WindowTitle = "runsheet queue"
	return v
}

func (m model) text() string {
	var b strings.Builder
	line := func(style lipgloss.Style, text string) {
		b.WriteString(style.Render(ansi.Truncate(text, m.width, "…")) + "\n")
	}
	if m.help {
		line(bold, "Keys")
		b.WriteString("\n" + help + "\n\n? goes back\n")
		return b.String()
	}
	s := m.state
	title := fmt.Sprintf("queue   %d of %s busy   %d waiting", len(s.Running), plural(s.Workers, "slot", "slots"), s.Waiting)
	if s.Direct > 0 {
		title += "   " + plural(s.Direct, "direct request", "direct requests")
	}
	line(bold, title)
	if s.Paused {
		line(alarm, "PAUSED: running jobs finish, none starts. p resumes.")
	} else {
		b.WriteString("\n")
	}
	for i, r := range s.Running {
		if i == max(1, m.height/3) {
			line(faint, fmt.Sprintf("  and %d more run", len(s.Running)-i))
			break
		}
		line(lipgloss.NewStyle(), m.columns("▶ "+r.Name, r.Type, "", r.Detail))
	}
	line(faint, m.columns("  NAME", "TYPE", "STARTS", "WHY IT WAITS"))
	switch {
	case !m.known:
		line(faint, "  asking the server ...")
	case len(s.Items) == 0:
		line(faint, "  nothing waits")
	}
	n := m.rows()
	for i := m.scroll; i < min(len(s.Items), m.scroll+n); i++ {
		it := s.Items[i]
		name := "  " + it.Name
		switch {
		case it.Group:
			name = "▾ " + it.Name
		case it.In != "":
			name = "    " + it.Name
		}
		style := lipgloss.NewStyle()
		if it.Held {
			style = faint
		}
		if i == m.cursor {
			style = here
		}
		line(style, m.columns(name, it.Type, it.Starts, it.Why))
	}
	if s.More && m.scroll+n >= len(s.Items) {
		line(faint, "  more wait: go down")
	}
	said := faint
	if m.bad {
		said = alarm
	}
	line(said, m.said)
	line(faint, keys)
	return b.String()
}

// columns lays a line out for the width of the terminal.
func (m model) columns(name, kind, starts, why string) string {
	nameWidth := max(16, m.width/3)
	return cell(name, nameWidth) + " " + cell(kind, 12) + " " + cell(starts, 16) + " " + why
}

func cell(s string, width int) string {
	s = ansi.Truncate(s, width, "…")
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
