package calendar

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
)

// ical wraps the lines of events.
func ical(lines ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VCALENDAR\r\n"
}

func TestReadOverrides(t *testing.T) {
	t.Parallel()
	cal := load(t) // Europe/Paris
	closure := Override{Date: date(t, "2026-12-24"), Kind: OverrideClosed, Reason: "Feast, and rest"}
	hours := Override{Date: date(t, "2026-12-23"), Kind: OverrideHours, Open: "09:30", Close: "14:00"}
	for name, c := range map[string]struct {
		text string
		want []Override
	}{
		"csv": {"# ours\ndate,kind,open,close,reason\n2026-12-24,closed,,,\"Feast, and rest\"\n2026-12-23, hours, 09:30, 14:00,\n", []Override{closure, hours}},
		"json": {`[{"date":"2026-12-24","kind":"closed","reason":"Feast, and rest"},
			{"date":"2026-12-23","kind":"hours","open":"09:30","close":"14:00","break_start":null}]`, []Override{closure, hours}},
		"empty list": {"[]", nil},
		"ical": {ical(
			"BEGIN:VTIMEZONE", "TZID:Europe/London", "BEGIN:STANDARD", "DTSTART:19701025T020000", "RRULE:FREQ=YEARLY", "END:STANDARD", "END:VTIMEZONE",
			"BEGIN:VEVENT", "UID:1", "DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261225", `SUMMARY:Feast\, and`, "  rest", "BEGIN:VALARM", "DURATION:PT1M", "END:VALARM", "END:VEVENT",
			"BEGIN:VEVENT", "DTSTART;TZID=\"Europe/London\":20261223T083000", "DTEND:20261223T130000Z", "END:VEVENT",
			"BEGIN:VEVENT", "DTSTART:20261222", "DURATION:P2D", "STATUS:CANCELLED", "END:VEVENT",
		), []Override{closure, hours}},
		"ical, days and kinds": {ical(
			"BEGIN:VEVENT", "DTSTART:20260801", "DURATION:P2D", "CATEGORIES:work,OPEN", "END:VEVENT",
			"BEGIN:VEVENT", "DTSTART:20260803T200000", "DURATION:PT4H", "END:VEVENT",
			"BEGIN:VEVENT", "DTSTART:20260804T200000", "DTEND:20260805T040000", "END:VEVENT",
			"BEGIN:VEVENT", "DTSTART:20260806", "x-runsheet-kind:closed", "CATEGORIES:OPEN", "END:VEVENT",
		), []Override{
			{Date: date(t, "2026-08-01"), Kind: OverrideOpen},
			{Date: date(t, "2026-08-02"), Kind: OverrideOpen},
			{Date: date(t, "2026-08-03"), Kind: OverrideHours, Open: "20:00", Close: "24:00"},
			{Date: date(t, "2026-08-05"), Kind: OverrideHours, Open: "20:00", Close: "04:00"},
			{Date: date(t, "2026-08-06"), Kind: OverrideClosed},
		}},
	} {
		got, err := ReadOverrides("f", []byte(c.text), cal)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if _, err := cal.With(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadWrongOverrides(t *testing.T) {
	t.Parallel()
	cal := load(t)
	event := func(lines ...string) string {
		return ical(append(append([]string{"BEGIN:VEVENT"}, lines...), "END:VEVENT")...)
	}
	for _, c := range []struct{ text, want string }{
		{"", "f: the file is empty"},
		{"#\n", "no line with the names of the columns"},
		{"date,kind,colour\n", `f:1: unknown column "colour"`},
		{"date,open\n", "f:1: the columns date and kind are needed"},
		{"date,kind,date\n", "f:1: column date stands twice"},
		{"date,kind\n2026-02-30,closed\n", "f:2: \"2026-02-30\" is no date"},
		{"date,kind\n2026-02-20,shut\n", "f:2: \"shut\" is none of"},
		{"date,kind\n2026-02-20\n", "line 2"},
		{"[1]", "entry 1: it is no object"},
		{`[{"date":"2026-02-20"}]`, "entry 1: kind is missing"},
		{`[{"kind":"closed"}]`, "entry 1: date is missing"},
		{`[{"date":"2026-02-20","date":"2026-02-21"}]`, "date stands twice"},
		{`[{"Date":"2026-02-20"}]`, `unknown name "Date"`},
		{`[{"date":20260220}]`, "date is no text"},
		{`[{"date":"2026-02-20","kind":"closed"}] x`, "entry 2"},
		{`[{"date":"2026-02-20","kind":"closed"}`, "does not end"},
		{"BEGIN:VCALENDAR\n", `f:2: the file ends within "VCALENDAR"`},
		{ical("END:VEVENT"), `f:3: "VEVENT" ends here`},
		{ical("BEGIN:VEVENT", "BEGIN:VEVENT"), "f:4: an event begins within another"},
		{ical("nonsense"), "f:3: this is no property"},
		{ical() + "X:1\r\n", `f:5: "X" stands outside`},
		{event("SUMMARY:x"), "f:3: the event has no DTSTART"},
		{event("DTSTART:20260101", "RRULE:FREQ=YEARLY"), "f:5: RRULE: recurring events are not read"},
		{event("DTSTART:20260101", "DTSTART:20260101"), "f:5: DTSTART stands here a second time"},
		{event("DTSTART:20260230"), `"20260230" is no date`},
		{event("DTSTART:20260101T2500"), "is no time"},
		{event("DTSTART:20260101T100030", "DURATION:PT1H"), "whole minutes"},
		{event("DTSTART;TZID=Mars:20260101T100000", "DURATION:PT1H"), `TZID "Mars" is no IANA zone`},
		{event("DTSTART:20260101", "DTEND:20260101"), "does not end 1 to 366 days"},
		{event("DTSTART:20260101", "DTEND:20280101"), "does not end 1 to 366 days"},
		{event("DTSTART:20260101", "DURATION:PT4H"), "DURATION has hours"},
		{event("DTSTART:20260101", "DURATION:4D"), "no duration"},
		{event("DTSTART:20260101T100000"), "no time of its end"},
		{event("DTSTART:20260101T100000", "DTEND:20260102T110000"), "within 24 hours"},
		{event("DTSTART:20260101T100000", "DTEND:20260101T090000"), "within 24 hours"},
		{event("DTSTART:20260101T100000", "DURATION:PT1H", "CATEGORIES:CLOSED"), "has no kind"},
		{event("DTSTART:20260101", "X-RUNSHEET-KIND:maybe"), "neither closed nor open"},
		{ical("BEGIN:VEVENT", "DTSTART:20260101", "END:VEVENT", "BEGIN:VEVENT", "DTSTART:20260101", "END:VEVENT"), "f:6: a second event of 2026-01-01"},
	} {
		_, err := ReadOverrides("f", []byte(c.text), cal)
		if !fault.Is(err, fault.InvalidInput) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got  %v\n want %s", c.text, err, c.want)
		}
	}
}

// TestFaultsAreShort: a file is never repeated in what is said of it.
func TestFaultsAreShort(t *testing.T) {
	t.Parallel()
	cal := load(t)
	for _, long := range []string{strings.Repeat("A", 900_000), strings.Repeat("\u00fc", 400_000), strings.Repeat("\x01", 200_000)} {
		for _, text := range []string{
			long, "\"" + long, "\"" + long + "\"\n", "date,kind\n" + long + ",closed\n", "date,kind\n2026-02-20," + long + "\n",
			"date,kind\n2026-02-20,closed," + long + "\n", "[" + long, `[{"` + long + `":"x"}]`, `[{"date":"` + long + `"}]`, `[{"kind":"` + long + `"}]`,
			"BEGIN:VCALENDAR\n" + long, ical("BEGIN:" + long), ical("END:" + long), ical(long + ":x"), "BEGIN:VCALENDAR\nBEGIN:" + long,
			ical("BEGIN:VEVENT", "DTSTART:"+long), ical("BEGIN:VEVENT", "DTSTART;TZID="+long+":20260101T100000"),
			ical("BEGIN:VEVENT", "DURATION:"+long), ical("BEGIN:VEVENT", "X-RUNSHEET-KIND:"+long),
		} {
			if _, err := ReadOverrides("f", []byte(text), cal); err != nil && len(err.Error()) > 600 {
				t.Errorf("%.40q: a fault of %d bytes", text, len(err.Error()))
			}
		}
		if _, err := cal.With([]Override{{Date: date(t, "2026-02-20"), Kind: OverrideHours, Open: long}}); err == nil || len(err.Error()) > 600 {
			t.Errorf("a long time: a fault of %d bytes", len(err.Error()))
		}
	}
}

func FuzzReadOverrides(f *testing.F) {
	f.Add(ical("BEGIN:VEVENT", "DTSTART;TZID=\"Europe/London\":20261223T083000", "DURATION:PT4H30M", "SUMMARY:a\\,b", "END:VEVENT"))
	f.Add(ical("BEGIN:VEVENT", "DTSTART;VALUE=DATE:20261224", "DURATION:P1W2D", "CATEGORIES:OPEN", "END:VEVENT"))
	f.Add("date,kind,open,close\n2026-12-23,hours,09:30,14:00\n")
	f.Add(`[{"date":"2026-12-23","kind":"hours","open":"09:30","close":"14:00"}]`)
	cal := load(f)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ReadOverrides("fuzz", []byte(text), cal)
		if err != nil {
			if !fault.Is(err, fault.InvalidInput) || !strings.HasPrefix(err.Error(), "invalid_input: fuzz:") {
				t.Fatalf("a fault without a place: %v", err)
			}
			return
		}
		with, err := cal.With(list)
		if err != nil {
			return
		}
		for _, o := range list {
			if s, ok := with.Session(o.Date); ok {
				if err := ordered(s); err != nil {
					t.Fatalf("%+v: %v", o, err)
				}
			}
		}
	})
}

// pack makes a zip archive of files.
func pack(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPacks(t *testing.T) {
	t.Parallel()
	other := strings.Replace(small, "XTST", "XNYS", 1)
	for name, data := range map[string][]byte{
		"one file": []byte(small),
		"zip":      pack(t, map[string]string{"calendars/xtst.cal": small, "README.md": "hello"}),
	} {
		list, err := LoadPack(name, data)
		if err != nil || len(list) != 1 || list[0].Code() != "XTST" {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	list, err := LoadFolder(fstest.MapFS{"a/x.cal": {Data: []byte(small)}, "y.cal": {Data: []byte(other)}, "note": {}})
	if err != nil || len(list) != 2 {
		t.Fatalf("folder: %v, %v", list, err)
	}
	set, err := shippedSet(t).With(list...)
	if err != nil {
		t.Fatal(err)
	}
	if get(t, set, "XNYS").Name() != "Test" || get(t, set, "XTST").Code() != "XTST" || get(t, set, "XPAR").Code() != "XPAR" {
		t.Error("the pack did not replace or add")
	}
	if len(set.All()) != len(shippedSet(t).All())+1 {
		t.Errorf("%d calendars", len(set.All()))
	}
	alias, err := Load("f", []byte(small+"alias XPAR\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.With(alias); !fault.Is(err, fault.NameTaken) {
		t.Errorf("an alias took the name of a calendar: %v", err)
	}
}

func TestWrongPacks(t *testing.T) {
	t.Parallel()
	bomb := small + strings.Repeat("#"+strings.Repeat(" ", 1000)+"\n", 1100)
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"damaged", "zip", []byte("PK not really")},
		{"nothing", "no data file", pack(t, map[string]string{"README.md": "hello"})},
		{"twice", "both the calendar XTST", pack(t, map[string]string{"a.cal": small, "b.cal": small})},
		{"wrong", "wrong/a.cal:12: unknown keyword", pack(t, map[string]string{"a.cal": small + "hello\n"})},
		{"bomb", "larger than", pack(t, map[string]string{"a.cal": bomb})},
		{"large", "larger than", make([]byte, maxPack+1)},
	} {
		if _, err := LoadPack(c.name, c.data); !fault.Is(err, fault.InvalidInput) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := LoadFolder(fstest.MapFS{"a.cal": {Data: []byte(small)}, "b.cal": {Data: []byte(small)}}); err == nil {
		t.Error("a folder has one calendar twice")
	}
}
