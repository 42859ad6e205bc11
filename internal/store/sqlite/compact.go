package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/runsheet/runsheet/internal/store/portable"
)

// compactPages is how many pages one Compact gives back: 8 MiB, which other
// writers wait for a few milliseconds.
const compactPages = 2048

// spareFree is the number of free pages that are kept, because the next rows
// will want them.
const spareFree = 256

// shrinkable makes a new file one that can give pages back, which must be said
// before its first page is written. It has a connection of its own: to say it
// again on an existing file would be a write beside the writer's, behind pages of
// which the disk may know nothing.
func shrinkable(ctx context.Context, o Options) error {
	db, err := sql.Open(o.Driver.Name, o.Driver.DSN(o.Path, append([]string{"auto_vacuum(INCREMENTAL)"}, pragmas(o.Synchronous)...), false))
	if err != nil {
		return fmt.Errorf("make database: %w", err)
	}
	if err := errors.Join(db.PingContext(ctx), db.Close()); err != nil {
		return fmt.Errorf("make database: %w", err)
	}
	return nil
}

// Compact implements store.Health. A database that was made before files could
// shrink keeps its size; its free pages are used again.
func (e *engine) Compact(ctx context.Context) (more bool, err error) {
	err = e.Write(ctx, func(ctx context.Context, tx portable.Tx) error {
		var mode, free int
		if err := tx.Row(ctx, `PRAGMA auto_vacuum`).Scan(&mode); err != nil {
			return fmt.Errorf("look at the vacuum mode: %w", err)
		}
		if err := tx.Row(ctx, `PRAGMA freelist_count`).Scan(&free); err != nil {
			return fmt.Errorf("count free pages: %w", err)
		}
		if more = false; mode != 2 || free <= spareFree {
			return nil
		}
		n := min(free-spareFree, compactPages)
		more = free-n > spareFree
		if _, err := tx.Exec(ctx, fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, n)); err != nil {
			return fmt.Errorf("give pages back: %w", err)
		}
		return nil
	})
	return more, err
}
