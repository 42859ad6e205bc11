package main

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"
)

// sqliteFile is a new database of the given durability with one connection, as the
// documents of both queues advise, and one more to look at it.
func sqliteFile(tb testing.TB, synchronous string) (db, reader *sql.DB) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "queue.db")
	open := func(pragmas string) *sql.DB {
		db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)"+pragmas)
		if err != nil {
			tb.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		db.SetMaxIdleConns(1)
		tb.Cleanup(func() {
			if err := db.Close(); err != nil {
				tb.Error(err)
			}
		})
		return db
	}
	return open("&_pragma=journal_mode(WAL)&_pragma=foreign_keys(ON)&_pragma=synchronous(" + synchronous + ")"), open("&_pragma=query_only(ON)")
}

// texts are the values of the one column that a query has.
func texts(db *sql.DB, query string) ([]string, error) {
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

// yes is the answer to a query for one truth.
func yes(db *sql.DB, query string) (answer bool, err error) {
	err = db.QueryRowContext(context.Background(), query).Scan(&answer)
	return answer, err
}
