package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/minio/minio-go/v7"

	"github.com/runsheet/runsheet/internal/fault"
)

// code is the server's code of an error, "" if it is not one of the server's.
func code(err error) string {
	if e, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return e.Code
	}
	return ""
}

// classify turns an error into a fault, unless the reason is that ctx ended.
func (s *Store) classify(ctx context.Context, err error, doing string) error {
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	what := doing + " the artifact store " + s.o.Place.String()
	// Not errors.Is: a dial that timed out calls itself a deadline exceeded.
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	e, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return fault.Wrap(err, fault.StorageFull, what)
		}
		return fault.Wrap(err, fault.StorageUnavailable, what+": "+err.Error()).WithHint(connectHint(err))
	}
	why, hint := s.explain(e)
	if e.StatusCode == http.StatusInsufficientStorage || fullCode(e.Code) {
		return fault.Wrap(err, fault.StorageFull, what+": "+why).WithHint("free space there, or raise the quota of the bucket")
	}
	return fault.Wrap(err, fault.StorageUnavailable, what+": "+why).WithHint(hint)
}

// fullCode reports whether a server has no room left. The codes are of AWS
// (outposts), MinIO, Ceph and versitygw.
func fullCode(code string) bool {
	switch code {
	case "InsufficientCapacity", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage":
		return true
	}
	return false
}

// explain says in our words what the server means, and what helps.
func (s *Store) explain(e minio.ErrorResponse) (why, hint string) {
	switch e.Code {
	case minio.NoSuchBucket:
		return "there is no bucket " + s.o.Place.Bucket, "create the bucket, or correct blob_url"
	case minio.InvalidAccessKeyID, "XAdminUserNotFound": // the latter is versitygw's
		return "the server does not know the access key", "check blob_access_key"
	case minio.SignatureDoesNotMatch:
		return "the secret key does not belong to the access key", "check blob_access_key and blob_secret_key"
	case minio.AccessDenied, minio.AllAccessDisabled:
		return "the key may not do that", "let the key put, get, delete and list objects, and list and abort uploads in the bucket"
	case minio.RequestTimeTooSkewed:
		return "the clocks of this machine and of the server differ by too much", "set this machine's clock by NTP"
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, "PermanentRedirect", "IllegalLocationConstraintException":
		return "the bucket is in another region or at another endpoint: " + e.Message, "set region or endpoint in blob_url"
	}
	return e.Code + ": " + e.Message, ""
}

func connectHint(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return "the server speaks no TLS: write endpoint=http://host:port, if the network may see the content"
	case strings.Contains(text, "x509:"):
		return "the system must trust the server's certificate; SSL_CERT_FILE names more authorities"
	}
	return ""
}
