package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// session is the portable.Tx of one transaction. It begins with its first statement, in
// the same round trip, and what may come later goes with the next one that is asked
// for, or with the commit.
type session struct {
	conn  *pgx.Conn
	life  context.Context // the transaction's own, see once
	hints []store.Hint
	// late is what has to be sent before the next statement.
	late []late
	// alone means that there is one query, and no transaction.
	alone bool
	// err is why nothing can be done with the transaction any more.
	err error
}

var errPutOff = errors.New("a statement was put off that nothing follows") // a mistake in this program

// late is a statement that was put off. Without a scan nobody asks for its outcome.
type late struct {
	query string
	args  []any
	scan  func(portable.Rows) error
}

// start puts off what a transaction begins with; "" is none.
func (s *session) start(begin string, more []string) {
	if s.alone = begin == ""; s.alone {
		return
	}
	s.late = append(s.late, late{query: begin})
	for _, q := range more {
		s.late = append(s.late, late{query: q})
	}
}

// patient returns the context of the next statement: the caller's if it has
// ended already, which refuses the statement, the transaction's otherwise.
func (s *session) patient(ctx context.Context) context.Context {
	if ctx.Err() != nil {
		return ctx
	}
	return s.life
}

// Later implements portable.Tx.
func (s *session) Later(_ context.Context, query string, args ...any) error {
	s.late = append(s.late, late{query: query, args: args})
	return s.err
}

// Ask implements portable.Tx.
func (s *session) Ask(_ context.Context, scan func(portable.Rows) error, query string, args ...any) error {
	s.late = append(s.late, late{query, args, scan})
	return s.err
}

// Flush implements portable.Tx.
func (s *session) Flush(ctx context.Context) error {
	if len(s.late) == 0 {
		return s.err
	}
	br, err := s.send(s.patient(ctx))
	if err != nil {
		return err
	}
	return s.fail(br.Close())
}

// send sends what was put off, and more behind it, of which the results are left to
// read.
func (s *session) send(ctx context.Context, more ...late) (pgx.BatchResults, error) {
	if s.err != nil {
		return nil, s.err
	}
	all := append(s.late, more...)
	before := len(s.late)
	s.late = nil
	var b pgx.Batch
	for _, l := range all {
		b.Queue(l.query, l.args...)
	}
	br := s.conn.SendBatch(ctx, &b)
	for _, l := range all[:before] {
		if err := consume(br, l); err != nil {
			_ = br.Close() // reports the same
			return nil, s.fail(err)
		}
	}
	return br, nil
}

// consume reads the results of a statement that was put off.
func consume(br pgx.BatchResults, l late) error {
	if l.scan == nil {
		_, err := br.Exec()
		return err
	}
	rows, _ := br.Query() // the error is the rows' too
	defer rows.Close()
	r := &result{Rows: rows}
	if err := l.scan(r); err != nil {
		// What the server says counts for more than what a scan makes of no rows.
		return cmpErr(rows.Err(), err)
	}
	rows.Close()
	return rows.Err()
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// fail remembers the first error, after which a transaction can only end.
func (s *session) fail(err error) error {
	if err != nil && s.err == nil {
		s.err = err
	}
	return err
}

// Exec implements portable.Tx.
func (s *session) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if len(s.late) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		tag, err := s.conn.Exec(s.patient(ctx), query, args...)
		return tag.RowsAffected(), s.fail(err)
	}
	br, err := s.send(s.patient(ctx), late{query: query, args: args})
	if err != nil {
		return 0, err
	}
	tag, err := br.Exec()
	return tag.RowsAffected(), s.fail(cmpErr(err, br.Close()))
}

// Query implements portable.Tx.
func (s *session) Query(ctx context.Context, query string, args ...any) (portable.Rows, error) {
	if len(s.late) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		rows, err := s.conn.Query(s.patient(ctx), query, args...)
		if err != nil {
			return nil, s.fail(err)
		}
		return &result{Rows: rows, s: s}, nil
	}
	br, err := s.send(s.patient(ctx), late{query: query, args: args})
	if err != nil {
		return nil, err
	}
	rows, err := br.Query()
	if err != nil {
		_ = br.Close() // reports the same
		return nil, s.fail(err)
	}
	return &result{Rows: rows, s: s, batch: br}, nil
}

// Row implements portable.Tx.
func (s *session) Row(ctx context.Context, query string, args ...any) portable.Row {
	rows, err := s.Query(ctx, query, args...)
	return one{rows, err}
}

// Hint implements portable.Tx.
func (s *session) Hint(h store.Hint) { s.hints = append(s.hints, h) }

// Aside implements portable.Tx: nothing is counted.
func (s *session) Aside() {}

// commit sends what is left with the commit. An answer that is missing leaves open
// whether it happened, whichever statement it is missing of.
func (s *session) commit() error {
	for _, l := range s.late {
		if l.scan != nil { // it may refuse
			if err := s.Flush(s.life); err != nil {
				return s.gone(err)
			}
			break
		}
	}
	if s.err != nil {
		return s.gone(s.err)
	}
	if s.alone {
		if len(s.late) > 0 {
			return errPutOff
		}
		return nil
	}
	late := s.late
	s.late = nil
	var b pgx.Batch
	for _, l := range late {
		b.Queue(l.query, l.args...)
	}
	b.Queue("commit")
	br := s.conn.SendBatch(s.life, &b)
	var err error
	for range late {
		if _, err = br.Exec(); err != nil {
			break
		}
	}
	if err == nil {
		tag, cerr := br.Exec()
		if err = cerr; err == nil && tag.String() == "ROLLBACK" {
			err = pgx.ErrTxCommitRollback
		}
	}
	err = cmpErr(err, br.Close())
	switch {
	case err == nil:
		return nil
	case rolledBack(err):
		return fmt.Errorf("commit: %w", err)
	}
	return &uncertain{fmt.Errorf("commit: %w", err)}
}

// end ends a transaction that was not committed.
func (s *session) end() {
	if !s.conn.IsClosed() && s.conn.PgConn().TxStatus() != 'I' {
		if _, err := s.conn.Exec(s.life, "rollback"); err != nil {
			_ = s.conn.Close(s.life) // the server ends it with the connection
		}
	}
}

// gone marks err when the connection was lost with it.
func (s *session) gone(err error) error {
	if s.conn.IsClosed() {
		return &lost{err}
	}
	return err
}

// result are the rows of a query.
type result struct {
	pgx.Rows
	s     *session // nil in what was put off
	batch pgx.BatchResults
}

// Scan implements portable.Rows.
func (r *result) Scan(to ...any) error { return r.Rows.Scan(numeric(to)...) }

// Close implements portable.Rows.
func (r *result) Close() error {
	r.Rows.Close()
	err := r.Err()
	if r.batch != nil {
		err = cmpErr(err, r.batch.Close())
		r.batch = nil
	}
	if r.s != nil {
		return r.s.fail(err)
	}
	return err
}

// one is the row of a query.
type one struct {
	rows portable.Rows
	err  error
}

// Scan implements portable.Row.
func (o one) Scan(to ...any) error {
	if o.err != nil {
		return o.err
	}
	defer func() { _ = o.rows.Close() }() // a failed close shows in rows.Err
	if !o.rows.Next() {
		return cmpErr(o.rows.Err(), pgx.ErrNoRows)
	}
	if err := o.rows.Scan(to...); err != nil {
		return err
	}
	return o.rows.Close()
}

// numeric lets booleans be read from columns of 0 and 1, too.
func numeric(to []any) []any {
	var out []any
	for i, t := range to {
		if b, ok := t.(*bool); ok {
			if out == nil {
				out = append(out, to...)
			}
			out[i] = (*truth)(b)
		}
	}
	if out == nil {
		return to
	}
	return out
}

// truth is a boolean that is kept as a boolean or as 0 or 1.
type truth bool

var errNull = errors.New("a boolean is null")

// ScanBool implements pgtype.BoolScanner.
func (t *truth) ScanBool(v pgtype.Bool) error {
	if !v.Valid {
		return errNull
	}
	*t = truth(v.Bool)
	return nil
}

// ScanInt64 implements pgtype.Int64Scanner.
func (t *truth) ScanInt64(v pgtype.Int8) error {
	if !v.Valid {
		return errNull
	}
	*t = v.Int64 != 0
	return nil
}
