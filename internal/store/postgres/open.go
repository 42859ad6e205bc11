// Package postgres keeps the store in a PostgreSQL database (13 or newer), for
// installations of more than one instance or machine.
//
// Transactions run at READ COMMITTED; database/sql keeps the connections; what must not race
// locks rows (hot.go) or compares versions. A commit is never repeated when its
// outcome is unknown; what the server rolled back is (tx.go). LISTEN has a
// connection of its own, and its hints are never needed for correctness
// (listen.go).
//
// A pooler in transaction mode, such as PgBouncer, is noticed at Open: then no
// statement is prepared, settings are made in each transaction, and there is no
// LISTEN unless Options.ListenURL leads past the pooler. The pooler must have at
// least two server connections, because a migration holds one as its lock.
package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/migrations"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// pingAfter is how long a connection may have been idle to be used without a look
// whether it is alive. What an idle server uses every five seconds need not be looked at,
// and a transaction that finds its connection dead is run again on another.
const pingAfter = 6 * time.Second

// Options say how to open a database.
type Options struct {
	// URL is a connection URL or a keyword/value string. Beyond what PostgreSQL
	// knows, it may hold pooler=transaction or pooler=none, which overrides what
	// Open finds out by itself.
	URL string
	// ListenURL leads to the same database without a pooler; "" = URL.
	ListenURL string
	// MaxConns bounds the pool; 0 = 16. Two more connections are used, one to
	// listen and, while opening, one to migrate.
	MaxConns int
	// Clock waits between attempts; nil = the system's. Times come from the
	// database.
	Clock clock.Clock
	// Log gets warnings about the server's settings; nil = nothing is logged.
	Log *slog.Logger
	// AllowUnsafe accepts a server that may lose commits. Tests only.
	AllowUnsafe bool
}

const (
	defaultConns  = 16
	oldestVersion = 130000
)

// Limits of the sessions, unless the URL says otherwise. jit is off because it
// costs more than any statement here runs.
var sessionSettings = map[string]string{
	"lock_timeout":      "10s",
	"statement_timeout": "30s",
	// An instance that freezes within a transaction holds its locks, also the one
	// under which all claim, until the server ends the session.
	"idle_in_transaction_session_timeout": "5s",
	"jit":                                 "off",
}

// Open connects, refuses a server that is unsafe, and migrates the database.
// Several instances may open one database at the same time.
func Open(ctx context.Context, o Options) (store.Store, error) {
	o = withDefaults(o)
	cfg, mode, err := parse(o.URL)
	if err != nil {
		return store.Store{}, err
	}
	server, err := probe(ctx, cfg)
	if err != nil {
		return store.Store{}, err
	}
	_, given := cfg.RuntimeParams["synchronous_commit"]
	if err := server.check(ctx, o, given); err != nil {
		return store.Store{}, err
	}
	pooled := server.pooled
	if mode != "" {
		pooled = mode == poolerTransaction
	}
	if pooled {
		// Consecutive transactions meet different sessions.
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	if err := migrate(ctx, cfg); err != nil {
		return store.Store{}, err
	}
	if err := refuseMoved(ctx, cfg); err != nil {
		return store.Store{}, err
	}
	settings := server.settings()
	e := &engine{
		clock: o.Clock, log: o.Log, pooled: pooled, version: server.version,
		Watchers: portable.NewWatchers(),
	}
	if pooled {
		e.settings = localSettings(cfg, settings)
	} else {
		for k, v := range settings {
			if _, given := cfg.RuntimeParams[k]; !given {
				cfg.RuntimeParams[k] = v
			}
		}
	}
	e.db = stdlib.OpenDB(*cfg, stdlib.OptionShouldPing(func(_ context.Context, p stdlib.ShouldPingParams) bool {
		return p.IdleDuration > pingAfter
	}))
	e.db.SetMaxOpenConns(o.MaxConns)
	e.db.SetMaxIdleConns(o.MaxConns)
	e.db.SetConnMaxIdleTime(5 * time.Minute)
	e.db.SetConnMaxLifetime(time.Hour)
	if err := e.startHints(ctx, o); err != nil {
		_ = e.db.Close() // the first error counts
		return store.Store{}, err
	}
	return portable.New(e), nil
}

func withDefaults(o Options) Options {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxConns <= 0 {
		o.MaxConns = defaultConns
	}
	return o
}

const (
	poolerTransaction = "transaction"
	poolerNone        = "none"
)

// parse reads a URL and takes our own parameter out of it.
func parse(url string) (cfg *pgx.ConnConfig, pooler string, err error) {
	cfg, err = pgx.ParseConfig(url)
	if err != nil {
		return nil, "", invalidURL(url, err)
	}
	pooler = cfg.RuntimeParams["pooler"]
	delete(cfg.RuntimeParams, "pooler")
	if pooler != "" && pooler != poolerTransaction && pooler != poolerNone {
		return nil, "", fault.Newf(fault.InvalidInput, "pooler=%s in the database URL: it must be transaction or none", pooler)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "runsheet"
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	return cfg, pooler, nil
}

// server is what a first connection tells of the other side.
type server struct {
	version                            string
	number                             int
	fsync, fullPages, commit, encoding string
	// pooled means that something between us and the server lends sessions.
	pooled bool
}

func probe(ctx context.Context, cfg *pgx.ConnConfig) (server, error) {
	c := cfg.Copy()
	c.DefaultQueryExecMode = pgx.QueryExecModeExec // works with and without a pooler
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return server{}, unreachable(cfg, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var s server
	var pid uint32
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int,
		current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
		current_setting('server_encoding'), pg_backend_pid()`).
		Scan(&s.version, &s.number, &s.fsync, &s.fullPages, &s.commit, &s.encoding, &pid)
	if err != nil {
		return s, fault.Wrap(err, fault.StorageUnavailable, "the database does not tell its settings")
	}
	// A server names its own process when a session starts. A pooler makes
	// something up, because it does not know yet which one it will lend.
	s.pooled = pid != conn.PgConn().PID()
	return s, nil
}

// check refuses a server on which an acknowledged write could be lost. given
// says that the URL sets synchronous_commit.
func (s server) check(ctx context.Context, o Options, given bool) error {
	if s.number < oldestVersion {
		return fmt.Errorf("the server is PostgreSQL %s: 13 or newer is needed", s.version)
	}
	if s.encoding != "UTF8" {
		return fmt.Errorf("the database has encoding %s: create it with encoding UTF8", s.encoding)
	}
	if !o.AllowUnsafe {
		if s.fsync == "off" {
			return fmt.Errorf("the server runs with fsync=off and can lose accepted work: switch it on")
		}
		if s.fullPages == "off" {
			return fmt.Errorf("the server runs with full_page_writes=off and can lose accepted work: switch it on")
		}
	}
	if s.commit == "off" {
		if given {
			o.Log.WarnContext(ctx, "synchronous_commit is off in the database URL: a crash of the database server can lose the last accepted work")
		} else {
			o.Log.WarnContext(ctx, "synchronous_commit is off at the server: it is switched on for our own sessions")
		}
	}
	return nil
}

// settings are those of our sessions.
func (s server) settings() map[string]string {
	out := maps.Clone(sessionSettings)
	if s.commit == "off" {
		out["synchronous_commit"] = "on"
	}
	return out
}

// localSettings are the statements that begin each transaction behind a pooler,
// which refuses settings at connection time.
func localSettings(cfg *pgx.ConnConfig, settings map[string]string) []string {
	var sets []string
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		if _, given := cfg.RuntimeParams[k]; !given {
			sets = append(sets, "SET LOCAL "+k+" = '"+settings[k]+"'")
		}
	}
	return sets
}

// migrationLock is the key of the advisory lock under which one instance
// migrates. The number means nothing.
const migrationLock = 7_203_916_483

// migrate brings the schema up to date, one instance at a time. The lock belongs
// to a transaction, not to a session, because that is what a pooler keeps
// together; its connection does nothing else.
func migrate(ctx context.Context, cfg *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }() // nothing is under way by then
	lock, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin migration lock: %w", err)
	}
	defer func() { _ = lock.Rollback() }() // frees the lock; nothing was written
	if _, err := lock.ExecContext(ctx, `SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;
		SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
		return fmt.Errorf("prepare migration lock: %w", err)
	}
	if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return fmt.Errorf("take migration lock: %w", err)
	}
	if err := migrations.Up(ctx, db, migrations.Postgres); err != nil {
		return err
	}
	// A lock that was lost on the way did not keep the others out.
	if _, err := lock.ExecContext(ctx, `SELECT 1`); err != nil {
		return fmt.Errorf("keep migration lock: %w", err)
	}
	return nil
}
