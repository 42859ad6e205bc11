package cli

import (
	"fmt"
	"image/color"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
)

// gap is the space between two columns of a table.
const gap = "  "

// sheet is a table before it is written.
type sheet struct {
	header []string
	rows   [][]string
	status string // the coloured column, "" = none
	spare  []string
	note   bool
	notes  []string // a line below each row; nil = none
}

func newSheet[T any](v view[T], rows [][]string) *sheet {
	s := &sheet{header: slices.Clone(v.columns), rows: rows, spare: v.spare, note: v.note}
	if v.status >= 0 {
		s.status = v.columns[v.status]
	}
	for _, r := range rows {
		for i := range r {
			if r[i] = clean(r[i]); r[i] == "" {
				r[i] = "-"
			}
		}
	}
	return s
}

// table writes rows under a header. Only a terminal has a width to keep to: what
// goes into a file or a pipe is complete.
func (a *app) table(s *sheet) error {
	if !a.outTTY {
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		for _, r := range append([][]string{s.header}, s.rows...) {
			fmt.Fprintln(w, strings.Join(r, "\t")) // Flush returns it
		}
		return w.Flush()
	}
	s.fit(a.width)
	// The writer drops colours that the terminal lacks, or that NO_COLOR forbids.
	_, err := fmt.Fprint(colorprofile.NewWriter(a.out, a.environ()), s.text(a.width))
	return err
}

// Texts are cut to roomy cells before a column is left out, and to tight ones
// only when nothing else helps.
const roomy, tight = 24, 4

// fit makes the table at most width cells wide. It cuts long texts a little,
// leaves out what can be spared, gives the sentence at the end a line of its
// own, and then cuts as much as it must. Ids stay whole, because half an id is
// of no use: a terminal that is too narrow for them wraps the lines.
func (s *sheet) fit(width int) {
	s.shrink(width, roomy)
	for _, name := range s.spare {
		if s.width() <= width {
			return
		}
		s.remove(slices.Index(s.header, name))
	}
	if s.note && s.width() > width {
		last := len(s.header) - 1
		for _, r := range s.rows {
			s.notes = append(s.notes, r[last])
		}
		s.remove(last)
		s.note = false
	}
	s.shrink(width, tight)
}

// shrink cuts the widest texts until the table fits, but none below least cells.
func (s *sheet) shrink(width, least int) {
	limits := s.widths()
	for over := s.width() - width; over > 0; over-- {
		widest := -1
		for i, w := range limits {
			if !s.whole(i) && w > least && (widest < 0 || w > limits[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		limits[widest]--
	}
	for _, r := range append([][]string{s.header}, s.rows...) {
		for i := range r {
			r[i] = cut(r[i], limits[i])
		}
	}
}

// whole reports whether a column must not be cut: it holds ids, or the sentence
// that may get a line of its own.
func (s *sheet) whole(column int) bool {
	return column == 0 || s.header[column] == "JOB" || s.note && column == len(s.header)-1
}

func (s *sheet) remove(column int) {
	if column < 0 {
		return
	}
	s.header = slices.Delete(s.header, column, column+1)
	for i, r := range s.rows {
		s.rows[i] = slices.Delete(r, column, column+1)
	}
}

func (s *sheet) widths() []int {
	out := make([]int, len(s.header))
	for _, r := range append([][]string{s.header}, s.rows...) {
		for i, cell := range r {
			out[i] = max(out[i], lipgloss.Width(cell))
		}
	}
	return out
}

func (s *sheet) width() int {
	sum := -len(gap)
	for _, w := range s.widths() {
		sum += w + len(gap)
	}
	return sum
}

// text is the table with its colours.
func (s *sheet) text(width int) string {
	var out strings.Builder
	widths, bold := s.widths(), lipgloss.NewStyle().Bold(true)
	line := func(r []string, style func(column int) lipgloss.Style) {
		for i, cell := range r {
			out.WriteString(style(i).Render(cell))
			if i < len(r)-1 {
				out.WriteString(strings.Repeat(" ", widths[i]-lipgloss.Width(cell)) + gap)
			}
		}
		out.WriteByte('\n')
	}
	line(s.header, func(int) lipgloss.Style { return bold })
	for n, r := range s.rows {
		line(r, func(i int) lipgloss.Style {
			if s.header[i] == s.status {
				return lipgloss.NewStyle().Foreground(statusColor(r[i]))
			}
			return lipgloss.NewStyle()
		})
		if s.notes != nil && s.notes[n] != "-" {
			out.WriteString(cut(gap+gap+s.notes[n], width) + "\n")
		}
	}
	return out.String()
}

// cut shortens text to a number of cells.
func cut(text string, width int) string {
	if lipgloss.Width(text) <= width {
		return text
	}
	r := []rune(text)
	for len(r) > 0 && lipgloss.Width(string(r)) >= width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

func (a *app) environ() []string {
	env := os.Environ()
	if v, ok := a.Env("NO_COLOR"); ok && v != "" {
		env = append(env, "NO_COLOR=1")
	}
	return env
}

// statusColor is the one table of colours.
func statusColor(status string) color.Color {
	switch status {
	case "COMPLETED", "idle", "valid", "enabled", "delivered":
		return lipgloss.Color("2")
	case "FAILED", "dead", "failing":
		return lipgloss.Color("1")
	case "RUNNING", "active", "busy":
		return lipgloss.Color("4")
	case "CANCELLED", "SKIPPED", "revoked", "expired", "disabled":
		return lipgloss.Color("8")
	}
	return lipgloss.Color("3")
}
