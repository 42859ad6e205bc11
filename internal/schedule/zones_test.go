package schedule

import (
	"archive/zip"
	"encoding/binary"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// zoneSpecs are compared with the reference in every zone.
var zoneSpecs = []struct {
	expr string
	dst  DST
}{
	{expr: "* * * * *"},
	{expr: "*/15 * * * *"},
	{expr: "0 * * * *"},
	{expr: "30 * * * *"},
	{expr: "*/20 2 * * *"},
	{expr: "0-59/20 2 * * *"},
	{expr: "0 */2 * * *"},
	{expr: "7 */3 * * SUN"},
	{expr: "0 0-23 * * *"},
	{expr: "0,30 0-4 * * *"},
	{expr: "0 0 * * *"},
	{expr: "15 0 * * *"},
	{expr: "30 1 * * *"},
	{expr: "0 2 * * *"},
	{expr: "30 2 * * *"},
	{expr: "45 2,3 * * *"},
	{expr: "0 3 * * *"},
	{expr: "59 23 * * *"},
	{expr: "30 23 * * 6,0"},
	{expr: "0 9 * * MON-FRI"},
	{expr: "30 2 * * 0"},
	{expr: "30 2 L * *"},
	{expr: "0 1 LW * *"},
	{expr: "0 0 L-2 * *"},
	{expr: "0 0 15W * *"},
	{expr: "30 0 1W,31W * *"},
	{expr: "15 2 * * 0L"},
	{expr: "15 2 * 3,10 7L"},
	{expr: "0 2 * * SUN#2"},
	{expr: "30 1 * * SUN#1,SUN#5"},
	{expr: "0 12 13 * FRI"},
	{expr: "0 12 13 * +FRI"},
	{expr: "0 0 */2 * MON"},
	{expr: "0 0 29 2 *"},
	{expr: "0 0 1 JAN,APR,JUL,OCT *"},
	{expr: "5 4 31 * *"},
	{expr: "30 2 * * *", dst: DST{Gap: GapSkip}},
	{expr: "30 1,2 * * *", dst: DST{Overlap: OverlapSecond}},
	{expr: "*/30 * * * *", dst: DST{Overlap: OverlapFirst}},
	{expr: "15 0-3 * * *", dst: DST{Overlap: OverlapBoth}},
}

// secondSpecs are compared second by second, where clocks did odd things.
var secondSpecs = []struct {
	expr string
	dst  DST
}{
	{expr: "* * * * * *"},
	{expr: "0 0 * * * *"},
	{expr: "0 0 0 * * *"},
	{expr: "30 59 23 * * *"},
	{expr: "*/7 * 0-2 * * *"},
	{expr: "5-50/9 30 0-23 * * *"},
	{expr: "15 */10 0,12 * * *"},
	{expr: "10,20 5 * * * *"},
	{expr: "59 59 0-23/3 * * *", dst: DST{Overlap: OverlapBoth}},
	{expr: "0 0-59 0-23 * * *", dst: DST{Gap: GapSkip, Overlap: OverlapSecond}},
	{expr: "0 0 0 L * ? *"},
}

// odd are changes of clocks that break programs, by the year they happened in.
var odd = []struct {
	zone string
	year int
}{
	{"Australia/Lord_Howe", 2024}, // half an hour
	{"Pacific/Apia", 2011},        // a day left out
	{"Pacific/Fakaofo", 2011},     // the same, to UTC+13
	{"Pacific/Kwajalein", 1993},   // a day left out
	{"Africa/Cairo", 2014},        // two summers in one year, at midnight
	{"Africa/Cairo", 2023},        // at 24:00 of a Thursday
	{"Antarctica/Troll", 2024},    // two hours
	{"Africa/Casablanca", 2024},   // summer all year but Ramadan
	{"Africa/El_Aaiun", 2021},
	{"Europe/Dublin", 2024},     // winter time is the exception
	{"America/Sao_Paulo", 2018}, // at midnight
	{"Asia/Beirut", 2023},       // at midnight
	{"America/Asuncion", 2024},  // at midnight, then for ever
	{"America/Santiago", 2024},  // at 24:00
	{"America/Havana", 2024},    // at midnight and at 1
	{"America/Nuuk", 2023},      // at 22:00 of a Saturday, changed zone
	{"America/Nuuk", 2024},
	{"America/Scoresbysund", 2024},
	{"Asia/Gaza", 2024},
	{"Asia/Tehran", 2022},
	{"Asia/Amman", 2022},
	{"Asia/Damascus", 2022},
	{"Asia/Pyongyang", 2015},
	{"Asia/Pyongyang", 2018},
	{"Asia/Kathmandu", 1986},   // 15 minutes
	{"Asia/Singapore", 1982},   // half an hour for ever
	{"America/Caracas", 2016},  // half an hour
	{"Pacific/Chatham", 2024},  // at 2:45
	{"Pacific/Norfolk", 2019},  // a new DST
	{"Antarctica/Casey", 2018}, // three hours at once
	{"Antarctica/Casey", 2023},
	{"Antarctica/Vostok", 2023},
	{"Asia/Almaty", 2024},
	{"Africa/Juba", 2021},
	{"Africa/Windhoek", 2017},
	{"Europe/Volgograd", 2020},
	{"Europe/Istanbul", 2016},
	{"Europe/Simferopol", 2014}, // two hours
	{"America/Metlakatla", 2018},
	{"America/New_York", 2026},
	{"Europe/London", 1968}, // a winter without change
	{"Europe/Paris", 2026},
	{"Europe/Warsaw", 1944},
	{"Asia/Seoul", 1988},
	{"Asia/Jerusalem", 2024},
	{"UTC", 2024},
}

func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

func mustZone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	zone, err := LoadZone(name)
	if err != nil {
		tb.Fatal(err)
	}
	return zone
}

// alone skips a comparison with -short, which the race detector runs: it is one
// long computation that nobody shares.
func alone(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("one goroutine computes: nothing for the race detector; run without -short")
	}
}

// TestOddZones compares with the reference in the years in which clocks did
// unusual things.
func TestOddZones(t *testing.T) {
	t.Parallel()
	alone(t)
	refs := make([]*refSpec, len(zoneSpecs))
	for i, s := range zoneSpecs {
		refs[i] = newRef(s.expr, s.dst)
	}
	zones := slimZones(t)
	for _, o := range odd {
		zone := zones[o.zone]
		w := walk(zone, year(o.year).AddDate(0, 0, -3), year(o.year+1).AddDate(0, 0, 3), 60)
		for _, r := range refs[1:] { // every minute takes too long here
			compare(t, zone, r, w)
		}
	}
}

// TestOddSeconds compares second by second around changes that are not on a
// full minute, and around some that are.
func TestOddSeconds(t *testing.T) {
	t.Parallel()
	alone(t)
	for _, c := range []struct{ zone, around string }{
		{"Africa/Monrovia", "1972-01-07"},  // 44:30 forward
		{"Asia/Seoul", "1908-04-01"},       // from local mean time
		{"America/New_York", "1883-11-18"}, // back by 3:58
		{"Europe/Amsterdam", "1937-07-01"},
		{"Europe/Dublin", "1916-05-21"},
		{"Asia/Manila", "1844-12-31"},       // a day left out
		{"America/Juneau", "1867-10-19"},    // a day twice
		{"America/Sitka", "1867-10-19"},     // the same
		{"Pacific/Kwajalein", "1969-10-01"}, // most of a day twice
		{"Australia/Lord_Howe", "2024-04-07"},
		{"Australia/Lord_Howe", "2024-10-06"},
		{"Pacific/Apia", "2011-12-30"},
		{"America/New_York", "2026-11-01"},
	} {
		zone := mustZone(t, c.zone)
		middle, err := time.Parse(time.DateOnly, c.around)
		if err != nil {
			t.Fatal(err)
		}
		w := walk(zone, middle.AddDate(0, 0, -3), middle.AddDate(0, 0, 4), 1)
		for _, s := range secondSpecs {
			compare(t, zone, newRef(s.expr, s.dst), w)
		}
	}
}

// TestEveryZone compares in all zones: all 40 expressions over three years with
// RUNSHEET_ZONES=full (make zones; some ten minutes), otherwise one expression
// a zone over one year.
func TestEveryZone(t *testing.T) {
	t.Parallel()
	alone(t)
	full := os.Getenv("RUNSHEET_ZONES") == "full"
	zones := slimZones(t)
	names := slices.Sorted(maps.Keys(zones))
	refs := make([]*refSpec, len(zoneSpecs))
	for i, s := range zoneSpecs {
		refs[i] = newRef(s.expr, s.dst)
	}
	if !full {
		for i, name := range names {
			if i%8 != 0 {
				continue
			}
			zone := zones[name]
			w := walk(zone, year(2027).AddDate(0, 6, 0), year(2029).AddDate(0, -6, 0), 60) // with a leap day
			compare(t, zone, refs[1+i/8%(len(refs)-1)], w)
			compare(t, zone, refs[1+(i/8*7+3)%(len(refs)-1)], w)
		}
		return
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			zone := zones[name]
			w := walk(zone, year(2024).AddDate(0, 0, -3), year(2027).AddDate(0, 0, 3), 60)
			for _, r := range refs {
				compare(t, zone, r, w)
			}
		})
	}
}

// slimZones reads the standard library's copy of the zone database, which is
// also what is built into the program: its tables end with the last rule, while
// those of many systems go on to 2037.
func slimZones(t *testing.T) map[string]*time.Location {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = archive.Close() })
	zones := map[string]*time.Location{}
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") || f.Name == "Factory" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if zones[f.Name], err = time.LoadLocationFromTZData(f.Name, data); err != nil {
			t.Fatal(err)
		}
	}
	if len(zones) < 550 {
		t.Fatalf("%d zones only", len(zones))
	}
	return zones
}

// madeUpZone builds a zone that starts with the first offset and changes to the
// others at the given instants (RFC 8536, version 1).
func madeUpZone(t fataler, changes []int64, offsets []int32) *time.Location {
	t.Helper()
	data := []byte("TZif\x00")
	data = append(data, make([]byte, 15)...)
	for _, n := range []int{0, 0, 0, len(changes), len(offsets), 4} {
		data = binary.BigEndian.AppendUint32(data, uint32(n))
	}
	for _, u := range changes {
		data = binary.BigEndian.AppendUint32(data, uint32(u))
	}
	for i := range changes {
		data = append(data, byte(i+1))
	}
	for _, offset := range offsets {
		data = append(binary.BigEndian.AppendUint32(data, uint32(offset)), 0, 0)
	}
	zone, err := time.LoadLocationFromTZData("Made/Up", append(data, "ABC\x00"...))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return zone
}

// TestMadeUpZones compares in zones that change their clocks several times
// within hours, as no real one does.
func TestMadeUpZones(t *testing.T) {
	t.Parallel()
	middle := year(2026).Unix()
	rapid.Check(t, func(t *rapid.T) {
		offset := int32(rapid.IntRange(-40, 40).Draw(t, "offset"))
		offsets := []int32{offset * 900}
		var changes []int64
		at := middle
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			at += int64(rapid.IntRange(1, 30).Draw(t, "after")) * 900
			changes = append(changes, at)
			offset = min(max(offset+int32(rapid.SampledFrom([]int{-16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 12, 13, 20}).Draw(t, "by")), -48), 48)
			offsets = append(offsets, offset*900)
		}
		zone := madeUpZone(t, changes, offsets)
		w := walk(zone, time.Unix(middle, 0).AddDate(0, 0, -3), time.Unix(middle, 0).AddDate(0, 0, 6), 60)
		for range 3 {
			expr := anyNumbers(t, 0, 59) + " " + anyNumbers(t, 0, 23) + " " + rapid.SampledFrom([]string{"* * *", "* * 4,5,6", "L * 5"}).Draw(t, "days")
			compare(t, zone, newRef(expr, anyDST(t)), w)
		}
	})
}
