package postgres

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/testsvc"
)

func TestExamine(t *testing.T) {
	t.Parallel()
	url := testsvc.DurablePostgres(t)
	x, err := Examine(t.Context(), url)
	if err != nil || x.Refused != nil || x.Pooled || x.Schema != 0 || x.Known != 0 {
		t.Errorf("an empty database: %+v, %v", x, err)
	}
	if x.Version == "" || x.Fsync != "on" || x.FullPageWrites != "on" || x.SynchronousCommit != "on" {
		t.Errorf("settings: %+v", x)
	}
	if off := time.Since(x.Now).Abs(); off > time.Minute {
		t.Errorf("its clock is off by %v", off)
	}
	st, err := Open(t.Context(), Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	}()
	if x, err = Examine(t.Context(), url); err != nil || x.Refused != nil || x.Schema == 0 || x.Schema != x.Known {
		t.Errorf("beside a server: %+v, %v", x, err)
	}
	if x, err = Examine(t.Context(), testsvc.Postgres(t)); err != nil || x.Refused == nil || x.Fsync != "off" {
		t.Errorf("without fsync: %+v, %v", x, err)
	}
	if x, err = Examine(t.Context(), testsvc.PgBouncer(t)); err != nil || !x.Pooled {
		t.Errorf("through a pooler: %+v, %v", x, err)
	}
	if _, err = Examine(t.Context(), "postgres://ann:geheim@127.0.0.1:1/x"); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("nobody listens: %v", err)
	}
}
