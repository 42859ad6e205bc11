package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/metrics"
)

// TestReadiness: degraded is a success, failing is not, and strangers learn
// nothing about the installation.
func TestReadiness(t *testing.T) {
	t.Parallel()
	var err error // written between requests
	b := setup(t, func(o *api.Options) {
		m := health.New(health.Options{Clock: o.Clock, Checks: []health.Check{
			{Name: "artifacts", Run: func(context.Context) (string, error) { return "note", err }},
		}})
		t.Cleanup(m.Close)
		o.Health = m
	})
	secret := errors.New("connect to db.internal:5432: /var/lib/secret")
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{{nil, 200, "ok"}, {health.Degrade(secret), 200, "degraded"}, {secret, 503, "failing"}} {
		err = c.err
		b.clock.Advance(2 * time.Second)
		for role, details := range map[access.Role]bool{"": false, "stranger": false, access.Viewer: true} {
			a := b.as(role, "GET", "/readyz", "")
			if a.StatusCode != c.status || a.text(t, "status") != c.says || a.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s as %q: %d %s", c.says, role, a.StatusCode, a.body)
			}
			if got := strings.Contains(string(a.body), "db.internal"); got != (details && c.err != nil) {
				t.Errorf("%s as %q: details = %v: %s", c.says, role, got, a.body)
			}
			if !strings.Contains(string(a.body), `"name":"artifacts"`) {
				t.Errorf("no check in %s", a.body)
			}
		}
		if a := b.as("", "GET", "/readyz", "", "Authorization", "Bearer wrong"); strings.Contains(string(a.body), "db.internal") || a.StatusCode != c.status {
			t.Errorf("with a wrong token: %s", a.body)
		}
	}
	want(t, b.as("", "GET", "/livez", ""), 200, "")
}

// TestMetrics: routes count under their patterns, whatever stands in the path.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.Metrics = metrics.New(metrics.Options{Clock: o.Clock}) })
	j := b.addJob(echoJob)
	want(t, b.call("GET", "/api/v1/jobs/"+j+"/", ""), 200, "")
	want(t, b.call("GET", "/nothing/canary", ""), 404, "not_found")
	want(t, b.call("BREW", "/api/jobs", ""), 405, "method_not_allowed")
	want(t, b.as("", "GET", "/api/jobs", "", "Host", "canary.example"), 421, "host_not_allowed")
	a := want(t, b.as(access.Viewer, "GET", "/metrics", ""), 200, "")
	for _, line := range []string{
		`runsheet_http_requests_total{method="GET",route="/api/jobs/{job_id}",status="2xx"} 1`,
		`runsheet_http_requests_total{method="POST",route="/api/jobs",status="2xx"} 1`,
		`runsheet_http_requests_total{method="GET",route="none",status="4xx"} 2`,
		`runsheet_http_requests_total{method="other",route="/api/jobs",status="4xx"} 1`,
		`runsheet_http_refused_total{reason="host"} 1`,
		`runsheet_http_requests_in_flight 1`,
	} {
		if !strings.Contains(string(a.body), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if s := string(a.body); strings.Contains(s, "canary") || strings.Contains(s, j) {
		t.Error("a path is a label")
	}
	if ct := a.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", ct)
	}
	want(t, b.as("", "GET", "/metrics", ""), 401, "unauthorized")
}
