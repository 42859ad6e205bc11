package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// This file sends hostile input that is made from the OpenAPI document (T20):
// every field, query parameter, path parameter and header of every operation
// gets every hostile value. Whatever it is, the answer is below 500, and a
// problem document that does not repeat megabytes.

// Values that are long. As a body of its own, for a few operations, and in the first
// field of every body, each has its full size: what they meet there, the limits of the
// parser, does not know fields. In the other fields it is longer than a problem document
// may be: that finds a rule that repeats what it refuses.
const whole, reduced = 1, 20

// hostileTexts are texts that have broken somebody, the long ones divided by a
// number.
func hostileTexts(by int) []string {
	traversal := []string{
		"..", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/", "....//....//", `..\..\windows\win.ini`, "/etc/passwd", "file:///etc/passwd",
		"..%c0%af..%c0%af", "..%252f..%252f", "\u2025/", ".", "/", "//", "con", "nul.txt",
	}
	texts := []string{
		"", " ", "\u0000", "a\u0000b", "\x7f", "\u202e", "\ufeff", "\U0010ffff", "e\u0301", "İ", "ß", "\ufffd", strings.Repeat("ü", 70_000/min(by, 3)), strings.Repeat("A", 900_000/by),
		"'", `"`, `\`, "';--", "' OR 1=1 --", `"; DROP TABLE jobs; --`, "$1", "%s%s%s%n", "{{7*7}}", "${jndi:ldap://x}", "$(id)", "`id`", "| id", "\r\nSet-Cookie: a=b",
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "javascript:alert(1)", "\x1b[2J\x1b]0;x\a", "=cmd|' /C calc'!A0", "null", "true", "NaN",
		"-1", "0", "9223372036854775808", "1e400", "0x10", "١٢٣", "PT", "P-1D", "PT9999999999999H", "2026-02-30T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z",
		"job_", "job_" + strings.Repeat("z", 26), "tmpl_01jh000000000000000000000O", strings.Repeat("*", 300), "[", "\\", "a=b", "k:v:w", ":", ",",
	}
	return append(texts, traversal...)
}

// hostileValues are JSON texts that stand for any value, the long ones divided by a
// number.
func hostileValues(by int) []string {
	out := []string{
		"null", "true", "0", "-1", "1.5", "1e308", "1e999", "9223372036854775807", "9223372036854775808", "-0", "[]", "{}", "[[]]", "[null]", `{"a":null}`, `{"":0}`,
		`{"__proto__":{"admin":true}}`, strings.Repeat("[", 5000/by) + strings.Repeat("]", 5000/by), "[" + strings.Repeat("0,", 20_000/by) + "0]", `{"a":1,"a":2}`, `"\ud800"`,
	}
	for _, s := range hostileTexts(by) {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		out = append(out, string(b))
	}
	return out
}

// sample makes a value that a schema roughly accepts: its example, or the
// simplest of its type.
func sample(doc *huma.OpenAPI, s *huma.Schema, depth int) any {
	for s.Ref != "" {
		s = doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case depth > 4:
		return nil
	}
	switch s.Type {
	case huma.TypeObject:
		o := map[string]any{}
		for name, p := range s.Properties {
			if v := sample(doc, p, depth+1); v != nil {
				o[name] = v
			}
		}
		return o
	case huma.TypeArray:
		return []any{}
	case huma.TypeString:
		switch s.Format {
		case "date-time":
			return "2026-03-01T12:00:00Z"
		case "duration":
			return "PT1M"
		}
		return "abcdefghijklm"
	case huma.TypeInteger, huma.TypeNumber:
		if s.Minimum != nil {
			return *s.Minimum
		}
		return 1
	case huma.TypeBoolean:
		return false
	}
	return nil
}

// bodies returns hostile bodies of a schema: in a good one, each field in turn
// has each hostile value, is missing, or has a sister of another case. The long values
// are divided by one number as bodies of their own, and by another in the first field.
func bodies(doc *huma.OpenAPI, s *huma.Schema, by, first int) []string {
	good, ok := sample(doc, s, 0).(map[string]any)
	if !ok {
		good = map[string]any{}
	}
	if _, ok := good["job_type"]; ok { // what a schema cannot say
		good["job_type"], good["params"], good["params_schema"] = "echo", map[string]any{"text": "x"}, map[string]any{}
		good["locks"], good["labels"], good["name"] = []string{"gpu:0"}, map[string]any{"team": "a"}, "nightly"
		delete(good, "template_id")
		for _, place := range []string{"before", "after", "top", "bottom"} { // one of them is enough, and position is there
			delete(good, place)
		}
		for _, name := range []string{"params_schema", "locks", "labels", "name"} {
			if !known(doc, s, name) {
				delete(good, name)
			}
		}
	}
	text := func(m map[string]any) string {
		b, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	out := append([]string{text(good), "", "{", "\xff", "null", "[]", `"x"`, "{}", text(good) + text(good), "\ufeff" + text(good)}, hostileValues(by)...)
	long, short := hostileValues(first), hostileValues(reduced)
	for i, name := range slices.Sorted(maps.Keys(good)) {
		less := maps.Clone(good)
		delete(less, name)
		out = append(out, text(less))
		for _, other := range []string{strings.ToUpper(name), strings.ReplaceAll(name, "_", ""), name + "\u0000", "admin", "role", "state", "approved_by", "tenant"} {
			more := maps.Clone(good)
			more[other] = good[name]
			out = append(out, text(more))
		}
		values := short
		if i == 0 {
			values = long
		}
		for _, v := range values {
			changed := maps.Clone(good)
			changed[name] = json.RawMessage(v)
			b, err := json.Marshal(changed)
			if err != nil { // not JSON: put it in by hand
				b = []byte(strings.Replace(text(good), ":", ":"+v+",\"x\":", 1))
			}
			out = append(out, string(b))
		}
	}
	return out
}

// hostileFiles are bodies of a media type that is not JSON, and for JSON such as
// are as large as a body may be, divided by a number.
func hostileFiles(media string, by int) []string {
	const limit = 1 << 20
	full := func(head, line, tail string) string {
		return head + strings.Repeat(line, (limit/by-len(head)-len(tail))/len(line)) + tail
	}
	switch media {
	case "text/csv":
		return append(hostileTexts(whole), "date,kind\n2026-03-02,closed\n", full("date,kind\n", "2026-03-02,closed\n", ""), full("date,kind\n", ",", ""),
			full("date,kind\n", `"`, ""), full("date", ",kind", "\n"), "date,date\n1,2\n", full("", "\r", ""))
	case "text/calendar":
		const head, tail = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "END:VCALENDAR\r\n"
		const event = "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260302\r\nDTEND;VALUE=DATE:99991231\r\nRRULE:FREQ=SECONDLY\r\nEND:VEVENT\r\n"
		return append(hostileTexts(whole), head+tail, head+event+tail, full(head, event, tail), full(head, "BEGIN:VEVENT\r\n", tail), full(head, " folded\r\n", tail), full(head+"X", "\r\n A", tail),
			head+"BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260302\r\nRRULE:FREQ=YEARLY;COUNT=999999999;INTERVAL=-1\r\nEND:VEVENT\r\n"+tail)
	}
	return []string{full("[", "{},", "{}]"), full(`{"a":"`, "x", `"}`), full(`{"a":[`, "0,", "0]}"), full("", " ", "{}"), strings.Repeat("x", limit+1)}
}

// known reports whether a schema has a property.
func known(doc *huma.OpenAPI, s *huma.Schema, name string) bool {
	for s.Ref != "" {
		s = doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s.Properties[name] != nil
}

// prey is a server that hostile requests are sent to.
type prey struct {
	*bundle
	sent  int
	codes map[int]int
}

func (p *prey) send(method, target, body string, headers ...string) {
	p.t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return // net/http refuses it before anybody of us sees it
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, "http://localhost/", strings.NewReader(body))
	r.URL, r.RequestURI = u, target
	r.Header.Set("Authorization", "Bearer "+p.tokens[access.Admin])
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := brief{httptest.NewRecorder(), cancel}
	p.handler.ServeHTTP(w, r)
	p.sent++
	p.codes[w.Code]++
	what := fmt.Sprintf("%s %.80q %.120q %.120q", method, target, body, headers)
	if w.Code >= 500 {
		p.t.Errorf("%s: %d %.300s", what, w.Code, w.Body)
	}
	if w.Code >= 400 {
		if media := w.Header().Get("Content-Type"); media != "application/problem+json" || !json.Valid(w.Body.Bytes()) {
			p.t.Errorf("%s: %d with %s %.100q", what, w.Code, media, w.Body)
		}
		if w.Body.Len() > 32<<10 {
			p.t.Errorf("%s: a problem of %d bytes", what, w.Body.Len())
		}
	}
	for name, values := range w.Header() {
		if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
			p.t.Errorf("%s: header %q: %q", what, name, values)
		}
	}
}

// hunt sends everything to every route, or only what another database could take
// otherwise: few bodies, and none as long as the parser's limits, which come before it.
// Streams of bytes that only end with the caller are left out by asking briefly.
func (p *prey) hunt(few bool) {
	doc := api.Document()
	texts := hostileTexts(whole)
	seen := map[string]int{} // operations that take a media type
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, op := range operations(doc.Paths[path]) {
			target := ids.Replace(path)
			if op.RequestBody != nil {
				for media, content := range op.RequestBody.Content {
					by, first := whole, whole // JSON is read before it is known for whom: a few times is enough
					if seen[media]++; few || media == "application/json" && seen[media] > 3 {
						by = reduced
					}
					if few {
						first = reduced
					}
					list := append(hostileFiles(media, by), bodies(doc, content.Schema, by, first)...)
					if few {
						list = list[:min(len(list), 400)]
					}
					for _, body := range list {
						p.send(method, target, body, "Content-Type", media)
					}
				}
			}
			for _, param := range op.Parameters {
				for _, text := range texts {
					switch param.In {
					case "query":
						if len(text) < 5000 {
							p.send(method, target+"?"+param.Name+"="+url.QueryEscape(text), "")
							p.send(method, target+"?"+param.Name+"="+url.QueryEscape(text)+"&"+param.Name+"=x", "")
						}
					case "header":
						if !strings.ContainsAny(text, "\x00\r\n") {
							p.send(method, target, "{}", param.Name, text)
						}
					case "path":
						if len(text) < 5000 {
							p.send(method, strings.Replace(path, "{"+param.Name+"}", url.PathEscape(text), 1), "{}")
							p.send(method, strings.Replace(path, "{"+param.Name+"}", text, 1), "{}")
						}
					}
				}
			}
			for _, text := range texts {
				if len(text) < 5000 {
					p.send(method, target+"?"+url.QueryEscape(text)+"=1", "{}")
				}
			}
		}
	}
}

func TestHostileInput(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("one request after the other: nothing for the race detector, which needs ten times as long")
	}
	p := &prey{bundle: setup(t), codes: map[int]int{}}
	p.hunt(false)
	t.Logf("%d requests, answers %v", p.sent, p.codes)
	if p.codes[200] == 0 || p.codes[201] == 0 {
		t.Error("nothing was good: the samples test nothing")
	}
}

// TestHostileInputOnPostgres: the database refuses texts that SQLite takes.
func TestHostileInputOnPostgres(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("one request after the other: nothing for the race detector, which needs ten times as long")
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: testsvc.Postgres(t), AllowUnsafe: true, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &prey{bundle: setupOn(t, s), codes: map[int]int{}}
	p.hunt(true)
	t.Logf("%d requests, answers %v", p.sent, p.codes)
	if _, err := s.Jobs.List(t.Context(), store.ListJobs{Tenant: access.DefaultTenant, Limit: 1}); err != nil {
		t.Error(err)
	}
}
