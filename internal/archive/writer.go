package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// Writer makes an archive. Members must come in the order of their kinds, blobs
// and logs by ascending name. After an error the archive is worthless, which its
// missing end tells everybody. It is not safe for concurrent use.
type Writer struct {
	w     io.Writer
	whole hash.Hash
	last  Entry
	out   Manifest
	blobs digest
	logs  digest
}

// digest sums up a group of members.
type digest struct {
	Group
	hash hash.Hash
}

func (d *digest) add(name string, size int64, sum string) {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.Count++
	d.Bytes += size
	fmt.Fprintf(d.hash, "%s %d %s\n", name, size, sum) // a hash does not fail
}

func (d *digest) group() Group {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.SHA256 = hex.EncodeToString(d.hash.Sum(nil))
	return d.Group
}

// NewWriter begins an archive on w.
func NewWriter(w io.Writer) (*Writer, error) {
	a := &Writer{w: w, whole: sha256.New()}
	return a, a.small(Entry{Kind: head}, map[string]any{"format": formatName, "version": Version})
}

// Table adds the rows of a table: size bytes from content, of which the first
// line names the columns and the others are rows.
func (a *Writer) Table(name string, rows, size int64, content io.Reader) error {
	sum, err := a.member(Entry{Kind: Table, Name: name, Size: size}, content)
	a.out.Tables = append(a.out.Tables, TableSum{Name: name, Rows: rows, Bytes: size, SHA256: sum})
	return err
}

// Blob adds the content of an artifact. Content that turns out to be damaged
// (reading it fails, or its hash is another) is completed with zero bytes and listed as such: one damaged blob must not keep
// everything else from being saved.
func (a *Writer) Blob(sum string, size int64, content io.Reader) error {
	r := &patched{r: content, left: size}
	got, err := a.member(Entry{Kind: Blob, Name: sum, Size: size}, r)
	if err != nil {
		return err
	}
	a.blobs.add(sum, size, got)
	if got == sum && r.err == nil {
		return nil
	}
	if r.err != nil && !errors.Is(r.err, ErrDamaged) && !errors.Is(r.err, io.EOF) {
		return fmt.Errorf("read artifact %s: %w", sum, r.err)
	}
	if len(a.out.DamagedBlobs) == MaxDamaged {
		return fault.Newf(fault.BackupInvalid, "more than %d artifacts are damaged", MaxDamaged)
	}
	a.out.DamagedBlobs = append(a.out.DamagedBlobs, sum)
	return nil
}

// ErrDamaged is what the content given to Writer.Blob returns when it finds out
// that it is not what it should be.
var ErrDamaged = errors.New("content is damaged")

// patched yields exactly left bytes: what r gives, then zeros.
type patched struct {
	r    io.Reader
	left int64
	err  error // why r ended early
}

func (p *patched) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.left)]
	n := len(b)
	if p.err == nil {
		n, p.err = p.r.Read(b)
		if errors.Is(p.err, io.EOF) && int64(n) == p.left {
			p.err = nil
		}
	} else {
		clear(b)
	}
	p.left -= int64(n)
	return n, nil
}

// Log adds a file of a run's log.
func (a *Writer) Log(name string, size int64, content io.Reader) error {
	got, err := a.member(Entry{Kind: Log, Name: name, Size: size}, content)
	a.logs.add(name, size, got)
	return err
}

// Close ends the archive. It takes from m what only the caller knows and returns
// the whole manifest.
func (a *Writer) Close(m Manifest) (Manifest, error) {
	m.Tables, m.DamagedBlobs = a.out.Tables, a.out.DamagedBlobs
	m.Blobs, m.Logs = a.blobs.group(), a.logs.group()
	if err := a.small(Entry{Kind: manifest}, m); err != nil {
		return m, err
	}
	proof := hex.EncodeToString(a.whole.Sum(nil)) + "\n"
	if _, err := a.member(Entry{Kind: end, Size: int64(len(proof))}, strings.NewReader(proof)); err != nil {
		return m, err
	}
	return m, a.put(make([]byte, 2*blockSize))
}

// small adds a member that is one JSON text.
func (a *Writer) small(e Entry, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", e.path(), err)
	}
	b = append(b, '\n')
	e.Size = int64(len(b))
	_, err = a.member(e, strings.NewReader(string(b)))
	return err
}

// member writes one member and returns the SHA-256 of its content.
func (a *Writer) member(e Entry, content io.Reader) (string, error) {
	if known, ok := parsePath(e.path()); !ok || known.Kind != e.Kind || !follows(a.last, e) || e.Size < 0 {
		return "", fmt.Errorf("archive: %s must not follow %s", e.path(), a.last.path())
	}
	a.last = e
	h := block(e.path(), e.Size)
	if err := a.put(h[:]); err != nil {
		return "", err
	}
	sum := sha256.New()
	n, err := io.CopyN(io.MultiWriter(sum, writerFunc(a.put)), content, e.Size)
	if err != nil {
		return "", fmt.Errorf("write %s, %d of %d bytes: %w", e.path(), n, e.Size, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), a.put(make([]byte, padding(e.Size)))
}

type writerFunc func([]byte) error

func (f writerFunc) Write(b []byte) (int, error) {
	if err := f(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (a *Writer) put(b []byte) error {
	a.whole.Write(b)
	_, err := a.w.Write(b)
	return err
}

// follows reports whether e may come behind last. The zero Entry is the head,
// which nothing but the beginning precedes.
func follows(last, e Entry) bool {
	switch {
	case e.Kind == head:
		return last.Size == 0
	case e.Kind == end:
		return last.Kind == manifest
	case last.Kind == head && last.Size == 0:
		return false // there is no archive without a head
	case e.Kind == last.Kind:
		return e.Kind == Table || e.Kind != manifest && e.Name > last.Name
	}
	return e.Kind > last.Kind
}
