package viewer_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/runsheet/runsheet/internal/api/viewer"
)

func packedFiles(t *testing.T) http.Handler {
	t.Helper()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte("the script")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return viewer.Files("/ui/", fstest.MapFS{
		"index.html":          {Data: []byte("the page")},
		"theme.js.gz":         {Data: zipped.Bytes()},
		"assets/app-1a.js.gz": {Data: zipped.Bytes()},
		"assets/app-1a.js.br": {Data: []byte("the script in brotli")},
	}, missing)
}

// TestPackedFiles: the client gets the form that it can read, and may keep for
// ever only what has its hash in its name.
func TestPackedFiles(t *testing.T) {
	t.Parallel()
	h := packedFiles(t)
	const forever = "public, max-age=31536000, immutable"
	for _, c := range []struct{ path, accept, encoding, cache string }{
		{"/ui/assets/app-1a.js", "gzip, deflate, br, zstd", "br", forever},
		{"/ui/assets/app-1a.js", "gzip, br;q=0", "gzip", forever},
		{"/ui/assets/app-1a.js", "gzip;q=0.5", "gzip", forever},
		{"/ui/assets/app-1a.js", "", "", forever},
		{"/ui/assets/app-1a.js", "identity", "", forever},
		{"/ui/theme.js", "br, gzip", "gzip", "no-cache"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil)
		r.Header.Set("Accept-Encoding", c.accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		got := w.Header()
		if w.Code != http.StatusOK || got.Get("Content-Encoding") != c.encoding || got.Get("Cache-Control") != c.cache || got.Get("Vary") != "Accept-Encoding" ||
			got.Get("Content-Security-Policy") != viewer.CSP || got.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s for %q: %d %v", c.path, c.accept, w.Code, got)
		}
		if c.encoding == "" && w.Body.String() != "the script" {
			t.Errorf("%s for %q: %q", c.path, c.accept, w.Body)
		}
		if c.encoding == "br" && w.Body.String() != "the script in brotli" {
			t.Errorf("%s for %q: %q", c.path, c.accept, w.Body)
		}
	}
}

// TestPackedFormsAreNoFiles: the forms have no URLs of their own.
func TestPackedFormsAreNoFiles(t *testing.T) {
	t.Parallel()
	h := packedFiles(t)
	for _, path := range []string{"/ui/assets/app-1a.js.gz", "/ui/assets/app-1a.js.br", "/ui/theme.js.gz", "/ui/assets/app-2b.js", "/ui/../theme.js"} {
		if w := get(t, h, http.MethodGet, path); w.Code != http.StatusTeapot {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/ui/queue", "/ui/runs/run_1", "/ui/schedules/calendar"} {
		if w := get(t, h, http.MethodGet, path); w.Body.String() != "the page" || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %q %v", path, w.Code, w.Body, w.Header())
		}
	}
}
