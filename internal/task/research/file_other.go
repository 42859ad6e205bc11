//go:build !linux

package research

import (
	"os"
	"path/filepath"
)

// noFollow is nothing where the system may not have it: whereIs finds links.
const noFollow = 0

// whereIs is the place to which a name leads now.
func whereIs(_ *os.File, name string) (string, error) { return filepath.EvalSymlinks(name) }
