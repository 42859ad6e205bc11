package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Throwaway makes databases on a server, and drops them: those that are there are never
// used. It is for measurements, and not safe for concurrent use.
type Throwaway struct {
	url  *url.URL
	conn *pgx.Conn
	// made are the databases that are still there.
	made []string
}

// dropTime is how long removing a database may take.
const dropTime = time.Minute

// NewThrowaway connects to the server that a postgres:// URL names, and refuses one on
// which its user may not make databases. The caller closes it.
func NewThrowaway(ctx context.Context, text string) (*Throwaway, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("the database must be given as a postgres:// URL") // it may hold a password, so it is not shown
	}
	conn, err := pgx.Connect(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	a := &Throwaway{url: u, conn: conn}
	var may bool
	err = conn.QueryRow(ctx, `SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(&may)
	if err == nil && !may {
		err = errors.New("this user may not make databases on the server, and a measurement uses no database that exists: ALTER ROLE ... CREATEDB")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return a, nil
}

// Create makes an empty database and returns its URL.
func (a *Throwaway) Create(ctx context.Context) (string, error) {
	name := "runsheet_bench_" + strings.ToLower(rand.Text()[:12])
	// Before it is made: who gives up on the statement does not know whether it was.
	a.made = append(a.made, name)
	if _, err := a.conn.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8'`); err != nil {
		if _, refused := errors.AsType[*pgconn.PgError](err); refused && ctx.Err() == nil {
			a.made = a.made[:len(a.made)-1] // it is not ours, or not there
		}
		return "", fmt.Errorf("make a database: %w", err)
	}
	u := *a.url
	u.Path, u.RawPath = "/"+name, ""
	q := u.Query()
	q.Del("dbname")
	q.Del("database")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Drop removes the databases that were made. What it cannot remove, which its error
// names, the next call tries again.
func (a *Throwaway) Drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dropTime)
	defer cancel()
	var errs error
	a.made = slices.DeleteFunc(a.made, func(name string) bool {
		err := a.exec(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`)
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("database %s stays: %w", name, err))
		}
		return err == nil
	})
	return errs
}

// exec runs a statement that may be repeated, on a new connection where this one was
// lost: it rests for as long as a measurement takes, and an interrupted statement closes it.
func (a *Throwaway) exec(ctx context.Context, query string) error {
	for again := false; ; again = true {
		if a.conn.IsClosed() {
			select { // the server may still be at the statement that was given up
			case <-a.conn.PgConn().CleanupDone():
			case <-ctx.Done():
				return ctx.Err()
			}
			conn, err := pgx.ConnectConfig(ctx, a.conn.Config())
			if err != nil {
				return err
			}
			a.conn = conn
		}
		_, err := a.conn.Exec(ctx, query)
		if err == nil || again || !a.conn.IsClosed() {
			return err
		}
	}
}

// Close drops what is left and disconnects.
func (a *Throwaway) Close(ctx context.Context) error {
	err := a.Drop(ctx)
	return errors.Join(err, a.conn.Close(ctx))
}
