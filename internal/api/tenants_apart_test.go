package api_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// TestNoRouteReachesAnotherTenant: every route of the router, asked by another
// tenant's administrator for what exists. A new route is in it by itself.
func TestNoRouteReachesAnotherTenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tmpl := want(t, b.call("POST", "/api/job-templates", `{"name":"nightjar","job_type":"echo","params":{"text":"a"}}`), 201, "").text(t, "template_id")
	jobID := b.addJob(`{"template_id":"` + tmpl + `"}`)
	c := b.claim()
	sum := strings.Repeat("ab", 32)
	b.blobs[sum] = "nightjar"
	art := run.Artifact{
		ID: id.New(id.Artifact, start), Tenant: access.DefaultTenant, RunID: c.Run.ID, Name: "nightjar", Size: 6, SHA256: sum, MediaType: "text/plain", CreatedAt: start,
	}
	if err := b.store.Artifacts.Put(t.Context(), art, c.Run.Epoch, store.ArtifactLimits{}); err != nil {
		t.Fatal(err)
	}
	if w, err := b.logs.Writer(c.Run.ID); err != nil {
		t.Fatal(err)
	} else if _, err = w.Write([]byte("nightjar\n")); err != nil {
		t.Fatal(err)
	} else {
		w.Close()
	}
	found := strings.NewReplacer("{template_id}", tmpl, "{job_id}", jobID, "{run_id}", c.Run.ID, "{artifact_id}", art.ID)
	seen := 0
	for _, r := range routes() {
		target := found.Replace(r.path)
		if r.public || strings.Contains(target, "{") || strings.HasPrefix(r.path, "/api/events") {
			continue // what has no object here, and streams, which have tests of their own
		}
		body := ""
		if !r.safe() {
			body = `{}`
		}
		a := b.as("stranger", r.method, target, body)
		exists := target != r.path
		switch {
		case exists && r.safe() && a.StatusCode != 404, exists && a.StatusCode < 400:
			t.Errorf("%s of another tenant: %d %s", r.name(), a.StatusCode, a.body)
		case strings.Contains(string(a.body), "nightjar"), !exists && strings.Contains(string(a.body), jobID), !exists && strings.Contains(string(a.body), c.Run.ID):
			t.Errorf("%s shows another tenant's: %s", r.name(), a.body)
		}
		if exists && r.safe() {
			if own := b.call(r.method, target, ""); own.StatusCode != 200 {
				t.Errorf("%s of the own tenant: %d", r.name(), own.StatusCode)
			}
			seen++
		}
	}
	if seen < 5 {
		t.Errorf("only %d objects were looked at", seen)
	}
	if n := b.as("stranger", "GET", "/api/usage", "").json(t)["artifact_count"]; n != 0.0 {
		t.Errorf("usage counts %v foreign artifacts", n)
	}
	jobs, _ := b.as("stranger", "GET", "/api/scheduler", "").json(t)["jobs"].(map[string]any)
	for state, n := range jobs {
		if n != 0.0 {
			t.Errorf("%v foreign jobs %s are counted", n, state)
		}
	}
}
