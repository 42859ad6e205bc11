package id_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

func kinds() []id.Kind {
	return []id.Kind{id.Template, id.Job, id.Run, id.Artifact, id.Event, id.Tenant, id.Token, id.Instance, id.Request, id.Group, id.Schedule, id.Directive, id.Workflow}
}

func TestNewIsWellFormedAndSortable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(kinds()).Draw(t, "kind")
		ms := rapid.Int64Range(0, 1<<48-2).Draw(t, "ms")
		later := ms + rapid.Int64Range(1, 1<<48-1-ms).Draw(t, "later")
		a, b := id.New(k, time.UnixMilli(ms)), id.New(k, time.UnixMilli(later))
		for _, s := range []string{a, b} {
			if err := id.Check(k, s); err != nil {
				t.Fatal(err)
			}
		}
		if a >= b {
			t.Fatalf("%s (%d) does not sort before %s (%d)", a, ms, b, later)
		}
	})
}

func TestNewIsUnique(t *testing.T) {
	t.Parallel()
	at, seen := time.UnixMilli(1_800_000_000_000), map[string]bool{}
	for range 10_000 {
		s := id.New(id.Job, at)
		if seen[s] {
			t.Fatalf("%s came twice", s)
		}
		seen[s] = true
	}
}

// TestNewIsUUIDv7 pins the bits: 1 January 2030 in the first ten characters,
// then version 7 and variant 10 (RFC 9562, section 5.7).
func TestNewIsUUIDv7(t *testing.T) {
	t.Parallel()
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	body := strings.TrimPrefix(id.New(id.Run, at), "run_")
	bits := ""
	for _, c := range body {
		n := strings.IndexRune(alphabet, c)
		for b := 4; b >= 0; b-- {
			bits += string(rune('0' + n>>b&1))
		}
	}
	bits = bits[2:] // 26 characters hold 130 bits
	ms := int64(0)
	for _, b := range bits[:48] {
		ms = ms<<1 | int64(b-'0')
	}
	if ms != at.UnixMilli() || bits[48:52] != "0111" || bits[64:66] != "10" {
		t.Errorf("%s: time %d, version %s, variant %s", body, ms, bits[48:52], bits[64:66])
	}
}

func TestCheckRejects(t *testing.T) {
	t.Parallel()
	good := id.New(id.Job, time.UnixMilli(1_800_000_000_000))
	body := strings.TrimPrefix(good, "job_")
	for name, s := range map[string]string{
		"empty":             "",
		"other kind":        "run_" + body,
		"no prefix":         body,
		"upper case":        "job_" + strings.ToUpper(body),
		"too short":         good[:len(good)-1],
		"too long":          good + "0",
		"excluded letter i": good[:len(good)-1] + "i",
		"excluded letter u": good[:len(good)-1] + "u",
		"more than 128 bit": "job_8" + body[1:],
		"path":              "job_../../../../../etc/passwd",
		"space":             good[:len(good)-1] + " ",
		"not ASCII":         "job_" + body[:24] + "é",
		"upper-case prefix": "JOB_" + body,
		"huge":              "job_" + strings.Repeat("0", 1<<20),
	} {
		err := id.Check(id.Job, s)
		if !fault.Is(err, fault.WrongIDType) {
			t.Errorf("%s: Check = %v, want %s", name, err, fault.WrongIDType)
			continue
		}
		if len(err.Error()) > 500 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
	if err := id.Check(id.Job, good); err != nil {
		t.Errorf("%s: %v", good, err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(id.New(id.Job, time.UnixMilli(0)))
	f.Add("job_")
	f.Fuzz(func(t *testing.T, s string) {
		if id.Check(id.Job, s) == nil && (len(s) != len("job_")+26 || strings.ToLower(s) != s || strings.ContainsAny(s, "/. \x00")) {
			t.Errorf("%q is accepted", s)
		}
	})
}
