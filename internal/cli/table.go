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
	s := &sheet{header: v.columns, rows: rows, spare: v.spare, note: v.note}
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

// fit makes the table at most width cells wide: it leaves out what can be
// spared, gives the last column lines of its own, and then cuts the widest
// texts. The first column stays whole, because half an id is of no use.
func (s *sheet) fit(width int) {
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
	}
	for s.width() > width {
		widths := s.widths()
		widest := 1
		for i := 2; i < len(widths); i++ {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		if len(widths) < 2 || widths[widest] <= 4 {
			return
		}
		for _, r := range append(s.rows, s.header) {
			r[widest] = cut(r[widest], widths[widest]-1)
		}
	}
}

func (s *sheet) remove(column int) {
	if column < 0 {
		return
	}
	s.header = slices.Delete(slices.Clone(s.header), column, column+1)
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
	case "COMPLETED", "idle":
		return lipgloss.Color("2")
	case "FAILED":
		return lipgloss.Color("1")
	case "RUNNING", "active", "busy":
		return lipgloss.Color("4")
	case "CANCELLED", "SKIPPED":
		return lipgloss.Color("8")
	}
	return lipgloss.Color("3")
}
