package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/runsheet/runsheet/internal/almanac"
)

// openCalendars reads the calendar packs. One that is wrong stops the start:
// schedules that fire on a holiday are found out too late.
func (a *App) openCalendars(context.Context) error {
	dir := a.o.Config.CalendarsDir
	own := dir == ""
	if own {
		dir = filepath.Join(a.o.Config.Data, "calendars")
	}
	packs, err := almanac.LoadFolder(dir)
	if err != nil && (!own || !errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("load the calendar packs of %s: %w", dir, err)
	}
	a.almanac = almanac.New(almanac.Options{Store: a.store.Calendars, Packs: packs, Logger: a.log})
	if len(packs) == 0 {
		return nil // the program's own calendars were checked when it was built
	}
	if err := a.almanac.Check(); err != nil {
		return fmt.Errorf("load the calendar packs of %s: %w", dir, err)
	}
	a.log.Info("calendar packs loaded", "folder", dir, "calendars", len(packs))
	return nil
}
