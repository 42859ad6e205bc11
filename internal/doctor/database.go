package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/runsheet/runsheet/internal/backup"
	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/blob/s3"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

const (
	// largeWAL is the size of SQLite's log at which a reader must be stuck.
	largeWAL = 256 << 20
	// maxSkew is how far two clocks may be apart.
	maxSkew = 2 * time.Second
	// checkTime bounds the check of SQLite's file.
	checkTime = 30 * time.Second
)

// message is the part of an error that is meant for people and free of secrets.
func message(err error) (detail, hint string) {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Detail, f.Hint
	}
	return err.Error(), ""
}

// usable looks for what keeps a server from starting on sound databases: a
// restore that has not ended, a queue that was migrated away.
func (e *exam) usable() bool {
	err := backup.Unfinished(e.Config.Data)
	if err == nil && e.Config.DatabaseURL != "" {
		err = backup.Elsewhere(e.Config.Data, e.Config.DatabaseURL.Reveal())
	}
	if err != nil {
		detail, hint := message(err)
		if hint == "" {
			hint = "run doctor as the user who runs the server"
		}
		e.bad(Fail, "database", hint, "%s", detail)
		return false
	}
	if e.Config.DatabaseURL != "" {
		return true
	}
	path := filepath.Join(e.Config.Data, "runsheet.db")
	why, err := sqlite.Marked(path)
	switch {
	case err != nil:
		e.bad(Fail, "database", "run doctor as the user who runs the server", "%v", err)
	case why != "":
		e.bad(Fail, "database", "start the server on the new database (--database-url or --data); to go on with the old one and lose what happened since, remove "+
			sqlite.MarkPath(path), "SQLite, not in use any more: %s", why)
	}
	return err == nil && why == ""
}

func (e *exam) database(ctx context.Context) {
	if !e.usable() {
		return
	}
	if e.Config.DatabaseURL != "" {
		e.postgres(ctx)
		return
	}
	x, err := sqlite.Examine(ctx, filepath.Join(e.Config.Data, "runsheet.db"), checkTime)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.ok("database", "SQLite, not made yet")
		return
	case err != nil:
		e.bad(Fail, "database", "stop the server, keep a copy of the folder, restore a backup", "it cannot be read: %v", err)
		return
	case x.Damage != "":
		e.bad(Fail, "database", "stop the server, keep a copy of the folder, restore a backup", "it is damaged: %s", x.Damage)
	case !x.Checked:
		e.bad(Warn, "database", "", "SQLite, %s; too large to be checked within %s", size(uint64(max(0, x.Bytes))), checkTime)
	default:
		e.ok("database", "SQLite, %s, sound", size(uint64(max(0, x.Bytes))))
	}
	e.schema(x.Schema, x.Known)
	if x.WALBytes > largeWAL {
		e.bad(Warn, "database log", "end programs that keep runsheet.db open, then restart the server", "runsheet.db-wal has %s", size(uint64(max(0, x.WALBytes))))
	} else {
		e.ok("database log", "%s", size(uint64(max(0, x.WALBytes))))
	}
	if ahead := x.Newest.Sub(e.Clock.Now()); ahead > maxSkew {
		e.bad(Fail, "clock", "set this machine's clock, and keep it by NTP", "the newest job is from %s in the future: the clock was set back", ahead.Round(time.Second))
	} else {
		e.ok("clock", "not behind the newest job")
	}
}

func (e *exam) schema(have, known int64) {
	switch {
	case have > known:
		e.bad(Fail, "schema", "use a newer runsheet, or restore a backup", "the database has version %d, this program knows %d", have, known)
	case have < known:
		e.bad(Warn, "schema", "the next start migrates it; make a backup before", "the database has version %d, this program knows %d", have, known)
	default:
		e.ok("schema", "version %d", have)
	}
}

func (e *exam) postgres(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	asked := e.Clock.Now()
	x, err := postgres.Examine(ctx, e.Config.DatabaseURL.Reveal())
	if err != nil {
		detail, hint := message(err)
		if hint == "" {
			hint = "check database_url and that PostgreSQL runs there"
		}
		e.bad(Fail, "database", hint, "%s", detail)
		return
	}
	pooler := ""
	if x.Pooled {
		pooler = ", through a pooler in transaction mode"
	}
	switch {
	case x.Refused != nil:
		e.bad(Fail, "database", "correct the server's settings", "PostgreSQL %s: %v", x.Version, x.Refused)
	case x.Moved != "":
		e.bad(Fail, "database", "start the server on the new database; to go on with the old one and lose what happened since, run COMMENT ON TABLE queue IS NULL in it",
			"PostgreSQL %s, not in use any more: %s", x.Version, x.Moved)
	case x.SynchronousCommit == "off":
		e.bad(Warn, "database", "switch synchronous_commit on", "PostgreSQL %s%s: synchronous_commit is off", x.Version, pooler)
	default:
		e.ok("database", "PostgreSQL %s%s, fsync %s, full_page_writes %s, synchronous_commit %s", x.Version, pooler, x.Fsync, x.FullPageWrites, x.SynchronousCommit)
	}
	if x.Known > 0 {
		e.schema(x.Schema, x.Known)
	} else {
		e.ok("schema", "not made yet")
	}
	e.skew("the database", x.Now, asked)
}

// skew compares another clock, read between asked and now, with ours.
func (e *exam) skew(whose string, there, asked time.Time) {
	now, off := e.Clock.Now(), time.Duration(0)
	if there.Before(asked) {
		off = asked.Sub(there)
	} else if there.After(now) {
		off = there.Sub(now)
	}
	if off > maxSkew {
		e.bad(Warn, "clock", "keep both clocks by NTP", "%s and this machine are %s apart", whose, off.Round(time.Millisecond))
		return
	}
	e.ok("clock", "as %s has it", whose)
}

// artifacts writes, reads and removes a probe where artifacts are kept.
func (e *exam) artifacts(ctx context.Context) {
	place := blob.Place{Dir: filepath.Join(e.Config.Data, "artifacts")}
	if e.Config.BlobURL != "" {
		p, err := blob.ParsePlace(e.Config.BlobURL)
		if err != nil {
			e.bad(Fail, "artifacts", "correct blob_url", "%v", err)
			return
		}
		place = p
	}
	if place.Bucket == "" {
		err := writable(place.Dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && e.Config.BlobURL == "":
			e.ok("artifacts", "in the data folder, not made yet")
		case err != nil:
			e.bad(Fail, "artifacts", "make the folder, and give it to the user who runs the server", "%v", err)
		default:
			e.ok("artifacts", "%s", place)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	spool, err := os.MkdirTemp("", "runsheet-doctor-")
	if err != nil {
		e.bad(Warn, "artifacts", "make the folder for temporary files writable", "%v", err)
		return
	}
	defer func() { _ = os.RemoveAll(spool) }() // an empty folder
	_, err = s3.Open(ctx, s3.Options{
		Place: place, AccessKey: e.Config.BlobAccessKey.Reveal(), SecretKey: e.Config.BlobSecretKey.Reveal(), Spool: spool, Clock: e.Clock,
	})
	if err != nil {
		detail, hint := message(err)
		if hint == "" {
			hint = "check blob_url, its keys, and that the bucket exists and answers"
		}
		e.bad(Fail, "artifacts", hint, "%s", detail)
		return
	}
	e.ok("artifacts", "%s", place)
}
