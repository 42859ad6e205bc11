package access_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
)

var scopeRow = regexp.MustCompile("(?m)^\\| `([a-z]+:[a-z]+)` \\| (.+) \\| ([a-z, ]+) \\|$")

// TestDocumentedScopes: the table of docs/access.md is what the code grants.
func TestDocumentedScopes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	got, want := map[string]string{}, map[string]string{}
	for _, m := range scopeRow.FindAllStringSubmatch(string(page), -1) {
		got[m[1]] = m[3]
		if everyone := strings.Contains(m[2], "concerns all tenants"); everyone != access.Scope(m[1]).Installation() {
			t.Errorf("%s: the page says %v that it concerns all tenants", m[1], everyone)
		}
	}
	for _, s := range access.Scopes() {
		var roles []string
		for _, r := range access.Roles() {
			if slices.Contains(r.Scopes(), s) {
				roles = append(roles, string(r))
			}
		}
		want[string(s)] = strings.Join(roles, ", ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
