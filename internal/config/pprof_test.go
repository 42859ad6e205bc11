package config_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/config"
)

// TestPprofIsOnLoopback: profiles are not offered to other machines.
func TestPprofIsOnLoopback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value, wrong string
	}{
		{"127.0.0.1:6060", ""},
		{"[::1]:0", ""},
		{"localhost:6060", ""},
		{"0.0.0.0:6060", "loopback"},
		{":6060", "loopback"},
		{"10.0.0.5:6060", "loopback"},
		{"example.com:6060", "loopback"},
		{"6060", "host:port"},
	} {
		got, err := config.Load(config.Sources{Flags: flags(t, "--pprof", c.value), Env: env("XDG_DATA_HOME", "/xdg")})
		switch {
		case c.wrong == "" && (err != nil || got.Pprof != c.value):
			t.Errorf("%q: %q, %v", c.value, got.Pprof, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%q: err = %v, want one that says %s", c.value, err, c.wrong)
		}
	}
}
