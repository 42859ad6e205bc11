package s3_test

import (
	"testing"

	"github.com/runsheet/runsheet/internal/blob/blobtest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/testsvc"
)

func TestBucketShelf(t *testing.T) {
	t.Parallel()
	server, bucket := testsvc.S3(t)
	blobtest.RunShelf(t, open(t, options(t, server, bucket)))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	server, bucket := testsvc.OwnS3(t)
	s := open(t, options(t, server, bucket))
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	if err := s.Check(t.Context()); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("without the server: %v", err)
	}
}
