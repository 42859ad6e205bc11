package sqlite

import (
	"context"
	"os"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

const (
	// idleAfter is how long nothing must have been written before the log is
	// trimmed.
	idleAfter = 2 * time.Second
	// bigLog is the size in bytes of a log that is worth trimming. SQLite itself
	// starts over in the log after about 4 MiB, unless a reader was in the way.
	bigLog = 16 << 20
)

// idleTimer fires idleAfter after the last batch. Its zero value never fires.
type idleTimer struct {
	t clock.Timer
	c <-chan time.Time
}

func (i *idleTimer) reset(c clock.Clock) {
	i.stop()
	i.t = c.NewTimer(idleAfter)
	i.c = i.t.C()
}

func (i *idleTimer) stop() {
	if i.t != nil {
		i.t.Stop()
	}
	i.t, i.c = nil, nil
}

// trimLog moves a big log into the database file and empties it, when there is
// time for that. A reader that is in the way costs nothing: the next idle moment
// comes.
func (e *engine) trimLog(w *session) {
	if e.wal == "" || w.conn == nil {
		return
	}
	if st, err := os.Stat(e.wal); err != nil || st.Size() < bigLog {
		return
	}
	var busy, pages, moved int
	err := w.conn.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err != nil && e.fatal(err) {
		w.discard()
	}
}
