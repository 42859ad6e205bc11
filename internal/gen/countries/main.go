// Command countries writes the public holidays of countries and regions as
// calendar data files, from the definitions of the module rickar/cal. Run it
// from the repository's root.
package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/ar"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/au"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/ecb"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/mw"
	"github.com/rickar/cal/v2/nc"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/ru"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
	"github.com/rickar/cal/v2/ua"
	"github.com/rickar/cal/v2/us"
	"github.com/rickar/cal/v2/za"

	"github.com/runsheet/runsheet/internal/calendar"
)

// The years that are written.
const firstYear, lastYear = 2015, 2030

// perLine is how many dates stand in one line.
const perLine = 8

func main() {
	if err := run(filepath.Join("internal", "calendar", "data", "gen")); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("write the holidays of countries", "error", err)
		os.Exit(1)
	}
}

// place is a country or a region and its holidays.
type place struct {
	code, name string
	holidays   []*cal.Holiday
}

func run(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, p := range append(countries(), regions()...) {
		text := p.file()
		name := filepath.Join(folder, strings.ToLower(p.code)+".cal")
		if _, err := calendar.Load(name, text); err != nil {
			return err
		}
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// file writes the data file of a place. Days without work on a weekend change
// nothing and are left out, as is a second holiday on the same day.
func (p place) file() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `runsheet-calendar 1
# Written by make generate. Do not edit.
mic %s
name "Working days: %s"
zone floating
valid %d-01-01..%d-12-31
source "Go module github.com/rickar/cal/v2"

week mon tue wed thu fri
hours 00:00-24:00

`, p.code, p.name, firstYear, lastYear)
	taken := map[calendar.Date]bool{}
	for _, h := range p.holidays {
		if h.Type != cal.ObservancePublic && h.Type != cal.ObservanceBank {
			continue
		}
		var days []string
		// An observed day may be in the year before or after.
		for year := firstYear - 1; year <= lastYear+1; year++ {
			actual, observed := h.Calc(year)
			for _, t := range []time.Time{actual, observed} {
				d := calendar.DateOf(t)
				weekend := t.Weekday() == time.Saturday || t.Weekday() == time.Sunday
				if t.IsZero() || weekend || taken[d] || d.Year() < firstYear || d.Year() > lastYear {
					continue
				}
				taken[d] = true
				days = append(days, d.String())
			}
		}
		reason := strings.TrimSpace(strings.ReplaceAll(h.Name, `"`, "'"))
		for len(days) > 0 {
			n := min(perLine, len(days))
			fmt.Fprintf(&b, "closed on %s \"%s\"\n", strings.Join(days[:n], " "), reason)
			days = days[n:]
		}
	}
	return b.Bytes()
}

// funeral is a bank holiday that the module does not know.
var funeral = &cal.Holiday{
	Name: "State funeral of Queen Elizabeth II", Type: cal.ObservanceBank,
	Month: time.September, Day: 19, StartYear: 2022, EndYear: 2022, Func: cal.CalcDayOfMonth,
}

func countries() []place {
	return []place{
		{"AR", "Argentina", ar.Holidays},
		{"AT", "Austria", at.Holidays},
		{"BE", "Belgium", be.Holidays},
		{"BG", "Bulgaria", bg.Holidays},
		{"BR", "Brazil", br.Holidays},
		{"CA", "Canada", ca.Holidays},
		{"CH", "Switzerland", ch.Holidays},
		{"CZ", "Czechia", cz.Holidays},
		{"DE", "Germany", de.Holidays},
		{"DK", "Denmark", dk.Holidays},
		{"ES", "Spain", es.Holidays},
		{"FR", "France", fr.Holidays},
		{"GB", "England and Wales", append(slices.Clone(gb.Holidays), funeral)},
		{"GR", "Greece", gr.Holidays},
		{"HR", "Croatia", hr.Holidays},
		{"IE", "Ireland", ie.Holidays},
		{"IT", "Italy", it.Holidays},
		{"JP", "Japan", jp.Holidays},
		{"LT", "Lithuania", lt.Holidays},
		{"LV", "Latvia", lv.Holidays},
		{"MW", "Malawi", mw.Holidays},
		{"NC", "New Caledonia", nc.Holidays},
		{"NL", "Netherlands", nl.Holidays},
		{"NO", "Norway", no.Holidays},
		{"NZ", "New Zealand", nz.Holidays},
		{"PL", "Poland", pl.Holidays},
		{"RO", "Romania", ro.Holidays},
		{"RU", "Russia", ru.Holidays},
		{"SE", "Sweden", se.Holidays},
		{"SI", "Slovenia", si.Holidays},
		{"SK", "Slovakia", sk.Holidays},
		{"UA", "Ukraine", ua.Holidays},
		{"US", "United States", us.Holidays},
		{"ZA", "South Africa", za.Holidays},
		{"TARGET", "TARGET, the payment system of the euro", ecb.Holidays},
	}
}

func regions() []place {
	var all []place
	for _, c := range []struct {
		code, name string
		regions    []place
	}{
		{"AU", "Australia", []place{
			{name: "ACT", holidays: au.HolidaysACT},
			{name: "NSW", holidays: au.HolidaysNSW},
			{name: "NT", holidays: au.HolidaysNT},
			{name: "QLD", holidays: au.HolidaysQLD},
			{name: "SA", holidays: au.HolidaysSA},
			{name: "TAS", holidays: au.HolidaysTAS},
			{name: "VIC", holidays: au.HolidaysVIC},
			{name: "WA", holidays: au.HolidaysWA},
		}},
		{"CH", "Switzerland", []place{
			{name: "ZH", holidays: ch.HolidaysZH},
			{name: "BE", holidays: ch.HolidaysBE},
			{name: "LU", holidays: ch.HolidaysLU},
			{name: "UR", holidays: ch.HolidaysUR},
			{name: "SZ", holidays: ch.HolidaysSZ},
			{name: "OW", holidays: ch.HolidaysOW},
			{name: "NW", holidays: ch.HolidaysNW},
			{name: "GL", holidays: ch.HolidaysGL},
			{name: "ZG", holidays: ch.HolidaysZG},
			{name: "FR", holidays: ch.HolidaysFR},
			{name: "SO", holidays: ch.HolidaysSO},
			{name: "BS", holidays: ch.HolidaysBS},
			{name: "BL", holidays: ch.HolidaysBL},
			{name: "SH", holidays: ch.HolidaysSH},
			{name: "AR", holidays: ch.HolidaysAR},
			{name: "AI", holidays: ch.HolidaysAI},
			{name: "SG", holidays: ch.HolidaysSG},
			{name: "GR", holidays: ch.HolidaysGR},
			{name: "AG", holidays: ch.HolidaysAG},
			{name: "TG", holidays: ch.HolidaysTG},
			{name: "VD", holidays: ch.HolidaysVD},
			{name: "TI", holidays: ch.HolidaysTI},
			{name: "VS", holidays: ch.HolidaysVS},
			{name: "NE", holidays: ch.HolidaysNE},
			{name: "GE", holidays: ch.HolidaysGE},
			{name: "JU", holidays: ch.HolidaysJU},
		}},
		{"DE", "Germany", []place{
			{name: "BW", holidays: de.HolidaysBW},
			{name: "BY", holidays: de.HolidaysBY},
			{name: "BE", holidays: de.HolidaysBE},
			{name: "BB", holidays: de.HolidaysBB},
			{name: "HB", holidays: de.HolidaysHB},
			{name: "HH", holidays: de.HolidaysHH},
			{name: "HE", holidays: de.HolidaysHE},
			{name: "MV", holidays: de.HolidaysMV},
			{name: "NI", holidays: de.HolidaysNI},
			{name: "NW", holidays: de.HolidaysNW},
			{name: "RP", holidays: de.HolidaysRP},
			{name: "SL", holidays: de.HolidaysSL},
			{name: "SN", holidays: de.HolidaysSN},
			{name: "ST", holidays: de.HolidaysST},
			{name: "SH", holidays: de.HolidaysSH},
			{name: "TH", holidays: de.HolidaysTH},
		}},
	} {
		for _, r := range c.regions {
			all = append(all, place{c.code + "-" + r.name, c.name + ", " + r.name, r.holidays})
		}
	}
	return all
}
