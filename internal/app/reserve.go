package app

import (
	"context"
	"path/filepath"

	"github.com/runsheet/runsheet/internal/reserve"
)

// openReserve looks after the disk of the data folder. It comes before the
// database, which needs some space to open.
func (a *App) openReserve(ctx context.Context) error {
	a.reserve = reserve.New(reserve.Options{
		Path: filepath.Join(a.o.Config.Data, "reserve"), Later: true, Local: a.exclusive(), Clock: a.o.Clock, Logger: a.log,
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.reserve.Run(ctx)
	}()
	a.onStop("reserve", func() error {
		stop()
		<-done
		return nil
	})
	return nil
}

// spareLogs tells when output of jobs must not be written: it would use up the
// last space that the database needs to record how they end. A database on
// another machine gains nothing by that.
func (a *App) spareLogs(dir string) func() bool {
	return func() bool { return a.exclusive() && a.reserve.Full() && reserve.SameDisk(a.o.Config.Data, dir) }
}
