package app

import (
	"context"
	"fmt"

	"github.com/runsheet/runsheet/internal/inbox"
)

// startInbox ends requests for approvals as they expire, until the server stops.
func (a *App) startInbox(ctx context.Context) error {
	in := inbox.New(inbox.Options{Approvals: a.store.Approvals, Watch: a.store.Events.Watch, Clock: a.o.Clock, Logger: a.log})
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := in.Run(run)
		done <- err
		if err != nil {
			a.fail(fmt.Errorf("inbox: %w", err))
		}
	}()
	a.onStop("inbox", func() error {
		stop()
		return <-done
	})
	return nil
}
