package directive

import (
	"fmt"

	"github.com/runsheet/runsheet/internal/fault"
)

// Outside is a source that a directive does not allow.
type Outside struct {
	// At is its place among the sources of the params, from 0.
	At int
	// Name is what it is called: a path, scheme and host, a container.
	Name string
}

// Refuse returns the fault source_not_allowed for sources of params, or nil if there
// are none. Without a directive (d is nil) nothing may be read.
func Refuse(d *Snapshot, found []Outside) error {
	if len(found) == 0 {
		return nil
	}
	names := make([]string, len(found))
	for i, o := range found {
		names[i] = o.Name
	}
	f := fault.New(fault.SourceNotAllowed, Refusal(d, names)).
		WithHint("A directive allows files by allow.files, hosts by allow.hosts and containers by allow.containers; see docs/directives.md.")
	for _, o := range found {
		f = f.At(fmt.Sprintf("/sources/%d", o.At), string(fault.SourceNotAllowed), o.Name+" is not on the allow-list")
	}
	return f
}

// Refusal says that d does not allow at least one source.
func Refusal(d *Snapshot, names []string) string {
	text := "without a directive nothing may be read, and not " + names[0]
	if d != nil {
		text = fmt.Sprintf("directive %s (version %d) does not allow %s", d.Name, d.Version, names[0])
	}
	if len(names) > 1 {
		text += fmt.Sprintf(" and %d more", len(names)-1)
	}
	return text
}
