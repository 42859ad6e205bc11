package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

func TestOpenRefusesAServerWithoutSync(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), postgres.Options{URL: testsvc.Postgres(t)})
	if err == nil || !strings.Contains(err.Error(), "fsync=off") {
		t.Fatalf("err = %v, want a refusal that names fsync=off", err)
	}
}

func TestOpenAcceptsADurableServer(t *testing.T) {
	t.Parallel()
	s, err := postgres.Open(t.Context(), postgres.Options{URL: testsvc.DurablePostgres(t)})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Health.Version(t.Context()); err != nil || !strings.HasPrefix(v, "postgresql 1") {
		t.Errorf("version %q, %v", v, err)
	}
	if d, err := s.Health.Durability(t.Context()); err != nil || d != "fsync=on synchronous_commit=on" {
		t.Errorf("durability %q, %v", d, err)
	}
	if err := s.Health.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Health.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Health.Ping(t.Context()); err == nil {
		t.Error("a closed store answers a ping")
	}
}

// The test servers run with synchronous_commit=off. What is acknowledged must
// have been committed with it on all the same.
func TestCommitsAreSynchronousWhateverTheServersDefault(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"direct": testsvc.Postgres(t), "pooled": testsvc.PgBouncer(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, postgres.Options{URL: url})
			cfg, err := pgx.ParseConfig(url)
			if err != nil {
				t.Fatal(err)
			}
			cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
			conn, err := pgx.ConnectConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(t.Context()) }()
			var before, seen string
			if err := conn.QueryRow(t.Context(), `SHOW synchronous_commit`).Scan(&before); err != nil || before != "off" {
				t.Fatalf("the server's default is %q, %v: the test would test nothing", before, err)
			}
			if _, err := conn.Exec(t.Context(), `CREATE TABLE spy (v text);
				CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
					INSERT INTO spy VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
				CREATE TRIGGER spy AFTER INSERT ON instances FOR EACH ROW EXECUTE FUNCTION spy()`); err != nil {
				t.Fatal(err)
			}
			if err := s.Leases.Register(t.Context(), store.Instance{ID: "a", HostID: "h"}, time.Minute); err != nil {
				t.Fatal(err)
			}
			if err := conn.QueryRow(t.Context(), `SELECT v FROM spy`).Scan(&seen); err != nil || seen != "on" {
				t.Errorf("committed with synchronous_commit %q, %v", seen, err)
			}
		})
	}
}
