package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/runsheet/runsheet/internal/fault"
)

// ErrDamaged is wrapped by the error of a reader whose content does not have the
// hash that it is stored under.
var ErrDamaged = errors.New("content does not have its hash")

// reader reads a blob and verifies it when it is read from start to end.
// net/http's ServeContent jumps to the end and back first, so a jump to the
// start begins anew and any other jump gives the verification up.
type reader struct {
	src  io.ReadSeekCloser
	sum  string
	size int64
	hash hash.Hash
	pos  int64
	// straight says that the hash has seen all bytes before pos.
	straight bool
}

// NewReader returns src, size bytes that should hash to sum, as Store.Open
// promises it. The reader owns src.
func NewReader(src io.ReadSeekCloser, sum string, size int64) io.ReadSeekCloser {
	return &reader{src: src, sum: sum, size: size, hash: sha256.New(), straight: true}
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	before := r.pos
	r.pos += int64(n)
	if r.straight {
		r.hash.Write(p[:n])
		if before < r.size && r.pos >= r.size || errors.Is(err, io.EOF) {
			if hex.EncodeToString(r.hash.Sum(nil)) != r.sum {
				return 0, fault.Wrap(ErrDamaged, fault.StorageUnavailable, "the stored content of "+r.sum+" is damaged")
			}
		}
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	pos, err := r.src.Seek(offset, whence)
	if err != nil {
		return pos, err
	}
	if pos == 0 {
		r.hash.Reset()
	}
	r.straight = pos == 0 || r.straight && pos == r.pos
	r.pos = pos
	return pos, nil
}

// Close implements io.Closer.
func (r *reader) Close() error { return r.src.Close() }
