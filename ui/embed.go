//go:build !no_ui

// Package ui embeds the built user interface. The build tag no_ui leaves it
// out.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files is the built user interface, index.html at its top; nil when it was
// left out.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("ui: " + err.Error()) // the folder is embedded: cannot happen
	}
	return files
}
