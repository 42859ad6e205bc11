package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/runsheet/runsheet/internal/fault"
)

// Reader reads an archive and checks it on the way. What it returned is known to
// be right only when Next has returned io.EOF. Errors about the archive are
// faults with code backup_invalid; errors of the underlying reader are returned
// as they are. It is not safe for concurrent use.
type Reader struct {
	r     *bufio.Reader
	whole hash.Hash
	read  int64 // bytes

	now   Entry
	left  int64 // unread content of now
	sum   hash.Hash
	lines int64

	seen   []TableSum
	blobs  digest
	logs   digest
	bad    []string // blobs whose content is not what their name says
	man    Manifest
	proven []byte // SHA-256 of all before the end
	done   bool
	err    error // the first one, which stays
}

// NewReader reads the head of an archive from r.
func NewReader(r io.Reader) (*Reader, error) {
	a := &Reader{r: bufio.NewReaderSize(r, 64<<10), whole: sha256.New()}
	e, err := a.header()
	if err != nil {
		return nil, err
	}
	if e.Kind != head || e.Size > maxHead {
		return nil, invalid("this is not a Runsheet backup: it does not begin with %s", headName)
	}
	var h struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := a.small(&h); err != nil {
		return nil, err
	}
	if h.Format != formatName {
		return nil, invalid("this is not a Runsheet backup: its format is %q", h.Format)
	}
	if h.Version != Version {
		return nil, fault.Newf(fault.BackupInvalid, "the backup has format %d, this program reads format %d", h.Version, Version).
			WithHint("use the version of runsheet that made it, or a newer one")
	}
	return a, nil
}

// Next returns the next table, blob or log, after whatever is left of the one
// before was read. io.EOF means that the archive is whole and right.
func (a *Reader) Next() (Entry, error) {
	if a.err != nil {
		return Entry{}, a.err
	}
	e, err := a.next()
	a.err = err
	return e, err
}

func (a *Reader) next() (Entry, error) {
	if _, err := io.Copy(io.Discard, content{a}); err != nil {
		return Entry{}, err
	}
	last := a.now
	e, err := a.header()
	if err != nil {
		return Entry{}, err
	}
	if !follows(last, e) || slices.ContainsFunc(a.seen, func(t TableSum) bool { return e.Kind == Table && t.Name == e.Name }) {
		return Entry{}, invalid("the backup is damaged: %s comes twice or in the wrong place", e.path())
	}
	if e.Kind != manifest {
		return e, nil
	}
	if e.Size > maxManifest {
		return Entry{}, invalid("the manifest of the backup is too large (%d bytes)", e.Size)
	}
	if err := a.small(&a.man); err != nil {
		return Entry{}, err
	}
	if err := a.proof(); err != nil {
		return Entry{}, err
	}
	if err := a.compare(); err != nil {
		return Entry{}, err
	}
	a.done = true
	return Entry{}, io.EOF
}

// Read reads the content of the member that Next returned last.
func (a *Reader) Read(b []byte) (int, error) { return content{a}.Read(b) }

// Manifest returns what the archive says of itself, after Next returned io.EOF.
func (a *Reader) Manifest() (Manifest, bool) { return a.man, a.done }

// header reads the header of a member and makes it the current one.
func (a *Reader) header() (Entry, error) {
	var b [blockSize]byte
	if err := a.full(b[:]); err != nil {
		return Entry{}, err
	}
	e, err := parseBlock(&b)
	if err != nil {
		return Entry{}, err
	}
	if e.Kind == end {
		a.proven = a.whole.Sum(nil)
	}
	a.whole.Write(b[:])
	a.now, a.left, a.sum, a.lines = e, e.Size, sha256.New(), 0
	return e, nil
}

// content reads the current member, and at its end the padding.
type content struct{ a *Reader }

func (c content) Read(b []byte) (int, error) {
	a := c.a
	if a.err != nil && !errors.Is(a.err, io.EOF) {
		return 0, a.err
	}
	if a.sum == nil {
		return 0, io.EOF
	}
	if a.left == 0 {
		if err := a.endMember(); err != nil {
			a.err = err
			return 0, err
		}
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), a.left)]
	n, err := a.r.Read(b)
	a.read += int64(n)
	a.left -= int64(n)
	a.whole.Write(b[:n])
	a.sum.Write(b[:n])
	a.lines += int64(bytes.Count(b[:n], []byte{'\n'}))
	if errors.Is(err, io.EOF) {
		err = nil
		if a.left > 0 {
			err = a.short()
		}
	}
	if err != nil {
		a.err = err
	}
	return n, err
}

func (a *Reader) endMember() error {
	pad := make([]byte, padding(a.now.Size))
	if err := a.full(pad); err != nil {
		return err
	}
	if bytes.ContainsFunc(pad, func(r rune) bool { return r != 0 }) {
		return invalid("the backup is damaged behind %s", a.now.path())
	}
	a.whole.Write(pad)
	sum := hex.EncodeToString(a.sum.Sum(nil))
	a.sum = nil
	switch a.now.Kind {
	case Table:
		a.seen = append(a.seen, TableSum{Name: a.now.Name, Rows: a.lines - 1, Bytes: a.now.Size, SHA256: sum})
		if len(a.seen) > 1000 {
			return invalid("the backup has too many tables")
		}
	case Blob:
		a.blobs.add(a.now.Name, a.now.Size, sum)
		if sum != a.now.Name {
			if a.bad = append(a.bad, a.now.Name); len(a.bad) > MaxDamaged {
				return invalid("the backup is damaged: the content of %s has another SHA-256", a.now.path())
			}
		}
	case Log:
		a.logs.add(a.now.Name, a.now.Size, sum)
	case head, manifest, end:
	}
	return nil
}

// small reads the current member, whose size was checked, as JSON.
func (a *Reader) small(v any) error {
	b, err := io.ReadAll(content{a})
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return invalid("%s in the backup is damaged: %v", a.now.path(), err)
	}
	return nil
}

// proof compares the bytes read so far with the end, behind which nothing may
// follow.
func (a *Reader) proof() error {
	e, err := a.header()
	if err != nil {
		return err
	}
	if e.Kind != end || e.Size != 2*sha256.Size+1 {
		return invalid("the backup is damaged: its end is missing behind the manifest")
	}
	want := hex.EncodeToString(a.proven) + "\n"
	got, err := io.ReadAll(content{a})
	if err != nil {
		return err
	}
	if string(got) != want {
		return invalid("the backup is damaged: its bytes do not have the SHA-256 that its end says")
	}
	rest := make([]byte, 2*blockSize)
	if err := a.full(rest); err != nil {
		return err
	}
	if bytes.ContainsFunc(rest, func(r rune) bool { return r != 0 }) {
		return invalid("the backup is damaged: something follows its end")
	}
	if _, err := a.r.ReadByte(); err == nil {
		return invalid("the backup is damaged: something follows its end")
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the backup: %w", err)
	}
	return nil
}

// compare holds what was read against the manifest.
func (a *Reader) compare() error {
	m := a.man
	if !slices.Equal(m.Tables, a.seen) || m.Blobs != a.blobs.group() || m.Logs != a.logs.group() {
		return invalid("the backup is damaged: its members differ from its manifest")
	}
	slices.Sort(m.DamagedBlobs)
	for _, sum := range a.bad {
		if _, known := slices.BinarySearch(m.DamagedBlobs, sum); !known {
			return invalid("the backup is damaged: the content of blobs/%s has another SHA-256", sum)
		}
	}
	return nil
}

// full reads exactly len(b) bytes, which the caller adds to the hash.
func (a *Reader) full(b []byte) error {
	n, err := io.ReadFull(a.r, b)
	a.read += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return a.short()
	}
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	return nil
}

func (a *Reader) short() error {
	return invalid("the backup is not whole: it ends after %d bytes", a.read)
}

// Verify reads a whole archive and returns its manifest.
func Verify(r io.Reader) (Manifest, error) {
	a, err := NewReader(r)
	if err != nil {
		return Manifest{}, err
	}
	for {
		if _, err := a.Next(); errors.Is(err, io.EOF) {
			return a.man, nil
		} else if err != nil {
			return Manifest{}, err
		}
	}
}
