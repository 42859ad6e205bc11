package draw

import (
	"fmt"
	"slices"
	"strings"
)

// context is how many equal lines stand around a change, most how many pairs of lines
// are compared: beyond that a change is shown as a whole.
const (
	context = 3
	most    = 4_000_000
)

type line struct {
	op   byte // ' ', '-' or '+'
	text string
}

// Diff returns the difference of two texts in the unified form, "" where there is
// none.
func Diff(fromName, toName, from, to string) string {
	if from == to {
		return ""
	}
	lines := compare(split(from), split(to))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", fromName, toName)
	a, z := 0, 0 // lines of from and to that were passed
	for i := 0; i < len(lines); {
		if lines[i].op == ' ' {
			next := slices.IndexFunc(lines[i:], func(l line) bool { return l.op != ' ' })
			if next < 0 {
				break
			}
			skip := max(0, next-context)
			a, z, i = a+skip, z+skip, i+skip
		}
		end := hunk(lines, i)
		removed, added := 0, 0
		for _, l := range lines[i:end] {
			if l.op != '+' {
				removed++
			}
			if l.op != '-' {
				added++
			}
		}
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(a, removed), span(z, added))
		for _, l := range lines[i:end] {
			b.WriteString(string(l.op) + l.text + "\n")
		}
		a, z, i = a+removed, z+added, end
	}
	return b.String()
}

func span(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}

// hunk is where the hunk that begins at i ends.
func hunk(lines []line, i int) int {
	last := i
	for j := i; j < len(lines) && j-last <= 2*context; j++ {
		if lines[j].op != ' ' {
			last = j
		}
	}
	return min(len(lines), last+1+context)
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// compare lists the lines of both texts with what becomes of each.
func compare(a, b []string) []line {
	var head, tail []line
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head, a, b = append(head, line{' ', a[0]}), a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail, a, b = append(tail, line{' ', a[len(a)-1]}), a[:len(a)-1], b[:len(b)-1]
	}
	slices.Reverse(tail)
	return slices.Concat(head, middle(a, b), tail)
}

// middle compares by the longest common subsequence.
func middle(a, b []string) []line {
	var out []line
	if len(a)*len(b) > most {
		for _, s := range a {
			out = append(out, line{'-', s})
		}
		for _, s := range b {
			out = append(out, line{'+', s})
		}
		return out
	}
	width := len(b) + 1
	long := make([]int32, (len(a)+1)*width)
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				long[i*width+j] = long[(i+1)*width+j+1] + 1
			} else {
				long[i*width+j] = max(long[(i+1)*width+j], long[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, line{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && long[(i+1)*width+j] >= long[i*width+j+1]:
			out = append(out, line{'-', a[i]})
			i++
		default:
			out = append(out, line{'+', b[j]})
			j++
		}
	}
	return out
}
