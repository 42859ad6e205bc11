// Package filelock keeps a second process out of a folder. The operating system
// frees the lock when the process ends, however it ends, so a lock that is held
// proves a living holder. Network file systems do not give that guarantee.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// patience is how long Take tries. A process that was just killed may still be
// on its way out, and a child that it was about to start holds the lock until
// the child has become another program.
const patience = 2 * time.Second

// errHeld says that another process has the lock.
var errHeld = errors.New("lock is held")

// Take locks the file at path, creating it if need be, until the result is
// closed or the process ends. It waits no longer than two seconds for another
// holder.
func Take(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := lock(f)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, errHeld) {
			_ = f.Close() // the lock's error counts
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if clock.Sleep(ctx, clock.System{}, 20*time.Millisecond) != nil {
			_ = f.Close() // the lock's error counts
			return nil, fmt.Errorf("another runsheet server uses this data folder (lock %s)", path)
		}
	}
}
