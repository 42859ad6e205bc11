package schedule

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestDocs checks the rows of the tables in docs/schedules.md.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/schedules.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	var head string
	inTable := false
	for line := range strings.Lines(string(text)) {
		row := strings.TrimSpace(line)
		if !strings.HasPrefix(row, "|") {
			inTable = false
			continue
		}
		if !inTable {
			head, inTable = row, true
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(row, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if strings.HasPrefix(row, "|---") {
			continue
		}
		switch head {
		case "| expression | meaning | next |":
			docNext(t, strings.Trim(cells[0], "`"), cells[2])
		case "| expression | column | because |":
			docRefused(t, strings.Trim(cells[0], "`"), cells[1], cells[2])
		case "| zone | expression | on | fires at |":
			docFires(t, cells[0], strings.Trim(cells[1], "`"), cells[2], cells[3])
		default:
			continue
		}
		checked[head]++
	}
	if len(checked) != 3 {
		t.Errorf("checked %v", checked)
	}
}

func docNext(t *testing.T, expr, want string) {
	t.Helper()
	at := time.Date(2026, 1, 10, 12, 34, 56, 0, time.UTC)
	c := mustCron(t, expr, "UTC")
	var got []string
	for text := range strings.SplitSeq(want, ", ") {
		n, ok := c.Next(at)
		if !ok {
			break
		}
		at = n.At
		got = append(got, at.Format("2006-01-02 15:04:05")[:len(text)])
	}
	if strings.Join(got, ", ") != want {
		t.Errorf("%s: %v, the page says %s", expr, got, want)
	}
}

func docRefused(t *testing.T, expr, column, because string) {
	t.Helper()
	_, err := Parse(expr, Options{})
	var wrong *SyntaxError
	if !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Error(), "column "+column+": "+because) {
		t.Errorf("%s: %v, the page says %s %s", expr, err, column, because)
	}
}

func docFires(t *testing.T, zone, expr, on, want string) {
	t.Helper()
	c := mustCron(t, expr, zone)
	day, err := time.Parse(time.DateOnly, on)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for n, ok := c.Next(day.AddDate(0, 0, -2)); ok && n.At.Before(day.AddDate(0, 0, 2)); n, ok = c.Next(n.At) {
		if local := n.At.In(c.zone); local.Format(time.DateOnly) == on {
			got = append(got, local.Format("15:04-07:00"))
		}
	}
	if len(got) == 0 {
		got = []string{"never"}
	}
	if strings.Join(got, ", ") != want {
		t.Errorf("%s in %s on %s: %v, the page says %s", expr, zone, on, got, want)
	}
}
