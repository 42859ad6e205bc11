package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
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
	// Before it is made, so that an interrupted statement leaves nothing behind.
	a.made = append(a.made, name)
	if _, err := a.conn.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8'`); err != nil {
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

// Drop removes the databases that were made.
func (a *Throwaway) Drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dropTime)
	defer cancel()
	if a.conn.IsClosed() { // an interrupted statement closes it
		conn, err := pgx.ConnectConfig(ctx, a.conn.Config())
		if err != nil {
			return fmt.Errorf("databases stay (%s): %w", strings.Join(a.made, ", "), err)
		}
		a.conn = conn
	}
	var errs error
	for _, name := range a.made {
		if _, err := a.conn.Exec(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			errs = errors.Join(errs, fmt.Errorf("database %s stays: %w", name, err))
		}
	}
	a.made = nil
	return errs
}

// Close drops what is left and disconnects.
func (a *Throwaway) Close(ctx context.Context) error {
	err := a.Drop(ctx)
	return errors.Join(err, a.conn.Close(ctx))
}
