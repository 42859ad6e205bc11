//go:build unix

package cli

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// TestHangupEndsTheCommand: without the end of the context, the signal would end
// this process and leave a command behind that has lost its lock.
func TestHangupEndsTheCommand(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("this process is to survive it")
	}
	ctx, stop := hangup(t.Context())
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if t.Context().Err() != nil {
		t.Error("the context of the caller ended")
	}
}
