package viewer_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/runsheet/runsheet/internal/api/viewer"
)

func get(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost/", nil)
	r.URL.Path = path
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func missing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }

func TestFiles(t *testing.T) {
	t.Parallel()
	h := viewer.Files("/ui/", fstest.MapFS{
		"index.html":     {Data: []byte("the page")},
		"assets/app.js":  {Data: []byte("the script")},
		"assets/a b.css": {Data: []byte("the style")},
	}, missing)
	for path, want := range map[string]string{
		"/ui/":                      "the page",
		"/ui/jobs":                  "the page", // a page of the application
		"/ui/jobs/job_1/runs":       "the page",
		"/ui/assets/app.js":         "the script",
		"/ui/assets/a b.css":        "the style",
		"/ui/index.html":            "",
		"/ui/assets":                "",
		"/ui/assets/":               "",
		"/ui/assets/other.js":       "",
		"/ui/../go.mod":             "",
		"/ui/assets/../../go.mod":   "",
		"/ui/..":                    "",
		"/ui//etc/passwd.x":         "",
		"/ui/assets/app.js\x00.txt": "",
	} {
		w := get(t, h, "GET", path)
		if want == "" {
			if w.Code != http.StatusTeapot {
				t.Errorf("%q: %d %q", path, w.Code, w.Body)
			}
			continue
		}
		// The names of assets have a hash of their content; pages change with a release.
		caching := "no-cache"
		if strings.HasPrefix(path, "/ui/assets/") {
			caching = "public, max-age=31536000, immutable"
		}
		csp := w.Header().Get("Content-Security-Policy")
		if w.Code != 200 || w.Body.String() != want || csp != viewer.CSP || w.Header().Get("Cache-Control") != caching {
			t.Errorf("%q: %d %q %v", path, w.Code, w.Body, w.Header())
		}
	}
	if w := get(t, h, "HEAD", "/ui/"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
	for _, m := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		if w := get(t, h, m, "/ui/"); w.Code != http.StatusTeapot {
			t.Errorf("%s: %d", m, w.Code)
		}
	}
}

// TestPolicy: a policy that lets a page run what a stranger put into it is
// none.
func TestPolicy(t *testing.T) {
	t.Parallel()
	if !strings.HasPrefix(viewer.CSP, "default-src 'none'") || !strings.Contains(viewer.CSP, "frame-ancestors 'none'") {
		t.Error(viewer.CSP)
	}
	for _, bad := range []string{"unsafe-", "http:", "https:", "*"} {
		if strings.Contains(viewer.CSP, bad) {
			t.Errorf("the policy has %s", bad)
		}
	}
}

// TestOffline: every file of a page is there, and neither it nor our script
// names another server or brings code or style inside the page, which the policy
// would block.
func TestOffline(t *testing.T) {
	t.Parallel()
	h := viewer.Handler("/ui/api/", missing)
	page := get(t, h, "GET", "/ui/api/").Body.String()
	refs := 0
	for part := range strings.SplitSeq(page, `"`) {
		if !strings.HasSuffix(part, ".js") && !strings.HasSuffix(part, ".css") {
			continue
		}
		refs++
		if w := get(t, h, "GET", "/ui/api/"+strings.TrimPrefix(strings.TrimPrefix(part, "/ui/api/"), "./")); w.Code != 200 {
			t.Errorf("%s: %d", part, w.Code)
		}
	}
	if refs < 3 {
		t.Errorf("%d references found in the page: %s", refs, page)
	}
	script := get(t, h, "GET", "/ui/api/viewer.js").Body.String()
	for _, bad := range []string{"//", "http:", "https:"} {
		for line := range strings.SplitSeq(page+"\n"+script, "\n") {
			if code := strings.TrimSpace(line); strings.Contains(code, bad) && !strings.HasPrefix(code, "//") && !strings.HasPrefix(code, "*") {
				t.Errorf("names another place: %s", code)
			}
		}
	}
	for _, bad := range []string{"<script>", "<style", "style=", "onclick", "onload", "javascript:"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage", "sessionStorage", "document.cookie"} {
		if strings.Contains(script, bad) {
			t.Errorf("the script uses %s", bad)
		}
	}
}
