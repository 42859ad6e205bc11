package app_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
)

func settings(t *testing.T) config.Config {
	t.Helper()
	return config.Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Workers: 1, StopGrace: time.Second, LeaseTTL: 30 * time.Second, LogMaxBytes: 1 << 20,
	}
}

// taken is an address that another program has.
func taken(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nothing uses it
	return l.Addr().String()
}

func TestStartSaysWhichDatabaseAndWhy(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.DatabaseURL = "postgres://ann:geheim@127.0.0.1:1/x"
	err := app.New(app.Options{Config: c}).Start(t.Context())
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.StorageUnavailable {
		t.Fatalf("err = %v, want storage_unavailable", err)
	}
	for _, want := range []string{"127.0.0.1:1", "connection refused"} {
		if !strings.Contains(f.Detail, want) {
			t.Errorf("%q is not said: %s", want, f.Detail)
		}
	}
	if strings.Contains(err.Error(), "geheim") {
		t.Errorf("the password shows: %v", err)
	}
}

func TestStartSaysThatThePortIsTaken(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.Listen = taken(t)
	err := app.New(app.Options{Config: c}).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another program listens on "+c.Listen) || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("err = %v", err)
	}
}

func TestDataFolderIsFreeAfterAFailedStart(t *testing.T) {
	t.Parallel()
	c := settings(t)
	free := c.Listen
	c.Listen = taken(t)
	if err := app.New(app.Options{Config: c}).Start(t.Context()); err == nil {
		t.Fatal("it listens on a taken port")
	}
	c.Listen = free
	a := app.New(app.Options{Config: c})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

// TestLiveEvents: a started server sends events, whether or not its Redis is
// there, and says so; stopping it ends the streams.
func TestLiveEvents(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.RedisURL = config.Secret("redis://" + taken(t)) // it accepts and says nothing
	a := app.New(app.Options{Config: c})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	local, err := config.ReadLocal(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(client.Options{URL: local.URL, Token: local.Token, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	since := int64(0)
	if _, err := cl.ScaleWorkers(ctx, 3, client.Call{}); err != nil {
		t.Fatal(err)
	}
	for e, err := range cl.Events(ctx, client.EventFilter{Topics: []string{"queue"}, Since: &since}) {
		if err != nil || e.Type != "workers.scaled" {
			t.Fatalf("%+v, %v", e, err)
		}
		if e.Data["workers"] == "3" {
			break
		}
	}
	// One stream stays open while the server stops.
	open, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var once sync.Once
		for _, err := range cl.Events(ctx, client.EventFilter{Since: &since}) {
			if err != nil {
				return
			}
			once.Do(func() { close(open) })
		}
	}()
	<-open
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	cancel()
	<-done
}

// TestNobodyIsServedBeforeTheFirstAdministrator: whoever came first from the
// network would become it.
func TestNobodyIsServedBeforeTheFirstAdministrator(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.Listen, c.BehindProxy = "0.0.0.0:0", true
	err := app.New(app.Options{Config: c}).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nobody can log in yet") || !strings.Contains(err.Error(), "RUNSHEET_ADMIN_TOKEN") {
		t.Errorf("err = %v", err)
	}
}
