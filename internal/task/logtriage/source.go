package logtriage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/task/logtriage/docker"
)

// Kinds of sources in a report.
const (
	kindFile      = "file"
	kindContainer = "container"
)

// maxInputs bounds what one run reads.
const maxInputs = 5_000

var (
	errNotRegular = errors.New("is not a regular file")
	errLink       = errors.New("was replaced by a link")
)

// input is one file or container that is read.
type input struct {
	from source
	// name is as found; real is a file's path without links.
	name, real string
	container  docker.Container
	// note says why it cannot be read; "" = it can, as far as is known.
	note string
}

func (in input) kind() string {
	if in.from.Container != "" {
		return kindContainer
	}
	return kindFile
}

// resolver turns sources into inputs under an allow-list.
type resolver struct {
	allow  directive.Allow
	closed func(real string) bool
	engine *docker.Client
	// inputs are what may be read; refused are the names of what may not.
	inputs  []input
	refused []string
	seen    map[string]bool
}

// resolve looks at every source, so that all refusals are known before anything
// is read. The error is that of a context that ended.
func (r *resolver) resolve(ctx context.Context, sources []source) error {
	r.seen = map[string]bool{}
	for _, s := range sources {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !permitted(r.allow, s):
			r.refuse(s.name())
		case s.Container != "":
			r.addContainer(ctx, s)
		case s.glob():
			r.addGlob(s)
		default:
			r.addFile(s, s.Path)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// permitted reports whether the allow-list may cover a source, as far as its name
// tells.
func permitted(a directive.Allow, s source) bool {
	switch {
	case s.Container != "":
		return a.Container(s.Container)
	case s.glob():
		return slices.ContainsFunc(a.Files, func(p string) bool { return overlap(s.Path, p) })
	}
	return a.File(s.Path)
}

func (r *resolver) refuse(name string) {
	if !slices.Contains(r.refused, name) {
		r.refused = append(r.refused, name)
	}
}

func (r *resolver) add(in input) {
	if key := in.kind() + in.real + in.container.ID; in.note == "" {
		if r.seen[key] {
			return // two patterns, or a link beside the file
		}
		r.seen[key] = true
	}
	switch {
	case len(r.inputs) < maxInputs:
	case len(r.inputs) == maxInputs:
		in = input{from: in.from, name: in.from.name(), note: fmt.Sprintf("the sources are more than %d files: the rest is not read", maxInputs)}
	default:
		return
	}
	r.inputs = append(r.inputs, in)
}

// addFile adds what a path leads to, if that may be read.
func (r *resolver) addFile(s source, name string) {
	real, err := filepath.EvalSymlinks(filepath.FromSlash(name))
	if err != nil {
		r.add(input{from: s, name: name, note: reason(err)})
		return
	}
	if r.closed(real) && s.glob() {
		return // its pattern says so
	}
	if !r.allow.File(filepath.ToSlash(real)) || r.closed(real) {
		// Below a folder that is a link the name is one of another place.
		dir := filepath.Dir(filepath.FromSlash(name))
		if in, err := filepath.EvalSymlinks(dir); s.glob() && (err != nil || in != dir) {
			name = s.Path
		}
		r.refuse(name)
		return
	}
	r.add(input{from: s, name: name, real: real})
}

// addGlob adds what a pattern finds. What it finds outside of the allow-list is
// told by the pattern's name only, because names of files may be private too.
func (r *resolver) addGlob(s source) {
	w := walker{closed: r.closed, may: func(real string) bool {
		return slices.ContainsFunc(r.allow.Files, func(p string) bool { return overlap(real+"/**", p) })
	}}
	found := w.walk(s.Path)
	if w.outside || slices.ContainsFunc(found, func(p string) bool { return !r.allow.File(p) }) {
		r.refuse(s.Path)
		return
	}
	for _, p := range found {
		r.addFile(s, p)
	}
	if w.left || slices.ContainsFunc(found, r.leads) {
		r.add(input{from: s, name: s.Path, note: "what is Runsheet's own was left out"})
	}
	switch {
	case w.cut:
		r.add(input{from: s, name: s.Path, note: fmt.Sprintf(
			"the pattern finds too much: looked at %d entries of folders, up to %d files are read", w.visited, maxMatches)})
	case len(found) == 0:
		r.add(input{from: s, name: s.Path, note: "the pattern finds no file"})
	}
}

// leads reports whether a path leads to a closed place.
func (r *resolver) leads(name string) bool {
	real, err := filepath.EvalSymlinks(filepath.FromSlash(name))
	return err == nil && r.closed(real)
}

// addContainer adds a container if the name that it really has may be read: an
// engine also finds it by its id.
func (r *resolver) addContainer(ctx context.Context, s source) {
	c, err := r.engine.Find(ctx, s.Container)
	if err != nil {
		r.add(input{from: s, name: s.Container, note: reason(err)})
		return
	}
	if !r.allow.Container(c.Name) {
		r.refuse(s.name())
		return
	}
	r.add(input{from: s, name: c.Name, container: c})
}

// reason says why a source cannot be read, without what the operating system
// says of paths.
func reason(err error) string {
	for _, known := range []error{
		errNotRegular, errLink, docker.ErrUnreachable, docker.ErrNotFound, docker.ErrBroken, docker.ErrRefused,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there"
	case errors.Is(err, fs.ErrPermission):
		return "the server has no permission to read it"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "took too long"
	}
	return "cannot be read"
}
