//go:build !linux && !darwin && !windows

package health

import "errors"

// Space is not known on this system.
func Space(string) (free, size uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}
