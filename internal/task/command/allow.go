package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// allowList decides which executables may run.
//
// What is compared is the canonical path: absolute, clean, with the symbolic
// links of its folders resolved, its own name kept. The name is kept because
// multi-call programs (busybox) decide by it what they do: allowing /bin/ls must
// not allow /bin/sh although both are the same file. An entry's folder is
// resolved in the same way, so that /bin/ls and /usr/bin/ls are one where /bin is
// a link.
//
//   - A path as an entry allows that path, and what it links to: the operator
//     named it.
//   - A pattern allows a path that matches, but if that is itself a symbolic
//     link, its final target must be allowed too. A link that someone puts into
//     an allowed folder therefore allows nothing.
//   - "*" allows everything.
//
// A job names its executable by an absolute, clean path, or by a bare name that is
// searched in the server's PATH, never by a relative path, because the working
// folder is the job's own.
type allowList struct {
	entries []string
	any     bool
	path    string
}

func newAllowList(entries []string, path string) (allowList, error) {
	a := allowList{path: path}
	for _, e := range entries {
		switch e = strings.TrimSpace(e); {
		case e == "":
		case e == "*":
			a.any = true
		case !filepath.IsAbs(e) || filepath.Clean(e) != e:
			return a, fault.Newf(fault.InvalidInput, "command.allow: %q is neither a clean absolute path nor *", e)
		default:
			if _, err := filepath.Match(e, ""); err != nil {
				return a, fault.Newf(fault.InvalidInput, "command.allow: %q is not a valid pattern", e)
			}
			a.entries = append(a.entries, e)
		}
	}
	return a, nil
}

func (a allowList) empty() bool { return !a.any && len(a.entries) == 0 }

func (a allowList) disabled() error {
	return fault.New(fault.JobTypeDisabled, "no executable is allowed on this server").
		WithHint("Start the server with --allow-command (RUNSHEET_COMMAND_ALLOW, command.allow); see docs/command-jobs.md.")
}

// resolve returns the path to execute for argv[0], or a fault.
func (a allowList) resolve(name string) (string, error) {
	if a.empty() {
		return "", a.disabled()
	}
	refuse := func(format string, args ...any) (string, error) {
		detail := fmt.Sprintf(format, args...)
		return "", fault.New(fault.CommandNotAllowed, detail).At("/argv/0", "not_allowed", detail).
			WithHint("The server allows what --allow-command (RUNSHEET_COMMAND_ALLOW, command.allow) lists; see docs/command-jobs.md.")
	}
	file := name
	switch {
	case name == "." || name == ".." || strings.ContainsRune(name, 0):
		return refuse("%.100q is not an executable", name)
	case !strings.ContainsAny(name, pathSeparators):
		var ok bool
		if file, ok = a.look(name); !ok {
			return refuse("%.100q is not in the server's PATH", name)
		}
	case !filepath.IsAbs(name):
		return refuse("%.100q is a relative path; use an absolute path or a bare name", name)
	case filepath.Clean(name) != name:
		return refuse("%.100q is not a clean path", name)
	}
	file = canonical(file)
	if !a.allowed(file) {
		return refuse("%.200q is not allowed", name)
	}
	return file, nil
}

// pathSeparators are the characters that make a name a path.
const pathSeparators = "/" + string(filepath.Separator)

// look searches a bare name. Relative entries of the search path are ignored.
func (a allowList) look(name string) (string, bool) {
	for _, dir := range filepath.SplitList(a.path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		if runtime.GOOS == "windows" && filepath.Ext(file) == "" {
			file += ".exe"
		}
		st, err := os.Stat(file)
		if err == nil && st.Mode().IsRegular() && (runtime.GOOS == "windows" || st.Mode()&0o111 != 0) {
			return file, true
		}
	}
	return "", false
}

// canonical resolves the links of file's folder. A folder that does not exist
// stays as it is: then nothing can run, and the start will say so.
func canonical(file string) string {
	dir, base := filepath.Split(file)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return file
	}
	return filepath.Join(real, base)
}

// allowed decides for a canonical path.
func (a allowList) allowed(file string) bool {
	if a.any {
		return true
	}
	byName, byPattern := a.match(file)
	if byName || !byPattern {
		return byName
	}
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) && !isLink(file)
	}
	byName, byPattern = a.match(target)
	return byName || byPattern
}

func isLink(file string) bool {
	st, err := os.Lstat(file)
	return err == nil && st.Mode()&fs.ModeSymlink != 0
}

func (a allowList) match(file string) (byName, byPattern bool) {
	for _, e := range a.entries {
		dir, base := filepath.Split(e)
		if !strings.ContainsAny(dir, `*?[\`) || runtime.GOOS == "windows" {
			if real, err := filepath.EvalSymlinks(dir); err == nil {
				// A resolved folder is text, not a pattern.
				fileDir, fileBase := filepath.Split(file)
				if filepath.Clean(fileDir) != filepath.Clean(real) {
					continue
				}
				byName = byName || fileBase == base
				ok, _ := filepath.Match(base, fileBase)
				byPattern = byPattern || ok
				continue
			}
		}
		byName = byName || e == file
		ok, _ := filepath.Match(e, file)
		byPattern = byPattern || ok
	}
	return byName, byPattern
}
