package viewer_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
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
	for _, c := range []struct {
		prefix, script string
		h              http.Handler
		refs           int
	}{
		{"/ui/api/", "viewer.js", viewer.Handler("/ui/api/", missing), 3},
		{"/ui/account/", "account.js", viewer.Account("/ui/account/", missing), 2},
	} {
		page := get(t, c.h, "GET", c.prefix).Body.String()
		refs := 0
		for part := range strings.SplitSeq(page, `"`) {
			if !strings.HasSuffix(part, ".js") && !strings.HasSuffix(part, ".css") {
				continue
			}
			refs++
			if w := get(t, c.h, "GET", c.prefix+strings.TrimPrefix(strings.TrimPrefix(part, c.prefix), "./")); w.Code != 200 {
				t.Errorf("%s: %d", part, w.Code)
			}
		}
		if refs < c.refs {
			t.Errorf("%d references found in the page: %s", refs, page)
		}
		script := get(t, c.h, "GET", c.prefix+c.script).Body.String()
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
}

var (
	attr   = regexp.MustCompile(` id="([^"]+)"`)
	field  = regexp.MustCompile(`<input id="([^"]+)"`)
	wanted = regexp.MustCompile(`\$\("([^"]+)"\)`)
	points = regexp.MustCompile(`(?:for|aria-labelledby|aria-describedby)="([^"]+)"`)
)

// TestAccountPage: it is small, what the script and the page point to exists, and
// each field has a label.
func TestAccountPage(t *testing.T) {
	t.Parallel()
	h := viewer.Account("/ui/account/", missing)
	page := get(t, h, "GET", "/ui/account/").Body.String()
	script := get(t, h, "GET", "/ui/account/account.js").Body.String()
	style := get(t, h, "GET", "/ui/account/account.css").Body.String()
	if n := len(page) + len(script) + len(style); n > 15_000 {
		t.Errorf("%d bytes", n)
	}
	ids := map[string]bool{}
	for _, m := range attr.FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("id %s is there twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range append(wanted.FindAllStringSubmatch(script, -1), points.FindAllStringSubmatch(page, -1)...) {
		if !ids[m[1]] {
			t.Errorf("there is no element %s", m[1])
		}
	}
	fields := field.FindAllStringSubmatch(page, -1)
	if len(fields) < 8 {
		t.Errorf("%d fields", len(fields))
	}
	for _, m := range fields {
		if !strings.Contains(page, `<label for="`+m[1]+`">`) {
			t.Errorf("field %s has no label", m[1])
		}
	}
	for _, must := range []string{`role="alert"`, `role="status"`, `lang="en"`, "<noscript>"} {
		if !strings.Contains(page, must) {
			t.Errorf("the page lacks %s", must)
		}
	}
}
