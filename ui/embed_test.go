//go:build !no_ui

package ui_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/ui"
)

// TestFirstPageLeadsOn: to where people log in, and to the API's description.
func TestFirstPageLeadsOn(t *testing.T) {
	t.Parallel()
	page, err := fs.ReadFile(ui.Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{`href="/ui/account/"`, `href="/ui/api/"`} {
		if !strings.Contains(string(page), link) {
			t.Errorf("no %s", link)
		}
	}
}
