package almanac_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/almanac"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/store"
)

// overrides is the part of a store that an almanac reads; it counts the reads.
type overrides struct {
	store.Calendars
	version int64
	list    []store.Override
	reads   int
}

func (o *overrides) Version(context.Context, string) (int64, error) { return o.version, nil }

func (o *overrides) Overrides(context.Context, string) (store.Overrides, error) {
	o.reads++
	return store.Overrides{Version: o.version, List: o.list}, nil
}

func closed(code string, d calendar.Date) store.Override {
	return store.Override{Calendar: code, Override: calendar.Override{Date: d, Kind: calendar.OverrideClosed}}
}

func isSession(t *testing.T, a *almanac.Almanac, code string, d calendar.Date) bool {
	t.Helper()
	set, err := a.Of(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	c, err := set.Get(code)
	if err != nil {
		t.Fatal(err)
	}
	return c.IsSession(d)
}

// TestOverridesByVersion: a change counts at once, and is read once.
func TestOverridesByVersion(t *testing.T) {
	t.Parallel()
	s := &overrides{}
	a := almanac.New(almanac.Options{Store: s})
	monday := calendar.NewDate(2026, time.July, 6)
	if !isSession(t, a, "XNYS", monday) || s.reads != 0 {
		t.Errorf("without overrides: %d reads", s.reads)
	}
	s.version, s.list = 1, []store.Override{closed("XNYS", monday)}
	if isSession(t, a, "NYSE", monday) || isSession(t, a, "XNYS", monday) || !isSession(t, a, "XNAS", monday) || s.reads != 1 {
		t.Errorf("with one override: %d reads", s.reads)
	}
	s.version, s.list = 2, nil
	if !isSession(t, a, "XNYS", monday) {
		t.Error("the override stays")
	}
}

// TestOverridesThatFitNoMore: they must not hide the others.
func TestOverridesThatFitNoMore(t *testing.T) {
	t.Parallel()
	monday := calendar.NewDate(2026, time.July, 6)
	bad := store.Override{Calendar: "XNYS", Override: calendar.Override{Date: monday + 1, Kind: calendar.OverrideHours, Open: "x", Close: "y"}}
	a := almanac.New(almanac.Options{Store: &overrides{version: 1, list: []store.Override{closed("GONE", monday), closed("XNYS", monday), bad}}})
	if isSession(t, a, "XNYS", monday) || !isSession(t, a, "XNYS", monday+1) {
		t.Error("the good override does not count, or the bad one does")
	}
}

const pack = "runsheet-calendar 1\nmic XTST\nname \"Test\"\nzone Europe/Paris\nvalid 2025-01-01..2027-12-31\nverified 2025-01-01..2026-12-31\n" +
	"source \"A list\"\nweek mon tue wed thu fri\nhours 09:00-17:00\n"

func TestLoadFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("xtst.cal", pack)
	write("readme.txt", "not a calendar")
	packs, err := almanac.LoadFolder(dir)
	if err != nil || len(packs) != 1 {
		t.Fatalf("%d calendars, %v", len(packs), err)
	}
	a := almanac.New(almanac.Options{Store: &overrides{}, Packs: packs})
	if err := a.Check(); err != nil || !isSession(t, a, "XTST", calendar.NewDate(2026, time.July, 6)) {
		t.Errorf("the pack is not there: %v", err)
	}
	write("again.cal", pack)
	if _, err := almanac.LoadFolder(dir); err == nil || !strings.Contains(err.Error(), "again.cal") || !strings.Contains(err.Error(), "xtst.cal") {
		t.Errorf("two files of one calendar: %v", err)
	}
	write("again.cal", strings.Replace(pack, "week mon", "week moon", 1))
	if _, err := almanac.LoadFolder(dir); err == nil || !strings.Contains(err.Error(), "again.cal:8") {
		t.Errorf("a wrong line: %v", err)
	}
	if _, err := almanac.LoadFolder(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist is loaded")
	}
	taken := strings.Replace(pack, "name \"Test\"", "name \"Test\"\nalias XNYS", 1)
	c, err := calendar.Load("t.cal", []byte(taken))
	if err != nil {
		t.Fatal(err)
	}
	if err := almanac.New(almanac.Options{Store: &overrides{}, Packs: []*calendar.Calendar{c}}).Check(); err == nil {
		t.Error("a pack takes the name of another calendar")
	}
}
