package app

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/runsheet/runsheet/internal/blob"
)

// closed returns what reports whether a place, by its absolute path without links,
// is the server's own: its data folder, which has the token of the local command
// line and what all tenants wrote, the folder of artifacts, and files with secrets.
// Whoever may write directives may let work read files, but that must not make him
// an administrator, nor show him another tenant.
//
// The kernel's folder of processes belongs to it: the environment of the server is
// there.
func (a *App) closed() (func(real string) bool, error) {
	c := a.o.Config
	own := []string{c.Data, c.File, c.TLSKey, "/proc"}
	for _, s := range c.LLM.Servers {
		own = append(own, s.KeyFile)
	}
	if c.BlobURL != "" {
		place, err := blob.ParsePlace(c.BlobURL)
		if err != nil {
			return nil, err
		}
		own = append(own, place.Dir)
	}
	own = slices.DeleteFunc(own, func(p string) bool { return p == "" })
	return func(real string) bool {
		// Files are replaced, so that they are looked at now; and compared as files,
		// because a place can have more than one name.
		var infos []os.FileInfo
		for _, p := range own {
			if info, err := os.Stat(p); err == nil {
				infos = append(infos, info)
			}
		}
		for p := real; ; p = filepath.Dir(p) {
			if info, err := os.Stat(p); err == nil && slices.ContainsFunc(infos, func(o os.FileInfo) bool { return os.SameFile(info, o) }) {
				return true
			}
			if p == filepath.Dir(p) {
				return false
			}
		}
	}, nil
}
