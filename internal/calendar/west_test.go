package calendar

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWestSessionsAYear compares the number of sessions, and of short ones, of
// each year from 2020 to 2027.
func TestWestSessionsAYear(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/west.txt")
	if err != nil {
		t.Fatal(err)
	}
	set, compared := shippedSet(t), 0
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		c, err := set.Get(fields[0])
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for year := 2020; year <= 2027; year++ {
			sessions, short := 0, 0
			for s := range c.Sessions(NewDate(year, time.January, 1), NewDate(year, time.December, 31)) {
				sessions++
				if s.EarlyClose || s.LateOpen {
					short++
				}
			}
			got = append(got, fmt.Sprintf("%d/%d", sessions, short))
		}
		if diff := cmp.Diff(fields[1:], got); diff != "" {
			t.Errorf("%s, sessions/short ones of 2020 to 2027 (-want +got):\n%s", fields[0], diff)
		}
		compared++
	}
	if compared != 26 {
		t.Errorf("compared %d exchanges, want 26", compared)
	}
}
