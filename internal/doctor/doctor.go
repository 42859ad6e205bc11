// Package doctor looks at an installation and says what is wrong with it, for
// the person who runs the server: folder, lock, database, place of the
// artifacts, clock, limits, certificate, servers of language models, and the running server if there is one.
//
//	report := doctor.Examine(ctx, doctor.Options{Config: cfg, Clock: clock.System{}})
//	if report.Failed() { ... }
//
// It changes nothing but for probe files, which it removes, and it shows no
// secret. Each check is a line of its own; one that does not apply is left out.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
)

// Status of a check.
type Status string

// The statuses. A warning is worth a look; a failure stops the server or
// endangers what it was given.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Check is one line of the report.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	// Remedy is what to do, "" if nothing.
	Remedy string `json:"remedy,omitempty"`
}

// Report is all lines, in the order in which things depend on each other.
type Report []Check

// Failed reports whether any check failed.
func (r Report) Failed() bool {
	return slices.ContainsFunc(r, func(c Check) bool { return c.Status == Fail })
}

// Options of Examine. Config is required.
type Options struct {
	Config config.Config
	Clock  clock.Clock // nil = the system's
	// Connect returns a client for the server of the data folder; nil = the
	// server is not asked.
	Connect func() (*client.Client, error)
}

// probeTime bounds each question to something outside this process.
const probeTime = 10 * time.Second

type exam struct {
	Options
	report Report
	held   bool // a server uses the data folder
}

// Examine makes all checks.
func Examine(ctx context.Context, o Options) Report {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	e := &exam{Options: o}
	e.configuration()
	e.listening()
	e.certificate()
	e.commands()
	e.folder()
	e.secrets()
	e.lock()
	e.database(ctx)
	e.redis(ctx)
	e.models(ctx)
	e.artifacts(ctx)
	e.leftovers()
	e.machine()
	e.server(ctx)
	return e.report
}

// Misconfigured is the report about a configuration that cannot be read.
func Misconfigured(err error) Report {
	c := Check{Name: "configuration", Status: Fail, Detail: err.Error(), Remedy: "correct the value and its place that the message names"}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		c.Detail = f.Detail
		if f.Hint != "" {
			c.Remedy = f.Hint
		}
	}
	return Report{c}
}

func (e *exam) ok(name, format string, args ...any) {
	e.report = append(e.report, Check{Name: name, Status: OK, Detail: fmt.Sprintf(format, args...)})
}

func (e *exam) bad(s Status, name, remedy, format string, args ...any) {
	e.report = append(e.report, Check{Name: name, Status: s, Detail: fmt.Sprintf(format, args...), Remedy: remedy})
}

// configuration looks at who may read the file, which may hold secrets.
func (e *exam) configuration() {
	path := e.Config.File
	if path == "" {
		e.ok("configuration", "valid; no file is used")
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		e.bad(Fail, "configuration", "make the file readable", "%v", err)
		return
	}
	if others := info.Mode().Perm() & 0o077; permissions && others != 0 && e.secretsIn(path) {
		e.bad(Fail, "configuration", "chmod 600 "+path, "%s holds secrets and others may use it (mode %04o)", path, info.Mode().Perm())
		return
	}
	e.ok("configuration", "%s is valid", path)
}

// secretsIn reports whether a secret came from the file.
func (e *exam) secretsIn(path string) bool {
	hidden := config.Secret("any").String()
	return slices.ContainsFunc(e.Config.Settings(), func(s config.Setting) bool {
		secret := s.Value == hidden || strings.Contains(s.Value, ":xxxxx@") // as url.URL.Redacted has it
		return secret && strings.HasPrefix(s.Origin, "file "+path)
	})
}

func (e *exam) commands() {
	switch allow := e.Config.CommandAllow; {
	case slices.Contains(allow, "*"):
		e.bad(Warn, "commands", "list the programs in command.allow (RUNSHEET_COMMAND_ALLOW)",
			"every program may be started: who may add jobs can do all that this user can")
	case len(allow) == 0:
		e.ok("commands", "off: command.allow is empty")
	default:
		e.ok("commands", "%d entries in command.allow", len(allow))
	}
}

// size is a number of bytes for a person.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f, u = f/1024, u+1
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + units[u]
}
