package api_test

import (
	"mime"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// TestDownloadOfHostileNames: whatever a job calls its file, the answer is a
// download of that name, and no header more.
func TestDownloadOfHostileNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	c := b.claim()
	sum := strings.Repeat("ab", 32)
	b.blobs[sum] = "<script>alert(1)</script>"
	var bytes int64
	for name, want := range map[string]string{
		"a.html": "a.html", "dir/index.html": "index.html", `quo"te.txt`: `quo"te.txt`, `back\slash`: `back\slash`, "semi;colon": "semi;colon",
		"line\r\nX-Evil: 1": "line\r\nX-Evil: 1", "übung 日本.txt": "übung 日本.txt", "per%41cent": "per%41cent", "'; filename*=utf-8''x": "'; filename*=utf-8''x",
	} {
		art := run.Artifact{
			ID: id.New(id.Artifact, start), Tenant: access.DefaultTenant, RunID: c.Run.ID, Name: name, Size: 25, SHA256: sum,
			MediaType: "text/html", CreatedAt: start,
		}
		if err := b.store.Artifacts.Put(t.Context(), art, c.Run.Epoch, store.ArtifactLimits{}); err != nil {
			t.Fatal(err)
		}
		bytes += art.Size
		for _, method := range []string{"GET", "HEAD"} {
			h := b.call(method, "/api/artifacts/"+art.ID, "").Header
			kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
			if kind != "attachment" || params["filename"] != want || len(params) != 1 || err != nil {
				t.Errorf("%q: %q means %q, %q, %v", name, h.Get("Content-Disposition"), kind, params, err)
			}
			if strings.ContainsAny(h.Get("Content-Disposition"), "\r\n") || h.Get("X-Evil") != "" || h.Get("Content-Type") != "application/octet-stream" ||
				h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("%q: %v", name, h)
			}
		}
	}
	u := want(t, b.call("GET", "/api/usage", ""), 200, "").json(t)
	if u["artifact_bytes"] != float64(bytes) || u["artifact_count"] != 9.0 || u["artifact_quota_bytes"] != nil {
		t.Errorf("usage %v", u)
	}
}
