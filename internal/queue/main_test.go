package queue_test

import (
	"testing"

	"go.uber.org/goleak"
)

// The benchmarks' PostgreSQL server is waited for until the process ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}
