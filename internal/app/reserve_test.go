package app

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// fullQueue is a database without space.
type fullQueue struct{ store.Queue }

func (fullQueue) Pause(context.Context, store.Pause) (store.Settings, error) {
	return store.Settings{}, fault.New(fault.StorageFull, "full")
}

// TestLogsOfAFullDatabase: output makes room for a database on the same disk, and
// is not lost for one on another machine.
func TestLogsOfAFullDatabase(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]config.Secret{"here": "", "elsewhere": config.Secret(testsvc.DurablePostgres(t))} {
		a := openOnly(t, func(c *config.Config) { c.DatabaseURL = url })
		if _, err := a.reserve.Wrap(store.Store{Queue: fullQueue{}}).Queue.Pause(t.Context(), store.Pause{}); !fault.Is(err, fault.StorageFull) || !a.reserve.Full() {
			t.Fatalf("%s: full %t: %v", name, a.reserve.Full(), err)
		}
		if spare := a.spareLogs(filepath.Join(a.o.Config.Data, "logs"))(); spare != (url == "") {
			t.Errorf("%s: output is lost: %t", name, spare)
		}
	}
}
