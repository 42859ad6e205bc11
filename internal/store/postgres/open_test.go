package postgres_test

import (
	"strings"
	"testing"

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
