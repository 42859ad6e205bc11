package doctor_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/doctor"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	cfg := sound(t)
	cfg.RedisURL = config.Secret(testsvc.Redis(t))
	examine := func() doctor.Report {
		r := doctor.Examine(t.Context(), doctor.Options{Config: cfg, Clock: clock.System{}})
		if r.Failed() {
			t.Errorf("the server works without Redis, and the report fails: %+v", r)
		}
		return r
	}
	find(t, examine(), "redis", doctor.OK)
	cfg.RedisURL = "redis://:geheim@127.0.0.1:1/0"
	if d := find(t, examine(), "redis", doctor.Warn); !strings.Contains(d, "127.0.0.1:1") || strings.Contains(d, "geheim") {
		t.Error(d)
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	cfg := sound(t)
	cfg.DatabaseURL = config.Secret(testsvc.DurablePostgres(t))
	examine := func() doctor.Report {
		return doctor.Examine(t.Context(), doctor.Options{Config: cfg, Clock: clock.System{}})
	}
	r := examine()
	if d := find(t, r, "schema", doctor.OK); r.Failed() || d != "not made yet" {
		t.Errorf("an empty database: %+v", r)
	}
	st, err := postgres.Open(t.Context(), postgres.Options{URL: cfg.DatabaseURL.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Health.Close(); err != nil {
		t.Fatal(err)
	}
	r = examine()
	if r.Failed() {
		t.Errorf("%+v", r)
	}
	if d := find(t, r, "database", doctor.OK); !strings.Contains(d, "fsync on") {
		t.Error(d)
	}
	if d := find(t, r, "schema", doctor.OK); !strings.HasPrefix(d, "version ") {
		t.Error(d)
	}
	find(t, r, "clock", doctor.OK)

	db, closeAll, err := postgres.Offline(t.Context(), postgres.Options{URL: cfg.DatabaseURL.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(postgres.Mark(t.Context(), db, "was migrated to /srv/x"), closeAll()); err != nil {
		t.Fatal(err)
	}
	if d := find(t, examine(), "database", doctor.Fail); !strings.Contains(d, "migrated to /srv/x") {
		t.Error(d)
	}

	cfg.DatabaseURL = config.Secret(testsvc.Postgres(t)) // fsync is off there
	if d := find(t, examine(), "database", doctor.Fail); !strings.Contains(d, "fsync") {
		t.Error(d)
	}
	u, err := url.Parse(cfg.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/none"
	cfg.DatabaseURL = config.Secret(u.String())
	if d := find(t, examine(), "database", doctor.Fail); !strings.Contains(d, "none") {
		t.Error(d)
	}
}
