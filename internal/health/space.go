package health

import (
	"context"
	"fmt"
)

// Bounds of CheckSpace, in bytes. On a small file system a share of its size
// counts instead.
const (
	spaceFloor = 16 << 20  // at most 2 % of the size
	spaceLow   = 512 << 20 // at most 10 % of the size
)

// CheckSpace is the Run of a check of the free space of a folder: failing when
// next to nothing is left, so that the database could not take a write soon;
// degraded when it is time to make room.
func CheckSpace(space func() (free, size uint64, err error)) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		free, size, err := space()
		if err != nil {
			return "", Degrade(fmt.Errorf("look for free space: %w", err))
		}
		said := fmt.Errorf("%d MiB of %d MiB are free", free>>20, size>>20)
		switch {
		case free < min(spaceFloor, size/50):
			return "full", said
		case free < min(spaceLow, size/10):
			return "low", Degrade(said)
		}
		return "", nil
	}
}
