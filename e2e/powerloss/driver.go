package powerloss

import (
	"errors"
	"net/url"
	"strings"

	"github.com/ncruces/go-sqlite3"
	_ "github.com/ncruces/go-sqlite3/driver" // the driver named "sqlite3"

	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// autocheckpoint is what production sets; Driver can put less in its place.
const autocheckpoint = "wal_autocheckpoint(1000)"

// Driver makes the storage layer work on d. A checkpoint that is not ""
// replaces the production pragma, so that short runs see checkpoints.
func (d *Disk) Driver(checkpoint string) sqlite.Driver {
	return sqlite.Driver{
		Name: "sqlite3",
		DSN: func(path string, pragmas []string, readOnly bool) string {
			v := url.Values{"vfs": {d.name}}
			for _, p := range pragmas {
				if p == autocheckpoint && checkpoint != "" {
					p = checkpoint
				}
				v.Add("_pragma", p)
			}
			if readOnly {
				v.Add("_pragma", "query_only(1)")
			}
			return "file:/" + strings.TrimPrefix(path, "/") + "?" + v.Encode()
		},
		NoLock: true,
		Code:   code,
	}
}

// code is SQLite's result code of an error. The driver returns a bare code
// where SQLite has no message.
func code(err error) int {
	var e *sqlite3.Error
	var extended sqlite3.ExtendedErrorCode
	var primary sqlite3.ErrorCode
	switch {
	case errors.As(err, &e):
		return int(e.ExtendedCode())
	case errors.As(err, &extended):
		return int(extended)
	case errors.As(err, &primary):
		return int(primary)
	}
	return 0
}
