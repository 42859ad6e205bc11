package envvar

import "testing"

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                     string
		valid, reserved, injects bool
	}{
		{"LANG", true, false, false},
		{"_x1", true, false, false},
		{"1x", false, false, false},
		{"A-B", false, false, false},
		{"", false, false, false},
		{"PATH", true, true, false},
		{"RUNSHEET_JOB_ID", true, true, false},
		{"LD_PRELOAD", true, false, true},
		{"pythonpath", true, false, true},
		{"GIT_CONFIG_COUNT", true, false, true},
		{"PYTHONUNBUFFERED", true, false, false},
	} {
		if Valid(c.name) != c.valid || Reserved(c.name) != c.reserved || Injects(c.name) != c.injects {
			t.Errorf("%q: valid %v, reserved %v, injects %v", c.name, Valid(c.name), Reserved(c.name), Injects(c.name))
		}
	}
}
