package api_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
)

// TestRefusedInput: what is wrong gets a problem that names the place, and
// nothing is stored.
func TestRefusedInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	deep := strings.Repeat(`{"a":`, 10000) + "1" + strings.Repeat("}", 10000)
	for name, c := range map[string]struct {
		body, contentType string
		status            int
		code, pointer     string
	}{
		"wrong type":        {body: `{"job_type":"echo","params":{"text":"x"},"priority":"high"}`, status: 422, code: "invalid_input", pointer: "/priority"},
		"null":              {body: `{"job_type":"echo","params":{"text":"x"},"priority":null}`, status: 422, code: "invalid_input", pointer: "/priority"},
		"fraction":          {body: `{"job_type":"echo","params":{"text":"x"},"priority":1.5}`, status: 422, code: "invalid_input", pointer: "/priority"},
		"out of range":      {body: `{"job_type":"echo","params":{"text":"x"},"priority":10}`, status: 422, code: "invalid_input", pointer: "/priority"},
		"huge number":       {body: `{"job_type":"echo","params":{"text":"x"},"priority":1e999}`, status: 400, code: "malformed_body", pointer: "/priority"},
		"tiny number":       {body: `{"job_type":"echo","params":{"text":"x"},"priority":1e-999999999}`, status: 400, code: "malformed_body", pointer: "/priority"},
		"unknown field":     {body: `{"job_type":"echo","params":{"text":"x"},"colour":1}`, status: 422, code: "unknown_field", pointer: "/colour"},
		"camel case":        {body: `{"jobType":"echo","params":{"text":"x"}}`, status: 422, code: "unknown_field", pointer: "/jobType"},
		"other case":        {body: `{"job_type":"echo","Priority":3,"params":{"text":"x"}}`, status: 422, code: "unknown_field", pointer: "/Priority"},
		"duplicate":         {body: `{"job_type":"echo","job_type":"echo","params":{"text":"x"}}`, status: 400, code: "duplicate_key", pointer: "/job_type"},
		"duplicate inside":  {body: `{"job_type":"echo","params":{"text":"x","text":"y"}}`, status: 400, code: "duplicate_key", pointer: "/params/text"},
		"trailing":          {body: echoJob + `{}`, status: 400, code: "malformed_body", pointer: ""},
		"not json":          {body: `{"job_type":`, status: 400, code: "malformed_body", pointer: "/job_type"},
		"array":             {body: `[]`, status: 422, code: "invalid_input", pointer: ""},
		"bare null":         {body: `null`, status: 422, code: "invalid_input", pointer: ""},
		"nul":               {body: `{"job_type":"echo","params":{"text":"a\u0000b"}}`, status: 400, code: "malformed_body", pointer: "/params/text"},
		"bad utf-8":         {body: "{\"job_type\":\"echo\",\"params\":{\"text\":\"\xff\"}}", status: 400, code: "malformed_body", pointer: ""},
		"deep":              {body: `{"job_type":"echo","params":` + deep + `}`, status: 400, code: "malformed_body", pointer: "/params" + strings.Repeat("/a", 63)},
		"too large":         {body: `{"job_type":"echo","params":{"text":"` + strings.Repeat("x", 2<<20) + `"}}`, status: 413, code: "body_too_large", pointer: "-"},
		"media type":        {body: echoJob, contentType: "text/plain", status: 415, code: "unsupported_media_type", pointer: "header/Content-Type"},
		"wrong id":          {body: `{"template_id":"job_01jh0000000000000000000000"}`, status: 400, code: "wrong_id_type", pointer: "/template_id"},
		"no such template":  {body: `{"template_id":"nope"}`, status: 404, code: "not_found", pointer: "/template_id"},
		"neither":           {body: `{}`, status: 422, code: "invalid_input", pointer: "/job_type"},
		"both":              {body: `{"template_id":"a","job_type":"echo"}`, status: 422, code: "invalid_input", pointer: "/job_type"},
		"unknown type":      {body: `{"job_type":"ghost"}`, status: 422, code: "job_type_unknown", pointer: "/job_type"},
		"params missing":    {body: `{"job_type":"echo"}`, status: 422, code: "invalid_input", pointer: "/params/text"},
		"params type":       {body: `{"job_type":"echo","params":{"text":"x","times":"3"}}`, status: 422, code: "invalid_input", pointer: "/params/times"},
		"params unknown":    {body: `{"job_type":"echo","params":{"text":"x","Times":3}}`, status: 422, code: "unknown_field", pointer: "/params/Times"},
		"params check":      {body: `{"job_type":"echo","params":{"text":"forbidden"}}`, status: 422, code: "command_not_allowed", pointer: "/params/text"},
		"duration":          {body: `{"job_type":"echo","params":{"text":"x"},"timeout":"P1Y"}`, status: 422, code: "invalid_input", pointer: "/timeout"},
		"half a pair":       {body: `{"job_type":"echo","params":{"text":"a\ud800"}}`, status: 400, code: "malformed_body", pointer: "/params/text"},
		"float as integer":  {body: `{"job_type":"echo","params":{"text":"x"},"retry_policy":{"max_attempts":2.0}}`, status: 422, code: "invalid_input", pointer: "/retry_policy/max_attempts"},
		"year 10000 in UTC": {body: `{"job_type":"echo","params":{"text":"x"},"run_at":"9999-12-31T23:59:59-23:59"}`, status: 422, code: "invalid_input", pointer: "/run_at"},
		"year 1969 in UTC":  {body: `{"job_type":"echo","params":{"text":"x"},"run_at":"1970-01-01T00:00:00+23:59"}`, status: 422, code: "invalid_input", pointer: "/run_at"},
		"time":              {body: `{"job_type":"echo","params":{"text":"x"},"run_at":"tomorrow"}`, status: 422, code: "invalid_input", pointer: "/run_at"},
		"retry policy":      {body: `{"job_type":"echo","params":{"text":"x"},"retry_policy":{"max_attempts":4}}`, status: 422, code: "invalid_input", pointer: "/retry_policy/max_attempts"},
		"label":             {body: `{"job_type":"echo","params":{"text":"x"},"labels":{"a b":"c"}}`, status: 422, code: "invalid_input", pointer: "/labels/a b"},
		"lock":              {body: `{"job_type":"echo","params":{"text":"x"},"locks":["ok",""]}`, status: 422, code: "invalid_input", pointer: "/locks/1"},
		"unknown in policy": {body: `{"job_type":"echo","params":{"text":"x"},"retry_policy":{"maxAttempts":2}}`, status: 422, code: "unknown_field", pointer: "/retry_policy/maxAttempts"},
	} {
		t.Run(name, func(t *testing.T) {
			media := c.contentType
			if media == "" {
				media = "application/json"
			}
			a := want(t, b.call("POST", "/api/jobs", c.body, "Content-Type", media), c.status, c.code)
			if c.pointer != "-" && !strings.Contains(string(a.body), `"pointer":"`+c.pointer+`"`) {
				t.Errorf("no pointer %q: %s", c.pointer, a.body)
			}
		})
	}
	if n := b.jobCount(); n != 0 {
		t.Errorf("%d jobs were stored", n)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := want(t, b.call("POST", "/api/jobs", `{"jobType":"echo"}`), 422, "unknown_field")
	if h := a.text(t, "hint"); !strings.Contains(h, `"job_type"`) {
		t.Errorf("hint %q does not name job_type", h)
	}
	a = want(t, b.call("GET", "/api/jobs?staus=QUEUED", ""), 400, "unknown_parameter")
	if h := a.text(t, "hint"); !strings.Contains(h, "status") {
		t.Errorf("hint %q does not name status", h)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const ghost = "job_01jh0000000000000000000000"
	for _, c := range []struct {
		role                  access.Role
		method, target        string
		status                int
		code, header, content string
	}{
		{access.Admin, "GET", "/api/jobs?color=red", 400, "unknown_parameter", "", ""},
		{access.Admin, "GET", "/api/jobs?status=DONE", 400, "invalid_parameter", "", ""},
		{access.Admin, "GET", "/api/jobs?limit=0", 400, "invalid_parameter", "", ""},
		{access.Admin, "GET", "/api/jobs?limit=1&limit=2", 400, "invalid_parameter", "", ""},
		{access.Admin, "GET", "/api/jobs?created_after=x", 400, "invalid_parameter", "", ""},
		{access.Admin, "GET", "/api/jobs?created_after=0000-01-01T00:00:00Z", 400, "invalid_parameter", "", ""},
		{access.Admin, "GET", "/api/jobs?a;b", 400, "invalid_parameter", "", ""},
		{access.Admin, "GET", "/api/job-templates/a%00b", 404, "not_found", "", ""},
		{access.Admin, "GET", "/api/job-templates/a%ffb", 404, "not_found", "", ""},
		{access.Admin, "DELETE", "/", 404, "not_found", "", ""},
		{access.Admin, "GET", "/api/jobs?cursor=abc", 400, "cursor_invalid", "", ""},
		{access.Admin, "GET", "/api/jobs?template_id=job_1", 400, "wrong_id_type", "", ""},
		{access.Admin, "GET", "/api/jobs/run_01jh0000000000000000000000", 400, "wrong_id_type", "", ""},
		{access.Admin, "GET", "/api/job-templates/" + ghost, 400, "wrong_id_type", "", ""},
		{access.Admin, "GET", "/api/jobs/" + ghost, 404, "not_found", "", ""},
		{access.Admin, "GET", "/api/nothing", 404, "not_found", "", ""},
		{access.Admin, "GET", "/api//jobs", 404, "not_found", "", ""},
		{access.Admin, "GET", "/api/jobs/../jobs", 404, "not_found", "", ""},
		{"", "GET", "/api/nothing", 401, "unauthorized", "", ""},
		{"", "GET", "/api", 401, "unauthorized", "", ""},
		{"", "DELETE", "/api/jobs", 401, "unauthorized", "", ""},
		{"", "GET", "/nothing", 404, "not_found", "", ""},
		{"", "GET", "/ui/nothing.js", 404, "not_found", "", ""},
		{access.Admin, "DELETE", "/api/jobs", 405, "method_not_allowed", "", ""},
		{access.Admin, "GET", "/api/jobs", 421, "host_not_allowed", "Host", "evil.example"},
		{access.Admin, "POST", "/api/jobs", 403, "cross_origin", "Sec-Fetch-Site", "cross-site"},
		{access.Admin, "GET", "/api/jobs", 401, "unauthorized", "Authorization", "Basic abc"},
		{access.Admin, "GET", "/api/jobs", 401, "unauthorized", "Authorization", "Bearer wrong"},
		{access.Admin, "POST", "/api/jobs/" + ghost + "/cancel", 400, "invalid_header", "Prefer", "wait=soon"},
		{access.Admin, "POST", "/api/jobs/" + ghost + "/cancel", 400, "invalid_header", "Idempotency-Key", "a\tb"},
	} {
		var headers []string
		if c.header != "" {
			headers = []string{c.header, c.content}
		}
		a := b.as(c.role, c.method, c.target, "", headers...)
		t.Run(c.method+" "+c.target+" "+c.header, func(t *testing.T) { want(t, a, c.status, c.code) })
		switch c.status {
		case http.StatusMethodNotAllowed:
			if got := a.Header.Get("Allow"); got != "GET, HEAD, POST" {
				t.Errorf("Allow %q", got)
			}
		case http.StatusUnauthorized:
			if a.Header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		}
	}
}

// TestPatchFormOfNumbers: what a schema takes for an integer and Go does not is
// the caller's mistake, not the server's.
func TestPatchFormOfNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(echoJob)
	for target, c := range map[string][2]string{
		"/api/jobs/" + j: {`{"priority":5.0}`, "/priority"},
		"/api/workers":   {`{"count":2e0}`, "/count"},
	} {
		a := want(t, b.call("PATCH", target, c[0]), 422, "invalid_input")
		if !strings.Contains(string(a.body), `"pointer":"`+c[1]+`"`) {
			t.Errorf("%s: no pointer %q: %s", target, c[1], a.body)
		}
	}
}

// TestBoundedParamsSchema: a short schema must not cost hours.
func TestBoundedParamsSchema(t *testing.T) {
	t.Parallel()
	b := setup(t)
	defs := `"a0":{"type":"object"}`
	for i := 1; i <= 40; i++ {
		next := `{"$ref":"#/$defs/a` + strconv.Itoa(i-1) + `"}`
		defs += `,"a` + strconv.Itoa(i) + `":{"allOf":[` + next + `,` + next + `]}`
	}
	for name, schema := range map[string]string{
		"doubling":  `{"$ref":"#/$defs/a40","$defs":{` + defs + `}}`,
		"values":    `{"properties":{"text":{"enum":[` + strings.Repeat(`0,`, 2000) + `0]}}}`,
		"recursive": `{"properties":{"x":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`,
	} {
		body := `{"name":"` + name + `","job_type":"echo","params":{"text":"x"},"params_schema":` + schema + `}`
		a := want(t, b.call("POST", "/api/job-templates", body), 422, "invalid_input")
		if !strings.Contains(string(a.body), `"pointer":"/params_schema"`) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	want(t, b.call("POST", "/api/job-templates", `{"name":"shared","job_type":"echo","params":{"text":"x"},
		"params_schema":{"$defs":{"s":{"type":"string"}},"properties":{"text":{"$ref":"#/$defs/s"},"other":{"$ref":"#/$defs/s"}}}}`), 201, "")
}

// TestForgedCursor: the hash of a cursor is no secret, so the rest of it is a
// stranger's text.
func TestForgedCursor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	b.addJob(echoJob)
	cursor := want(t, b.call("GET", "/api/jobs?limit=1", ""), 200, "").text(t, "next_cursor")
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for _, forged := range []any{"", "x", "job_\x00", fields["i"].(string) + "\x00", 5} {
		fields["i"] = forged
		made, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		want(t, b.call("GET", "/api/jobs?limit=1&cursor="+base64.RawURLEncoding.EncodeToString(made), ""), 400, "cursor_invalid")
		fields["i"] = "job_01jh0000000000000000000000"
	}
	want(t, b.call("GET", "/api/jobs?limit=1&cursor="+cursor, ""), 200, "")
	for _, other := range []string{"/api/jobs?status=QUEUED&cursor=", "/api/jobs?sort=created_at&cursor=", "/api/job-runs?cursor="} {
		want(t, b.call("GET", other+cursor, ""), 400, "cursor_invalid")
	}
}

// TestTooManyRequests: beyond the bound the answer is a problem that says when
// to come again, and health is still told.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.MaxLasting = 1 })
	done := make(chan answer, 1)
	go func() { done <- b.call("POST", "/api/jobs", echoJob, "Prefer", "wait=5") }()
	b.waitFor(func() bool { return b.clock.Timers() > 0 })
	if a := want(t, b.call("POST", "/api/jobs", echoJob, "Prefer", "wait=5"), 429, "too_many_requests"); a.Header.Get("Retry-After") != "1" {
		t.Errorf("headers %v", a.Header)
	}
	want(t, b.as("", "GET", "/livez", ""), 200, "")
	want(t, b.call("GET", "/api/jobs", ""), 200, "") // short requests have a bound of their own
	b.tick(done)
	want(t, <-done, 202, "")
}

func TestBodyOfBodylessVerb(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(echoJob)
	want(t, b.call("POST", "/api/jobs/"+j+"/release", `{"x":1}`), 422, "unknown_field")
	want(t, b.call("POST", "/api/jobs/"+j+"/release", `{}`), 200, "")
}

func TestTwoNamesOfAPath(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, p := range []string{"/api/jobs", "/api/jobs/", "/api/v1/jobs", "/api/v1/jobs/"} {
		want(t, b.call("GET", p, ""), 200, "")
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, p := range []string{"/api/jobs", "/livez", "/ui/", "/ui/api/", "/nothing"} {
		h := b.call("GET", p, "").Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(h.Get("Content-Security-Policy"), "unsafe") ||
			!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", p, h)
		}
	}
}
