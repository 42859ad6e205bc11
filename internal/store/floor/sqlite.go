package floor

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

const sqliteTable = `CREATE TABLE floor (
	id TEXT NOT NULL PRIMARY KEY, rank TEXT NOT NULL, state INTEGER NOT NULL, epoch INTEGER NOT NULL,
	class TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, params TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX floor_order ON floor (state, rank)`

// lite is SQLite, on one connection with prepared statements.
type lite struct {
	db   *sql.DB
	conn *sql.Conn

	insert, first, done, list, ranks, begins, commits, undoes *sql.Stmt
}

func openSQLite(ctx context.Context, path string) (_ engine, err error) {
	q := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)"}}
	l := &lite{}
	if l.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode()); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close(ctx))
		}
	}()
	if l.conn, err = l.db.Conn(ctx); err != nil {
		return nil, err
	}
	if _, err := l.conn.ExecContext(ctx, sqliteTable); err != nil {
		return nil, err
	}
	for to, query := range map[**sql.Stmt]string{
		&l.insert: `INSERT INTO floor (id, rank, state, epoch, class, name, kind, params) VALUES (?, ?, 0, 0, ?, ?, ?, ?)`,
		&l.first: `UPDATE floor SET state = 1, epoch = epoch + 1 WHERE id IN
			(SELECT id FROM floor WHERE state = 0 ORDER BY rank LIMIT ?) RETURNING id`,
		&l.done:   `UPDATE floor SET state = 2 WHERE id IN (SELECT value FROM json_each(?))`,
		&l.list:   `SELECT id, rank, state, epoch, class, name, kind, params FROM floor WHERE state = 0 AND rank >= ? ORDER BY rank LIMIT ?`,
		&l.ranks:  `SELECT rank FROM floor`,
		&l.begins: `BEGIN IMMEDIATE`, &l.commits: `COMMIT`, &l.undoes: `ROLLBACK`,
	} {
		if *to, err = l.conn.PrepareContext(ctx, query); err != nil { //nolint:sqlclosecheck // closed with the connection
			return nil, err
		}
	}
	return l, nil
}

// do makes one transaction of f.
func (l *lite) do(ctx context.Context, f func() error) error {
	if _, err := l.begins.ExecContext(ctx); err != nil {
		return err
	}
	err := f()
	if err == nil {
		_, err = l.commits.ExecContext(ctx)
	}
	if err != nil {
		_, undone := l.undoes.ExecContext(context.WithoutCancel(ctx))
		return errors.Join(err, undone)
	}
	return nil
}

func (l *lite) add(ctx context.Context, rows []row) error {
	return l.do(ctx, func() error { return l.insertAll(ctx, rows) })
}

func (l *lite) fire(ctx context.Context, rows []row) error {
	return l.do(ctx, func() error {
		if _, err := l.mark(ctx, len(rows)); err != nil {
			return err
		}
		return l.insertAll(ctx, rows)
	})
}

func (l *lite) begin(ctx context.Context, n int) (ids []string, err error) {
	err = l.do(ctx, func() (err error) {
		ids, err = l.mark(ctx, n)
		return err
	})
	return ids, err
}

func (l *lite) insertAll(ctx context.Context, rows []row) error {
	for _, r := range rows {
		if _, err := l.insert.ExecContext(ctx, r.id, r.rank, r.class, r.name, r.kind, r.params); err != nil {
			return err
		}
	}
	return nil
}

func (l *lite) mark(ctx context.Context, n int) ([]string, error) {
	rows, err := l.first.QueryContext(ctx, n)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	ids := make([]string, 0, n)
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (l *lite) end(ctx context.Context, ids []string) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return l.do(ctx, func() error {
		_, err := l.done.ExecContext(ctx, string(list))
		return err
	})
}

func (l *lite) page(ctx context.Context, rank string, n int) (int, error) {
	rows, err := l.list.QueryContext(ctx, rank, n)
	return read(rows, err)
}

func (l *lite) all(ctx context.Context) (int, error) {
	rows, err := l.ranks.QueryContext(ctx)
	return read(rows, err)
}

// read reads all columns of all rows.
func read(rows *sql.Rows, err error) (n int, _ error) {
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for ; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}

func (l *lite) close(context.Context) error {
	var err error
	if l.conn != nil {
		err = l.conn.Close()
	}
	return errors.Join(err, l.db.Close())
}
