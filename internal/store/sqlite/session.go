package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// session is a connection with its prepared statements, the writer's or a reader's. It
// is the portable.Tx of the request that runs now.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	most  int // of stmts, 0 = maxStatements
	hints []store.Hint
	// wrote is set by statements that may have changed something.
	wrote bool
	// aside is set by a request whose changes do not count.
	aside bool
	// broken means that the connection must not be used any more.
	broken bool
	cause  error
}

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 256

func (s *session) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts[query]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, unnamed(query))
	if err != nil {
		return nil, err
	}
	if s.stmts == nil || len(s.stmts) >= cmp.Or(s.most, maxStatements) {
		s.closeStatements()
		s.stmts = map[string]*sql.Stmt{}
	}
	s.stmts[query] = st
	return st, nil
}

// unnamed writes ? for the placeholders $1, $2, ... of a statement in which each stands
// once, in that order. To SQLite $1 is a name; its driver asks for the name of each
// placeholder at each execution, which SQLite looks for in a list.
func unnamed(query string) string {
	var b strings.Builder
	b.Grow(len(query))
	n, quoted := 0, false
	for i := 0; i < len(query); i++ {
		c := query[i]
		quoted = quoted != (c == '\'')
		if quoted || c != '$' {
			b.WriteByte(c)
			continue
		}
		digits := 0
		for i+1+digits < len(query) && '0' <= query[i+1+digits] && query[i+1+digits] <= '9' {
			digits++
		}
		n++
		if query[i+1:i+1+digits] != strconv.Itoa(n) {
			return query // one is used twice
		}
		b.WriteByte('?')
		i += digits
	}
	return b.String()
}

func (s *session) run(ctx context.Context, query string) error {
	st, err := s.prepare(ctx, query) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx)
	return err
}

// Exec implements portable.Tx.
func (s *session) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	st, err := s.prepare(ctx, query) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	s.wrote = s.wrote || n != 0 || err != nil
	return n, err
}

// Query implements portable.Tx.
func (s *session) Query(ctx context.Context, query string, args ...any) (portable.Rows, error) {
	st, err := s.prepare(ctx, query) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		return nil, err
	}
	s.wrote = s.wrote || !reads(query)
	return st.QueryContext(ctx, args...) //nolint:rowserrcheck // the caller does
}

// Row implements portable.Tx.
func (s *session) Row(ctx context.Context, query string, args ...any) portable.Row {
	s.wrote = s.wrote || !reads(query)
	st, err := s.prepare(ctx, query) //nolint:sqlclosecheck // kept for the next time
	if err != nil {
		// QueryRow reports the same error again when it is scanned.
		return s.conn.QueryRowContext(ctx, query, args...)
	}
	return st.QueryRowContext(ctx, args...)
}

// reads says that a query is none that changes something and returns what it changed.
func reads(query string) bool {
	return strings.HasPrefix(strings.TrimSpace(query), "SELECT") || !strings.Contains(query, "RETURNING")
}

// Later implements portable.Tx: there is no round trip to save.
func (s *session) Later(ctx context.Context, query string, args ...any) error {
	_, err := s.Exec(ctx, query, args...)
	return err
}

// Ask implements portable.Tx.
func (s *session) Ask(ctx context.Context, scan func(portable.Rows) error, query string, args ...any) error {
	rows, err := s.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	if err := scan(rows); err != nil {
		return err
	}
	return rows.Err()
}

// Flush implements portable.Tx: nothing is put off.
func (s *session) Flush(context.Context) error { return nil }

// Hint implements portable.Tx.
func (s *session) Hint(h store.Hint) { s.hints = append(s.hints, h) }

// Aside implements portable.Tx.
func (s *session) Aside() { s.aside = true }

func (s *session) failed(err error) { s.broken, s.cause = true, err }

// discard throws the connection away instead of giving it back to the pool.
func (s *session) discard() {
	s.closeStatements()
	// ErrBadConn is how database/sql is told not to keep a connection.
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.conn.Close() // reports the same
	s.conn, s.broken, s.cause = nil, false, nil
}

func (s *session) close() {
	s.closeStatements()
	if s.conn != nil {
		_ = s.conn.Close() // the pool closes it for good
	}
}

func (s *session) closeStatements() {
	for _, st := range s.stmts {
		_ = st.Close() // ends with the connection in any case
	}
	s.stmts = nil
}
