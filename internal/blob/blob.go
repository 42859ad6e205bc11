// Package blob keeps the content of artifacts, addressed by SHA-256.
//
// A blob has no name and never changes: the same bytes are stored once, however
// many runs produced them. What binds a name of a run to a blob is a row in the
// store (run.Artifact); this package knows nothing of runs.
//
// Folder keeps blobs in a folder of the local or a shared file system. Other
// places fit behind Store.
package blob

import (
	"context"
	"io"

	"github.com/runsheet/runsheet/internal/fault"
)

// Store keeps blobs. Implementations are safe for concurrent use, also by
// several processes.
type Store interface {
	// Put stores all that r yields and returns its SHA-256 in lower-case hex and
	// its size in bytes. The content is durable when Put returns nil and nothing
	// is kept otherwise. Content that exists already is not written again.
	// Faults: artifact_too_large, storage_full, storage_unavailable; an error of
	// r or of ctx is returned as it is, wrapped.
	Put(ctx context.Context, r io.Reader) (sum string, size int64, err error)
	// Open returns the content and its size in bytes; the caller closes it.
	// Reading from start to end without a jump verifies the content: the last
	// read fails, without its bytes, when the content is damaged. Faults:
	// invalid_input for a sum that is none, artifact_gone, storage_unavailable.
	Open(ctx context.Context, sum string) (io.ReadSeekCloser, int64, error)
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
