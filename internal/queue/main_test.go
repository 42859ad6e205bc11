package queue_test

import (
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/id"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/runsheet/runsheet/internal/testsvc.account.serve.func1"))
}

func newJobID() string { return id.New(id.Job, time.Now()) }

func logTo(l *memLog) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
