package sqlite

import (
	"context"
	"errors"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"

	sqlite "modernc.org/sqlite"
)

// SQLite's primary result codes (the low byte of an extended code), from
// https://www.sqlite.org/rescode.html.
const (
	codeBusy     = 5
	codeLocked   = 6
	codeReadOnly = 8
	codeIOErr    = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
	// codeShmSize is SQLITE_IOERR_SHMSIZE, an extended code: the index of the log
	// could not grow, for which SQLite's file layer has no reason but a full disk.
	codeShmSize = codeIOErr | 19<<8
)

func modernCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// classify turns a driver's error into a fault that callers understand. Faults
// and the context's errors pass through.
func (e *engine) classify(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	var replay *store.Replay
	if errors.As(err, &f) || errors.As(err, &replay) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	code := e.code(err)
	if code == codeShmSize {
		return fault.Wrap(err, fault.StorageFull, "the disk is full")
	}
	switch code & 0xff {
	case codeBusy, codeLocked:
		return fault.Wrap(err, fault.StorageBusy, "the database is busy")
	case codeFull:
		return fault.Wrap(err, fault.StorageFull, "the disk is full")
	case codeReadOnly, codeIOErr, codeCorrupt, codeCantOpen, codeNotADB:
		e.suspect.Store(true)
		return fault.Wrap(err, fault.StorageUnavailable, "the database cannot be written")
	}
	return err
}

// fatal reports whether the connection must not be used after err: SQLite may
// have rolled the whole transaction back, or the state of the file is unknown.
func (e *engine) fatal(err error) bool {
	switch e.code(err) & 0xff {
	case codeFull, codeIOErr, codeCorrupt, codeCantOpen, codeNotADB, codeReadOnly:
		return true
	}
	return false
}
