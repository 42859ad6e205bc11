//go:build !no_ui

package ui_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/ui"
)

// TestFirstPage: it loads the application, and leads on without a script.
func TestFirstPage(t *testing.T) {
	t.Parallel()
	page, err := fs.ReadFile(ui.Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`<div id="root">`, `src="/ui/assets/`, `href="/ui/api/"`} {
		if !strings.Contains(string(page), part) {
			t.Errorf("no %s", part)
		}
	}
	for _, inline := range []string{"<style", "onload=", "<script>"} {
		if strings.Contains(string(page), inline) {
			t.Errorf("%s is forbidden by the policy", inline)
		}
	}
}
