package logline_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/task/logtriage/logline"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, at, severity, text string }{
		{"2026-02-28T10:11:12.345Z ERROR disk full", "2026-02-28T10:11:12.345Z", "error", "ERROR disk full"},
		{"2026-02-28T10:11:12+02:00 [warn] slow", "2026-02-28T08:11:12Z", "warning", "[warn] slow"},
		{"2026-02-28 10:11:12,345 INFO  [main] c.e.App - started", "2026-02-28T10:11:12.345Z", "info", "INFO  [main] c.e.App - started"},
		{"[2026-02-28 10:11:12] app.CRITICAL: out of memory", "2026-02-28T10:11:12Z", "fatal", "app.CRITICAL: out of memory"},
		{"2026/02/28 10:11:12 http: Server closed", "2026-02-28T10:11:12Z", "info", "http: Server closed"},
		{"2026/02/28 10:11:12 [error] 31#31: *5 upstream timed out", "2026-02-28T10:11:12Z", "error", "[error] 31#31: *5 upstream timed out"},
		{"Feb 28 10:11:12 web1 sshd[812]: Failed password for root", "2026-02-28T10:11:12Z", "info", "web1 sshd[812]: Failed password for root"},
		{"Dec  9 10:11:12 web1 cron[1]: last year's", "2025-12-09T10:11:12Z", "info", "web1 cron[1]: last year's"},
		{"<11>Feb 28 10:11:12 web1 app: boom", "2026-02-28T10:11:12Z", "error", "web1 app: boom"},
		{"<165>1 2026-02-28T10:11:12.003Z host app 8710 ID47 - hello", "2026-02-28T10:11:12.003Z", "info", "host app 8710 ID47 - hello"},
		{`10.0.0.7 - bob [28/Feb/2026:10:11:12 +0100] "GET /a/1 HTTP/1.1" 503 12`, "2026-02-28T09:11:12Z", "error", `"GET /a/1 HTTP/1.1" 503 12`},
		{`10.0.0.7 - - [28/Feb/2026:10:11:12 +0000] "GET /a/1 HTTP/1.1" 404 12`, "2026-02-28T10:11:12Z", "warning", `"GET /a/1 HTTP/1.1" 404 12`},
		{"[Sat Feb 28 10:11:12.123456 2026] [core:error] [pid 3] denied", "2026-02-28T10:11:12.123456Z", "error", "[core:error] [pid 3] denied"},
		{"Sat Feb 28 10:11:12 2026 note: x", "2026-02-28T10:11:12Z", "info", "note: x"},
		{"E0228 10:11:12.000100    1234 main.go:12] cannot sync", "2026-02-28T10:11:12.0001Z", "error", "1234 main.go:12] cannot sync"},
		{"1772273472 WARN epoch", "2026-02-28T10:11:12Z", "warning", "WARN epoch"},
		{"1772273472.5 x", "2026-02-28T10:11:12Z", "info", "x"},
		{"1772273472345 x", "2026-02-28T10:11:12.345Z", "info", "x"},
		{"2026-02-28T10:11:12.1Z stderr F panic: nil map", "2026-02-28T10:11:12.1Z", "fatal", "panic: nil map"},
		{`{"time":"2026-02-28T10:11:12Z","level":"WARN","msg":"slow \"query\"","ms":12}`, "2026-02-28T10:11:12Z", "warning", `slow "query"`},
		{`{"ts":1772273472.123,"level":"error","message":"failed","error":"EOF"}`, "2026-02-28T10:11:12Z", "error", "failed error=EOF"},
		{`{"level":50,"time":1772273472345,"msg":"pino"}`, "2026-02-28T10:11:12.345Z", "error", "pino"},
		{`{"log":"2026-02-28 10:11:00 ERROR inner\n","stream":"stdout","time":"2026-02-28T10:11:12.5Z"}`, "2026-02-28T10:11:12.5Z", "error", "ERROR inner"},
		{`{"nested":{"level":"error"},"msg":"fine"}`, "", "info", "fine"},
		{`{"broken": `, "", "info", `{"broken":`},
		{"level=debug msg=ok", "", "debug", "level=debug msg=ok"},
		{"Error: cannot open", "", "error", "Error: cannot open"},
		{"unhandled exception in worker", "", "error", "unhandled exception in worker"},
		{"2026-13-45 99:99:99 nonsense", "", "info", "2026-13-45 99:99:99 nonsense"},
		{"2026-02-30 10:00:00 no such day", "", "info", "2026-02-30 10:00:00 no such day"},
		{"plain words", "", "info", "plain words"},
	} {
		p := logline.Parser{Now: now}
		l := p.Parse([]byte(c.line))
		at := ""
		if !l.Time.IsZero() {
			at = l.Time.Format(time.RFC3339Nano)
		}
		if strings.HasPrefix(c.line, "1772273472.5") || strings.HasPrefix(c.line, `{"ts"`) {
			at = l.Time.Truncate(time.Second).Format(time.RFC3339Nano) // fractions of seconds since 1970 are dropped
		}
		if diff := cmp.Diff([]string{c.at, c.severity, c.text}, []string{at, l.Severity.String(), string(l.Text)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.line, diff)
		}
	}
}

func TestParseUsesTheZoneForTimesWithout(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("x", 3600)
	p := logline.Parser{Now: now, Zone: zone}
	if got, want := p.Parse([]byte("2026-02-28 10:00:00 x")).Time, time.Date(2026, 2, 28, 9, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("Time = %v, want %v", got, want)
	}
	if got, want := p.Parse([]byte("2026-02-28 10:00:00Z x")).Time, time.Date(2026, 2, 28, 10, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("Time = %v, want %v", got, want)
	}
}

func TestParseCutsTheEnginesTime(t *testing.T) {
	t.Parallel()
	p := logline.Parser{Now: now, Container: true}
	l := p.Parse([]byte("2026-02-28T10:11:12.123456789Z \tat x.y(Z.java:1)"))
	if l.Dated || !l.Indented || l.Time.IsZero() || string(l.Text) != "at x.y(Z.java:1)" {
		t.Errorf("got %+v %q", l, l.Text)
	}
	l = p.Parse([]byte(`2026-02-28T10:11:12Z {"level":"error","msg":"m"}`))
	if l.Severity != logline.Error || string(l.Text) != "m" {
		t.Errorf("got %+v %q", l, l.Text)
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, secret string }{
		{"Authorization: Bearer abcdef123456", "abcdef123456"},
		{`curl -H "Authorization: Basic dXNlcjpwYXNz" x`, "dXNlcjpwYXNz"},
		{"sent bearer hunter2hunter2", "hunter2hunter2"},
		{"login user=bob password=hunter2 ok", "hunter2"},
		{"db.password = hunter2", "hunter2"},
		{`{"password":"hunter2","user":"bob"}`, "hunter2"},
		{`{"msg":"body {\"password\":\"hunter2\"} end"}`, "hunter2"},
		{`{"apiKey": "hunter2 with spaces"}`, "with spaces"},
		{"api_key=hunter2&x=1", "hunter2"},
		{"X-Api-Key: hunter2", "hunter2"},
		{"clientSecret: 'hunter2'", "hunter2"},
		{"Set-Cookie: sid=hunter2; Path=/", "hunter2"},
		{"run --token hunter2 --verbose", "hunter2"},
		{"dial postgres://bob:hunter2@db:5432/x", "hunter2"},
		{"AWS AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"},
		{"token ghp_abcdefghijklmnopqrstuvwxyz012345", "ghp_abcdef"},
		{"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJzdWIi"},
		{"key aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY", "aB3dE5fG7"},
		{"AccountKey=aaaa/bbbb+cccc==;Endpoint=x", "bbbb"},
		{"one -----BEGIN RSA PRIVATE KEY-----MIIEabc-----END RSA PRIVATE KEY----- two", "MIIEabc"},
		{"PASSWORD:hunter2", "hunter2"},
		{"password='it''s hunter2", "it"},
	} {
		got := string((&logline.Masker{}).Mask(nil, []byte(c.line)))
		if strings.Contains(got, c.secret) || !strings.Contains(got, logline.Secret) {
			t.Errorf("Mask(%q) = %q still has %q", c.line, got, c.secret)
		}
	}
	for _, line := range []string{
		"GET /tokens 200", "prompt_tokens=12", "unexpected token", "token: null", "the keyboard is broken",
		"com.example.VeryLongClassName.withMethodNames failed", "id 123e4567-e89b-12d3-a456-426614174000", "https://example.org/a@b",
		"/Users/someone/Library/Application/Version2/File.txt",
	} {
		if got := string((&logline.Masker{}).Mask(nil, []byte(line))); got != line {
			t.Errorf("Mask(%q) = %q", line, got)
		}
	}
}

func TestMaskKeysOverSeveralLines(t *testing.T) {
	t.Parallel()
	var m logline.Masker
	var got []string
	for line := range strings.SplitSeq("a\n-----BEGIN PRIVATE KEY-----\nMIIE\nabcd\n-----END PRIVATE KEY-----\nb", "\n") {
		got = append(got, string(m.Mask(nil, []byte(line))))
	}
	all := strings.Join(got, "\n")
	if strings.Contains(all, "MIIE") || strings.Contains(all, "abcd") || got[0] != "a" || got[5] != "b" {
		t.Errorf("got %q", got)
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"user 42 logged  in", "user <num> logged in"},
		{"took 12ms, 3.5% of 1.2MB", "took <num>ms, <num>% of <num>MB"},
		{"at 2026-02-28T10:11:12Z and 10:11:12.5", "at <time> and <time>"},
		{"from 10.0.0.1 and 10.0.0.1:8080 and fe80::1.", "from <ip> and <ip> and <ip>."},
		{"id 123e4567-e89b-12d3-a456-426614174000", "id <uuid>"},
		{"ptr 0xc000123 sum deadbeef01", "ptr <hex> sum <hex>"},
		{"open /var/log/x.log: denied", "open <path>: denied"},
		{`open C:\temp\x.log`, "open <path>"},
		{"see https://example.org/a?b=1", "see <url>"},
		{"mail to bob@example.org", "mail to <email>"},
		{`key "some text" and 'other text' it's`, `key "<str>" and '<str>' it's`},
		{`"GET /a/7?x=1 HTTP/1.1" 200 512`, `"GET <path> HTTP" <num> <num>`},
		{"utf8 http2 worker-3 user1234", "utf8 http2 worker-<num> user<num>"},
		{"temp -5 rose", "temp <num> rose"},
		{"password=<secret> ok", "password=<secret> ok"},
		{"and/or stays", "and/or stays"},
	} {
		if got := string(logline.Template(nil, []byte(c.text))); got != c.want {
			t.Errorf("Template(%q) = %q, want %q", c.text, got, c.want)
		}
	}
	for _, long := range []string{"é ", "é", ">", "'", "ab1cd2", "/é"} {
		if got := logline.Template(nil, []byte(strings.Repeat(long, 5000))); len(got) > 1100 || !utf8.Valid(got) {
			t.Errorf("of many %q: %d bytes, valid = %v", long, len(got), utf8.Valid(got))
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"\x1b[31mred\x1b[0m", "red"},
		{"\x1b]0;title\arest", "rest"},
		{"a\x00b\x00", "ab"},
		{"a\rb\vc", "a b c"},
		{"x\xff\xfe\xfdy", "x\uFFFDy"},
		{"r\u202eevil\u200b", "revil"},
		{"\x1b[", ""},
		{"\x1b", ""},
		{"größe\t1", "größe\t1"},
	} {
		if got := string(logline.Clean(nil, []byte(c.in))); got != c.want {
			t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	const log = `2026-02-28 10:00:00 ERROR it broke
java.lang.IllegalStateException: x
	at a.B.c(B.java:1)
Caused by: java.io.IOException: y
	... 5 more
2026-02-28 10:00:01 INFO next
Traceback (most recent call last):
  File "a.py", line 1, in <module>
ValueError: bad
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
  File "a.py", line 2, in <module>
KeyError: 'k'
plain
panic: runtime error: index out of range
goroutine 1 [running]:
main.main()
	/src/main.go:5 +0x1d
2026-02-28 10:00:02 INFO last`
	var got []string
	p, j := logline.Parser{Now: now}, logline.Joiner{}
	for line := range strings.SplitSeq(log, "\n") {
		switch j.Line(p.Parse([]byte(line))) {
		case logline.Begins:
			got = append(got, line)
		case logline.Continues:
			got[len(got)-1] += "+"
		case logline.Names:
			got[len(got)-1] += "=" + line
		}
	}
	want := []string{
		"2026-02-28 10:00:00 ERROR it broke",
		"java.lang.IllegalStateException: x+++",
		"2026-02-28 10:00:01 INFO next++=ValueError: bad+++=KeyError: 'k'",
		"plain",
		"panic: runtime error: index out of range+++",
		"2026-02-28 10:00:02 INFO last",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{
		"2026-02-28T10:11:12Z ERROR x", `{"log":"{\"msg\":\"a\"}","time":1}`, "<34>1 x", "\x1b[31m\xff\x00", `password="x`, "-----BEGIN PRIVATE KEY-----",
		`10.0.0.7 - - [28/Feb/2026:10:11:12 +0000] "GET / HTTP/1.1" 404 12`, "E0228 10:11:12.1 x", "Feb 29 10:11:12 x", `{"level":1e9999}`, "x://@", `token=\"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		clean := logline.Clean(nil, in)
		if !utf8.Valid(clean) {
			t.Fatalf("Clean(%q) = %q is not valid", in, clean)
		}
		if again := logline.Clean(nil, clean); string(again) != string(clean) {
			t.Fatalf("Clean is not stable: %q, %q", clean, again)
		}
		masked := (&logline.Masker{}).Mask(nil, clean)
		if !utf8.Valid(masked) {
			t.Fatalf("Mask(%q) = %q is not valid", clean, masked)
		}
		p := logline.Parser{Now: now}
		l := p.Parse(masked)
		if y := l.Time.Year(); !l.Time.IsZero() && (y < 1969 || y > 2200) {
			t.Fatalf("Parse(%q).Time = %v", masked, l.Time)
		}
		template := logline.Template(nil, l.Text)
		if !utf8.Valid(template) || len(template) > 1100 || strings.Contains(string(template), "\n") {
			t.Fatalf("Template(%.200q) = %.200q, %d bytes", l.Text, template, len(template))
		}
		new(logline.Joiner).Line(l)
		// What is announced as a credential never passes, whatever is around it.
		const canary = "Zq7hunter2Zq7"
		secret := append(append(logline.Clean(nil, in), " password="...), canary...)
		if got := (&logline.Masker{}).Mask(nil, secret); strings.Contains(string(got), canary) {
			t.Fatalf("Mask(%q) = %q", secret, got)
		}
	})
}
