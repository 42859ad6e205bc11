package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/fault"
)

var _ blob.Shelf = (*Store)(nil)

// Write implements blob.Shelf, by one request.
func (s *Store) Write(ctx context.Context, name string, content []byte) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	b := body{bytes.NewReader(content), int64(len(content)), hex.EncodeToString(sum[:])}
	if err := s.b.put(ctx, s.o.Place.Prefix+name, b); err != nil {
		return s.classify(ctx, err, "write into")
	}
	return nil
}

// Read implements blob.Shelf.
func (s *Store) Read(ctx context.Context, name string) ([]byte, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	r, err := s.b.get(ctx, s.o.Place.Prefix+name, 0)
	if code(err) == minio.NoSuchKey {
		return nil, fault.Newf(fault.ArtifactGone, "%s is not stored here", name)
	}
	if err != nil {
		return nil, s.classify(ctx, err, "read from")
	}
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, s.classify(ctx, err, "read from")
	}
	return content, nil
}

// Remove implements blob.Shelf.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	if err := s.b.remove(ctx, s.o.Place.Prefix+name); err != nil && code(err) != minio.NoSuchKey {
		return s.classify(ctx, err, "delete from")
	}
	return nil
}

// Entries implements blob.Shelf, by one request for each thousand.
func (s *Store) Entries(ctx context.Context, folder string) iter.Seq2[blob.Entry, error] {
	return func(yield func(blob.Entry, error) bool) {
		if err := blob.CheckName(strings.TrimSuffix(folder, "/")); err != nil {
			yield(blob.Entry{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o := range s.b.list(ctx, s.o.Place.Prefix+folder) {
			if o.Err != nil {
				yield(blob.Entry{}, s.classify(ctx, o.Err, "list"))
				return
			}
			if !yield(blob.Entry{Name: strings.TrimPrefix(o.Key, s.o.Place.Prefix), Size: o.Size, Written: o.LastModified}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(blob.Entry{}, err)
		}
	}
}

// checkTime bounds Check.
const checkTime = 10 * time.Second

// Check returns nil when the bucket answers, and the fault otherwise. It costs
// one request and does not write.
func (s *Store) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	there, err := s.b.exists(ctx)
	if err == nil && !there {
		err = minio.ErrorResponse{Code: minio.NoSuchBucket}
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fault.Newf(fault.StorageUnavailable, "the artifact store %s does not answer", s.o.Place)
	}
	return s.classify(ctx, err, "look into")
}
