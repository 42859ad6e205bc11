// Package blob keeps the content of artifacts, addressed by SHA-256.
//
// A blob has no name and never changes: the same bytes are stored once, however
// many runs produced them. What binds a name of a run to a blob is a row in the
// store (run.Artifact); this package knows nothing of runs.
//
// Folder keeps blobs in a folder of the local or a shared file system, package
// s3 in a bucket. Both lay them out alike (ab/cd/<sha256>), so that a copy of
// the one is the other. Both are a Shelf too. blobtest.Run says what a Store must
// do, and blobtest.RunShelf what a Shelf.
package blob

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Store keeps blobs. Implementations are safe for concurrent use, also by
// several processes.
type Store interface {
	// Put stores all that r yields and returns its SHA-256 in lower-case hex and
	// its size in bytes. The content is durable when Put returns nil; otherwise
	// nothing of it can be seen, also after a crash in the middle. Content that
	// was put a short time ago is not written again. Faults: artifact_too_large,
	// storage_full, storage_unavailable; an error of r or of ctx is returned as
	// it is, wrapped. When the hash is known and before anything of the content
	// shows, reserve is called; its error ends Put and is returned as it is. nil =
	// nothing to reserve.
	Put(ctx context.Context, r io.Reader, reserve Reserve) (sum string, size int64, err error)
	// Open returns the content and its size in bytes; the caller closes it before
	// ctx ends. Reading from start to end without a jump verifies the content:
	// the last read fails, without its bytes, when the content is damaged. A
	// range after a jump is not verified, and the rest is not fetched. Faults:
	// invalid_input for a sum that is none, artifact_gone, storage_unavailable.
	Open(ctx context.Context, sum string) (io.ReadSeekCloser, int64, error)
	// Delete removes content that was last put before the given time, and reports
	// whether it did; content that is newer or not there is no error. The
	// comparison and the removal are not one step: whoever removes what no row
	// refers to keeps the time some hours back. Faults as of Open, without
	// artifact_gone.
	Delete(ctx context.Context, sum string, before time.Time) (bool, error)
	// List yields all content by ascending sum. It ends after the first error,
	// which is a storage_unavailable fault or that of ctx. What is put or deleted
	// meanwhile may show or not.
	List(ctx context.Context) iter.Seq2[Info, error]
}

// Reserve announces to whoever removes unused content that this content, of size
// bytes, is about to be used.
type Reserve func(sum string, size int64) error

// Info is what a store knows about content without reading it.
type Info struct {
	Sum  string
	Size int64 // bytes
	// Put is when the content was last put, by the clock of the store; up to an
	// hour early, as not every Put of existing content is noted.
	Put time.Time
}

// SumLen is the length of a SHA-256 in hex.
const SumLen = 64

// CheckSum returns nil when sum is a SHA-256 in lower-case hex, and a fault
// with code invalid_input otherwise. What passes is safe in a path.
func CheckSum(sum string) error {
	if len(sum) != SumLen {
		return fault.Newf(fault.InvalidInput, "a SHA-256 has %d hexadecimal digits, not %d", SumLen, len(sum))
	}
	for i := range len(sum) {
		if c := sum[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fault.Newf(fault.InvalidInput, "%q does not belong into a SHA-256 in lower-case hexadecimal", c)
		}
	}
	return nil
}
