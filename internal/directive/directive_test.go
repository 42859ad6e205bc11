package directive_test

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/directive"
)

func TestAllowsFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{pattern: "/var/log/app.log", yes: []string{"/var/log/app.log"}, no: []string{"/var/log/app.log.1", "/var/log", "/var/log/app.log/x"}},
		{pattern: "/var/log/*.log", yes: []string{"/var/log/a.log"}, no: []string{"/var/log/a/b.log", "/var/log/a.gz", "/var/log2/a.log"}},
		{pattern: "/srv/docs/", yes: []string{"/srv/docs/a", "/srv/docs/a/b"}, no: []string{"/srv/docs2", "/srv/docs2/a", "/srv"}},
		{pattern: "/srv/docs/**", yes: []string{"/srv/docs/a", "/srv/docs/a/b/c"}, no: []string{"/srv/doc/a"}},
		{pattern: "/srv/**/notes.md", yes: []string{"/srv/notes.md", "/srv/a/b/notes.md"}, no: []string{"/srv/a/notes.mdx", "/notes.md"}},
		{pattern: "C:/logs/**", yes: []string{"C:/logs/a"}, no: []string{"D:/logs/a", "/logs/a"}},
		// What is not plain is refused, whatever the pattern.
		{pattern: "/**", yes: []string{"/etc/passwd"}, no: []string{"/srv/../etc/passwd", "/srv//a", "/srv/", "srv/a", "", "./a"}},
		{pattern: "[", no: []string{"/a", "["}},
	} {
		a := directive.Allow{Files: []string{c.pattern}}
		for _, p := range c.yes {
			if !a.File(p) {
				t.Errorf("%s does not allow %s", c.pattern, p)
			}
		}
		for _, p := range c.no {
			if a.File(p) {
				t.Errorf("%s allows %q", c.pattern, p)
			}
		}
	}
	if (directive.Allow{}).File("/a") {
		t.Error("nothing allows something")
	}
}

// TestFilesAgainstRegexp compares with the same pattern as a regular expression.
func TestFilesAgainstRegexp(t *testing.T) {
	t.Parallel()
	elem := rapid.SampledFrom([]string{"a", "b", "ab", "*", "a*", "?", "**"})
	plain := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "aab"}), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		pattern := "/" + strings.Join(rapid.SliceOfN(elem, 1, 5).Draw(t, "pattern"), "/")
		p := "/" + strings.Join(plain.Draw(t, "path"), "/")
		var re strings.Builder
		for e := range strings.SplitSeq(pattern[1:], "/") {
			if e == "**" {
				re.WriteString(`(/[^/]+)*`)
				continue
			}
			re.WriteString("/" + strings.NewReplacer("*", `[^/]*`, "?", `[^/]`).Replace(e))
		}
		want := regexp.MustCompile("^" + re.String() + "$").MatchString(p)
		if got := (directive.Allow{Files: []string{pattern}}).File(p); got != want || path.Clean(p) != p {
			t.Fatalf("%s and %s: %t, want %t", pattern, p, got, want)
		}
	})
}

func TestAllowsHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allow, host, port string
		standard, want    bool
	}{
		{"example.org", "example.org", "443", true, true},
		{"example.org", "EXAMPLE.org.", "443", true, true},
		{"Example.org", "example.org", "80", true, true},
		{"example.org", "example.org", "8443", false, false},
		{"example.org:443", "example.org", "443", true, true},
		{"example.org:443", "example.org", "80", true, false},
		{"example.org:8443", "example.org", "8443", false, true},
		{"example.org:8443", "example.org", "443", true, false},
		{"example.org", "www.example.org", "443", true, false},
		{"example.org", "badexample.org", "443", true, false},
		{"*.example.org", "www.example.org", "443", true, true},
		{"*.example.org", "a.b.example.org", "443", true, true},
		{"*.example.org", "example.org", "443", true, false},
		{"*.example.org", "badexample.org", "443", true, false},
		{"*.example.org", ".example.org", "443", true, false},
		{"*.example.org:8443", "www.example.org", "8443", false, true},
		{"[::1]", "::1", "443", true, true},
		{"[::1]:8080", "::1", "8080", false, true},
		{"[::1]:8080", "::1", "443", true, false},
		{"127.0.0.1:9", "127.0.0.1", "9", false, true},
	} {
		if got := (directive.Allow{Hosts: []string{c.allow}}).Host(c.host, c.port, c.standard); got != c.want {
			t.Errorf("%s and %s port %s: %t", c.allow, c.host, c.port, got)
		}
	}
	if (directive.Allow{}).Host("example.org", "443", true) {
		t.Error("nothing allows something")
	}
}

func TestAllowsContainers(t *testing.T) {
	t.Parallel()
	a := directive.Allow{Containers: []string{"web-*", "db"}}
	for name, want := range map[string]bool{"web-1": true, "web-": true, "web": false, "db": true, "db2": false, "xdb": false, "": false} {
		if a.Container(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}
