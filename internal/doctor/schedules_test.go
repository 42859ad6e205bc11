package doctor

import (
	"testing"

	"github.com/runsheet/runsheet/client"
)

// TestTrouble: what a person wanted is none.
func TestTrouble(t *testing.T) {
	t.Parallel()
	ann, why := "ann", "too many failed runs in a row"
	for name, c := range map[string]struct {
		s    client.Schedule
		want string
	}{
		"active":              {client.Schedule{State: "active"}, ""},
		"paused by a person":  {client.Schedule{State: "paused", StateBy: &ann, StateReason: &why}, ""},
		"paused by itself":    {client.Schedule{State: "paused", StateReason: &why}, why},
		"finished":            {client.Schedule{State: "finished"}, ""},
		"cannot be compiled":  {client.Schedule{State: "active", Warnings: []client.ScheduleWarning{{Code: "trigger_unusable", Detail: "no calendar X"}}}, "no calendar X"},
		"only a calendar end": {client.Schedule{State: "active", Warnings: []client.ScheduleWarning{{Code: "calendar_expires"}}}, ""},
	} {
		if got := trouble(c.s); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
