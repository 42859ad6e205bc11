package postgres

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestThrowaway: no database stays, not one whose making was given up, at whatever moment,
// and not when the connection that rests meanwhile is lost.
func TestThrowaway(t *testing.T) {
	t.Parallel()
	at := testsvc.Postgres(t)
	admin, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	// Tests beside this one may measure on the same server.
	known := databases(t, admin)
	a, err := NewThrowaway(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	var mine []string
	for range 2 {
		u, err := a.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := pgx.ParseConfig(u)
		if err != nil {
			t.Fatal(err)
		}
		mine = append(mine, c.Database)
	}
	for _, name := range mine {
		if !databases(t, admin)[name] || known[name] {
			t.Errorf("%s was not made", name)
		}
	}
	if _, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE '||$1||'%'`, mine[1]); err != nil {
		t.Fatal(err)
	}
	if err := a.Drop(t.Context()); err != nil {
		t.Error(err)
	}
	for i := range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*8)*time.Millisecond)
		u, err := a.Create(ctx)
		cancel()
		if err == nil {
			c, err := pgx.ParseConfig(u)
			if err != nil {
				t.Fatal(err)
			}
			mine = append(mine, c.Database)
		}
		if i%3 == 0 {
			if err := a.Drop(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	names := slices.Clone(a.made)
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	left := databases(t, admin)
	for _, name := range append(mine, names...) {
		if left[name] {
			t.Errorf("%s stays", name)
		}
	}
}

func databases(t *testing.T, c *pgx.Conn) map[string]bool {
	t.Helper()
	rows, err := c.Query(t.Context(), `SELECT datname FROM pg_database`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, n := range names {
		out[n] = true
	}
	return out
}
