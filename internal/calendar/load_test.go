package calendar

import (
	"os"
	"path/filepath"
	"testing"
)

// TestShippedFilesLoad reads every data file of this folder.
func TestShippedFilesLoad(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("data/*.cal")
	if err != nil || len(names) == 0 {
		t.Fatalf("no data files: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Load(name, data)
		if err != nil {
			t.Error(err)
			continue
		}
		for d := max(c.ValidFrom(), NewDate(2015, 1, 1)); d <= min(c.ValidThrough(), NewDate(2030, 12, 31)); d++ {
			s, ok := c.Session(d)
			if !ok {
				continue
			}
			if !s.Open.Before(s.Close) {
				t.Errorf("%s %v: opens %v, closes %v", c.Code(), d, s.Open, s.Close)
			}
			if !s.BreakStart.IsZero() && (!s.Open.Before(s.BreakStart) || !s.BreakStart.Before(s.BreakEnd) || !s.BreakEnd.Before(s.Close)) {
				t.Errorf("%s %v: break %v to %v in %v to %v", c.Code(), d, s.BreakStart, s.BreakEnd, s.Open, s.Close)
			}
		}
	}
}
