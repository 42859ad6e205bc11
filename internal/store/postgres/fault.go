package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// SQLSTATE codes, from https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	codeStalePlan       = "0A000" // "cached plan must not change result type"
	codeBadCharacter    = "22021"
	codeUntranslatable  = "22P05"
	codeUnique          = "23505"
	codeReadOnly        = "25006"
	codeIdleTransaction = "25P03"
	codeNoStatement     = "26000"
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeDiskFull        = "53100"
	codeTooManyConns    = "53300"
	codeLockTimeout     = "55P03"
	codeQueryCancelled  = "57014"
)

// classify turns an error of a transaction into a fault that callers
// understand, and says whether the transaction may be tried again. Faults and
// the errors of the caller's own context pass through.
func classify(ctx context.Context, err error) (verdict error, again bool) {
	var (
		f      *fault.Error
		replay *store.Replay
		where  *uncertain
		gone   *lost
		pg     *pgconn.PgError
	)
	switch {
	case errors.Is(err, portable.ErrMeanwhile):
		return err, true
	case errors.As(err, &f), errors.As(err, &replay):
		return err, false
	case errors.As(err, &where):
		return fault.Wrap(err, fault.StorageUnavailable, "the database was lost during the commit: whether it happened is unknown"), false
	case ctx.Err() != nil:
		return ctx.Err(), false
	case errors.As(err, &pg):
		return verdictOf(err, pg)
	case errors.As(err, &gone), errors.Is(err, context.DeadlineExceeded):
		// Our own limit, or the network.
		return fault.Wrap(err, fault.StorageUnavailable, "the database does not answer"), errors.As(err, &gone)
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return fault.Wrap(err, fault.InternalError, "the database rolled a transaction back"), false
	}
	return err, false
}

func verdictOf(err error, pg *pgconn.PgError) (verdict error, again bool) {
	switch pg.Code {
	case codeSerialization, codeDeadlock:
		return fault.Wrap(err, fault.StorageBusy, "the database is busy"), true
	case codeUnique:
		// Uniqueness is met with ON CONFLICT or checked before; what gets here has
		// raced. The next attempt sees the other's row and finds the right words.
		return fault.Wrap(err, fault.InternalError, "a row exists already"), true
	case codeStalePlan, codeNoStatement:
		// Another instance migrated, or the session is not the one it was.
		return fault.Wrap(err, fault.InternalError, "the database refused a prepared statement"), true
	case codeLockTimeout, codeQueryCancelled, codeTooManyConns:
		return fault.Wrap(err, fault.StorageBusy, "the database is busy"), false
	case codeDiskFull:
		return fault.Wrap(err, fault.StorageFull, "the database server's disk is full"), false
	case codeBadCharacter, codeUntranslatable:
		return fault.Wrap(err, fault.InvalidInput, "a text holds a character that the database cannot store"), false
	case codeReadOnly, codeIdleTransaction:
		return fault.Wrap(err, fault.StorageUnavailable, "the database cannot be written"), true
	}
	switch class := pg.Code[:min(2, len(pg.Code))]; class {
	case "08", "57": // connection, operator intervention
		return fault.Wrap(err, fault.StorageUnavailable, "the database does not answer"), true
	case "28", "3D", "53", "58", "XX": // login, no such database, resources, system, corruption
		return fault.Wrap(err, fault.StorageUnavailable, "the database cannot be used"), false
	}
	return fault.Wrap(err, fault.InternalError, "the database refused a statement"), false
}

// rolledBack reports whether an error of a commit proves that it did not
// happen. A server that ends a session while it waits for a standby has
// committed already, so a fatal error proves nothing.
func rolledBack(err error) bool {
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return true
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.EqualFold(pg.SeverityUnlocalized, "ERROR")
}
