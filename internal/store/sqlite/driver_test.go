package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/runsheet/runsheet/internal/store/sqlite"

	modernc "modernc.org/sqlite"
)

// spy is the production driver with a counter of commits and a fault to inject.
type spy struct {
	modernc.Driver
	commits atomic.Int64
	// failCommit makes so many next commits fail as a disk does.
	failCommit atomic.Int64
}

var serial atomic.Int64

// newSpy registers a driver of the test's own.
func newSpy(t *testing.T) (*spy, sqlite.Driver) {
	t.Helper()
	s := &spy{}
	name := fmt.Sprintf("sqlite-spy-%d", serial.Add(1))
	sql.Register(name, s)
	return s, sqlite.Driver{
		Name: name,
		DSN: func(path string, pragmas []string, readOnly bool) string {
			dsn := "file:" + path + "?"
			for _, p := range pragmas {
				dsn += "_pragma=" + p + "&"
			}
			if readOnly {
				dsn += "_pragma=query_only(1)"
			}
			return dsn
		},
		Code: func(err error) int {
			if errors.Is(err, errDisk) {
				return 10 // SQLITE_IOERR
			}
			if e, ok := errors.AsType[*modernc.Error](err); ok {
				return e.Code()
			}
			return 0
		},
	}
}

var errDisk = errors.New("disk I/O error")

func (s *spy) Open(name string) (driver.Conn, error) {
	c, err := s.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	return spyConn{c.(fullConn), s}, nil
}

type fullConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

type spyConn struct {
	fullConn
	s *spy
}

func (c spyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	st, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil || query != "COMMIT" {
		return st, err
	}
	return spyCommit{st.(fullStmt), c.s}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type spyCommit struct {
	fullStmt
	s *spy
}

func (c spyCommit) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if c.s.failCommit.Add(-1) >= 0 {
		return nil, errDisk
	}
	c.s.commits.Add(1)
	return c.fullStmt.ExecContext(ctx, args)
}
