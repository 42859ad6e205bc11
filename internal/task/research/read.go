package research

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/extract"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// maxSource bounds one source in bytes.
const maxSource = 20 << 20

// document is a source that was read.
type document struct {
	entry Source
	text  []rune
	pages []int
	lines []int
}

// read reads all sources. One that cannot be read costs only itself, unless it is
// refused or none is left.
func (w *work) read(ctx context.Context) error {
	var last error
	var later bool
	for i, s := range w.p.Sources {
		w.progress("reading", i+1, len(w.p.Sources))
		id := fmt.Sprintf("s%d", i+1)
		doc, err := w.readOne(ctx, id, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, errNotAllowed) {
			return w.refuse(ctx, i, s)
		}
		if err != nil {
			fmt.Fprintf(w.h.Log(), "source %d: not read: %s\n", i+1, w.kept(err))
			doc = &document{entry: Source{ID: id, Kind: kindOf(s), Name: nameOf(s), Origin: originOf(s)}}
			doc.entry.Error = reason(err)
			w.note(noteUnread, id, "it could not be read: "+reason(err))
			last, later = err, later || passing(err)
		}
		w.docs = append(w.docs, doc)
	}
	for _, d := range w.docs {
		if d.entry.Error == "" {
			return nil
		}
	}
	switch {
	case last == nil: // no sources at all
		return nil
	case later:
		return task.Retry(string(fault.SourceUnreadable), errors.New("no source could be read; the last: "+w.kept(last)), 30*time.Second)
	}
	return task.Fatal(string(fault.SourceUnreadable), errors.New("no source could be read; the last: "+w.kept(last)))
}

// kept is the reason as it may stand in the run's error and log. Faults of package outbound
// name the host of a URL, and of what a direct request asked nothing is stored.
func (w *work) kept(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && !w.durable() {
		return strings.ToLower(f.Code.Entry().Title)
	}
	return reason(err)
}

// refuse ends the attempt because of a source that led out of the allow-list.
func (w *work) refuse(ctx context.Context, i int, s source) error {
	if err := w.h.Refused(ctx, s.label()); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	which := fmt.Sprintf("source %d", i+1)
	if w.durable() { // then params are stored anyway
		which = s.label()
	}
	return task.Fatal(string(fault.SourceNotAllowed), fmt.Errorf("%s: %w", which, errNotAllowed))
}

func (w *work) readOne(ctx context.Context, id string, s source) (*document, error) {
	var data []byte
	var mediaType string
	var err error
	entry := Source{ID: id, Kind: kindOf(s), Name: nameOf(s), Origin: originOf(s)}
	switch {
	case s.Path != "":
		mediaType = extract.MediaType(s.Path)
		data, err = readFile(s.Path, w.a.Directive, w.t.o.Closed, maxSource)
	case s.URL != "":
		var got fetched
		got, err = fetch(ctx, w.t.o.Client, w.a.Directive, s.URL, maxSource)
		data, mediaType = got.data, got.mediaType
		if err == nil {
			entry.Origin = plainURL(got.from)
		}
	default:
		data, mediaType = []byte(s.Text), "text/plain"
	}
	if err != nil {
		return nil, err
	}
	d, err := w.t.text(ctx, extract.Options{RunID: w.a.RunID, Dir: w.a.Dir}, data, mediaType)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	at := w.t.o.Clock.Now().UTC().Truncate(time.Second)
	doc := &document{entry: entry, text: []rune(d.Text), pages: d.Pages}
	doc.lines = lineStarts(doc.text)
	e := &doc.entry
	e.Format, e.SHA256, e.Bytes, e.Chars, e.RetrievedAt = string(d.Kind), hex.EncodeToString(sum[:]), int64(len(data)), len(doc.text), &at
	if s.Name == "" && d.Title != "" {
		e.Name = d.Title
	}
	if d.Truncated {
		w.note(noteTruncated, id, "only its beginning was read, because it is very long")
	}
	if d.Lost > 0 {
		w.note(noteLost, id, fmt.Sprintf("%d of its pages could not be read", d.Lost))
	}
	fmt.Fprintf(w.h.Log(), "source %s: %s, %d bytes, %d characters\n", id, d.Kind, len(data), len(doc.text))
	return doc, nil
}

// reason is what may be said of why a source was not read.
func reason(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Detail
	}
	if s, ok := errors.AsType[statusError](err); ok {
		return s.Error()
	}
	for _, known := range []error{
		errMissing, errNotRegular, errForbidden, errMoved, errTooLarge, errUnread,
		extract.ErrKind, extract.ErrCharset, extract.ErrBroken, extract.ErrEncrypted, extract.ErrEmpty, extract.ErrLimit,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return errUnread.Error()
}

func kindOf(s source) string {
	switch {
	case s.Path != "":
		return "file"
	case s.URL != "":
		return "url"
	}
	return "text"
}

// nameOf is how the report calls a source.
func nameOf(s source) string {
	switch {
	case oneLine(s.Name) != "":
		return oneLine(s.Name)
	case s.Path != "":
		return path.Base(filepath.ToSlash(s.Path))
	case s.URL != "":
		if u, err := url.Parse(s.URL); err == nil {
			return u.Hostname()
		}
	}
	return "text"
}

// originOf is where a source is, without what may be secret in a URL.
func originOf(s source) string {
	switch {
	case s.Path != "":
		return s.Path
	case s.URL != "":
		if u, err := url.Parse(s.URL); err == nil {
			return plainURL(u)
		}
	}
	return ""
}

// plainURL is a URL without user, query and fragment.
func plainURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// progress shows a stage with its number, "chunk 4/12".
func (w *work) progress(stage string, done, total int) {
	if total > 0 {
		stage = fmt.Sprintf("%s %d/%d", stage, done, total)
	}
	w.h.Progress(run.Progress{Stage: stage, Done: int64(done), Total: int64(total)})
}
