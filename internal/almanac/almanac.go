// Package almanac has the calendars that a tenant's schedules go by: those of the
// program, those of calendar packs, which take the place of shipped ones with the
// same code, and on top the tenant's own overrides.
//
//	packs, err := almanac.LoadFolder(dir)
//	a := almanac.New(almanac.Options{Packs: packs, Store: s.Calendars})
//	set, err := a.Of(ctx, tenant) // as the overrides are now
package almanac

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// Options of an Almanac. Store must be given.
type Options struct {
	Store store.Calendars
	// Packs are calendars beside the program's own.
	Packs  []*calendar.Calendar
	Logger *slog.Logger // nil: nothing is logged
}

// Almanac finds calendars. It is safe for concurrent use.
type Almanac struct {
	o    Options
	base func() (*calendar.Set, error)

	mu       sync.Mutex
	byTenant map[string]edition
}

// edition is a tenant's calendars at a version of its overrides.
type edition struct {
	version int64
	set     *calendar.Set
}

// maxEditions bounds what is kept; a tenant beyond it is read again when it asks.
const maxEditions = 1000

// New returns an almanac. The program's calendars are read when they are first
// needed; see Check.
func New(o Options) *Almanac {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Almanac{o: o, byTenant: map[string]edition{}, base: sync.OnceValues(func() (*calendar.Set, error) {
		shipped, err := calendar.Shipped()
		if err != nil {
			return nil, err
		}
		return shipped.With(o.Packs...)
	})}
}

// Check returns why the packs do not go together with the program's calendars; nil
// if they do.
func (a *Almanac) Check() error {
	_, err := a.base()
	return err
}

// Shipped returns the calendars without overrides.
func (a *Almanac) Shipped() (*calendar.Set, error) { return a.base() }

// Of returns the calendars of a tenant with its overrides as they are now.
func (a *Almanac) Of(ctx context.Context, tenant string) (*calendar.Set, error) {
	base, err := a.base()
	if err != nil {
		return nil, err
	}
	version, err := a.o.Store.Version(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return base, nil
	}
	a.mu.Lock()
	known, ok := a.byTenant[tenant]
	a.mu.Unlock()
	if ok && known.version == version {
		return known.set, nil
	}
	stored, err := a.o.Store.Overrides(ctx, tenant)
	if err != nil {
		return nil, err
	}
	set, err := base.With(a.overridden(base, tenant, stored.List)...)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.byTenant) >= maxEditions {
		clear(a.byTenant)
	}
	a.byTenant[tenant] = edition{stored.Version, set}
	return set, nil
}

// overridden returns the calendars that have overrides. One that does not fit any
// more, because a pack or a new program has changed the calendar, is left out: it
// must not stop all the others.
func (a *Almanac) overridden(base *calendar.Set, tenant string, list []store.Override) []*calendar.Calendar {
	var out []*calendar.Calendar
	for part := range slices.Values(byCalendar(list)) {
		code := part[0].Calendar
		c, err := base.Get(code)
		if err != nil {
			a.o.Logger.Warn("overrides of a calendar that does not exist any more", "tenant", tenant, "calendar", code)
			continue
		}
		whole, err := c.With(plain(part))
		if err == nil {
			out = append(out, whole)
			continue
		}
		for _, o := range part {
			if next, err := c.With(plain([]store.Override{o})); err == nil {
				c = next
			} else {
				a.o.Logger.Warn("an override does not fit its calendar any more", "tenant", tenant, "calendar", code, "date", o.Date.String(), "error", err)
			}
		}
		out = append(out, c)
	}
	return out
}

// byCalendar divides a list that is sorted by calendars.
func byCalendar(list []store.Override) [][]store.Override {
	var out [][]store.Override
	for i, o := range list {
		if i == 0 || list[i-1].Calendar != o.Calendar {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], o)
	}
	return out
}

func plain(list []store.Override) []calendar.Override {
	out := make([]calendar.Override, 0, len(list))
	for _, o := range list {
		out = append(out, o.Override)
	}
	return out
}

// LoadFolder reads the calendar packs of a folder: data files (*.cal) and archives
// of them (*.zip). Folders below it and other files are passed over. The error
// names the file, and the line of a data file.
func LoadFolder(dir string) ([]*calendar.Calendar, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read calendar packs: %w", err)
	}
	var out []*calendar.Calendar
	files := map[string]string{}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() || !strings.HasSuffix(name, ".cal") && !strings.HasSuffix(name, ".zip") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read calendar packs: %w", err)
		}
		list, err := calendar.LoadPack(name, data)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			if other, twice := files[c.Code()]; twice {
				return nil, fault.Newf(fault.InvalidInput, "%s and %s both have the calendar %s", other, name, c.Code())
			}
			files[c.Code()] = name
		}
		out = append(out, list...)
	}
	return out, nil
}
