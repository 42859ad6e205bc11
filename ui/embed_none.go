//go:build no_ui

// Package ui is empty in this build.
package ui

import "io/fs"

// Files is nil: the user interface was left out.
func Files() fs.FS { return nil }
