package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profiled does f, and makes a profile of the processors' time meanwhile if profiles
// are wanted and this is the last run of the scenario. What f does is what is measured,
// without what is prepared for it.
func (b *bench) profiled(name string, f func() error) (err error) {
	if b.Profiles == "" || b.turn != b.Runs-1 {
		return f()
	}
	file, err := os.Create(filepath.Join(b.Profiles, fmt.Sprintf("%s-%s.pprof", b.report.Engine, name)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}
