// Package s3 keeps blobs in a bucket of an S3-compatible server.
//
// Content lies in PREFIXab/cd/<sha256>, as in a blob.Folder. It is spooled to a
// local temporary file first, because its name is its hash. A name appears in
// the bucket with its last byte: a small blob goes up in one request, a larger
// one in parts that nobody sees until they are put together. The server checks
// each request's body against its SHA-256. What a crash leaves are parts,
// which Sweep removes a day later.
//
//	s, err := s3.Open(ctx, s3.Options{Place: place, AccessKey: a, SecretKey: b, Spool: dir})
//
// Open proves with a probe object that writing, reading and deleting work.
package s3

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

const (
	// minPart is the least size of a part in bytes, by the rules of S3; the last
	// one may be smaller.
	minPart = 5 << 20
	// defaultPart is larger, because each part is a request.
	defaultPart = 16 << 20
	// maxParts is how many parts an upload may have, by the rules of S3.
	maxParts = 10_000
	// freshFor is how long a Put of existing content need not be noted.
	freshFor = time.Hour
	// staleAfter is the age at which an unfinished upload is nobody's any more.
	// No Put takes that long, whichever instance it runs on.
	staleAfter = 24 * time.Hour
	// tries is how often a request is sent, with growing pauses up to a second.
	tries = 6
	// cleanGrace is how long an upload is taken back after its Put has failed.
	cleanGrace = 10 * time.Second
)

// Options of a Store. Place, the keys and Spool are required.
type Options struct {
	// Place names the bucket.
	Place blob.Place
	// AccessKey and SecretKey sign requests.
	AccessKey, SecretKey string
	// SessionToken belongs to keys that are lent for a time; "" for lasting ones.
	SessionToken string
	// Spool is a local folder for temporary files.
	Spool string
	// MaxBytes is the largest blob that Put accepts; 0 = no limit.
	MaxBytes int64
	// PartBytes is the size of a part, at least 5 MiB; 0 = 16 MiB. A smaller blob
	// goes up in one request.
	PartBytes int64
	// Stall is how long a connection may be without progress; 0 = one minute.
	Stall time.Duration
	Clock clock.Clock // nil = the system's
}

// Store is a blob.Store in a bucket. It is safe for concurrent use, also by
// several processes on one bucket.
type Store struct {
	o     Options
	b     *bucket
	spool *blob.Spool
}

var _ blob.Store = (*Store)(nil)

// Open returns the store after a check that it works. The error is a fault with
// code storage_unavailable or storage_full that says what is wrong.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Stall <= 0 {
		o.Stall = time.Minute
	}
	if o.PartBytes == 0 {
		o.PartBytes = defaultPart
	}
	o.PartBytes = max(o.PartBytes, minPart)
	spool, err := blob.OpenSpool(o.Spool, blob.Options{MaxBytes: o.MaxBytes})
	if err != nil {
		return nil, err
	}
	b, err := connect(o)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidInput, "the artifact store "+o.Place.String()+": "+err.Error())
	}
	s := &Store{o: o, b: b, spool: spool}
	return s, s.probe(ctx)
}

// probe writes, reads and deletes an object.
func (s *Store) probe(ctx context.Context) error {
	key, text := s.o.Place.Prefix+"tmp/probe-"+rand.Text(), rand.Text()
	sum := sha256.Sum256([]byte(text))
	if err := s.b.put(ctx, key, body{strings.NewReader(text), int64(len(text)), hex.EncodeToString(sum[:])}); err != nil {
		return s.classify(ctx, err, "write a probe into")
	}
	back, err := s.b.get(ctx, key, 0)
	if err != nil {
		return s.classify(ctx, err, "read a probe from")
	}
	got, err := io.ReadAll(io.LimitReader(back, int64(len(text))+1))
	if err = errors.Join(err, back.Close()); err != nil {
		return s.classify(ctx, err, "read a probe from")
	}
	if string(got) != text {
		return s.classify(ctx, errors.New("it returned other content than was written"), "read a probe from")
	}
	if err := s.b.remove(ctx, key); err != nil {
		return s.classify(ctx, err, "delete a probe from")
	}
	return nil
}

// Reach asks whether the bucket answers and is there. It costs one request. The
// fault is storage_unavailable.
func (s *Store) Reach(ctx context.Context) error {
	there, err := s.b.exists(ctx)
	if err == nil && !there {
		err = minio.ErrorResponse{Code: minio.NoSuchBucket}
	}
	if err != nil {
		return s.classify(ctx, err, "reach")
	}
	return nil
}

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, r io.Reader, reserve blob.Reserve) (string, int64, error) {
	tmp, err := s.spool.Fill(ctx, r)
	if err != nil {
		return "", 0, err
	}
	defer tmp.Close()
	if reserve != nil {
		if err := reserve(tmp.Sum, tmp.Size); err != nil {
			return "", 0, err
		}
	}
	st, err := s.b.stat(ctx, s.key(tmp.Sum))
	switch {
	case err == nil && st.Size == tmp.Size && s.o.Clock.Now().Sub(st.LastModified) < freshFor:
		return tmp.Sum, tmp.Size, nil
	case err != nil && code(err) != minio.NoSuchKey:
		return "", 0, s.classify(ctx, err, "look into")
	}
	// Older content is written again: that gives it the time of this Put.
	if err := s.upload(ctx, tmp); err != nil {
		return "", 0, s.classify(ctx, err, "write into")
	}
	return tmp.Sum, tmp.Size, nil
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, sum string) (io.ReadSeekCloser, int64, error) {
	if err := blob.CheckSum(sum); err != nil {
		return nil, 0, err
	}
	st, err := s.b.stat(ctx, s.key(sum))
	if code(err) == minio.NoSuchKey {
		// An answer to HEAD has no text: the bucket may be missing as well.
		if there, err := s.b.exists(ctx); err == nil && !there {
			return nil, 0, s.classify(ctx, minio.ErrorResponse{Code: minio.NoSuchBucket}, "read from")
		}
		return nil, 0, fault.Newf(fault.ArtifactGone, "the content %s is not stored here", sum)
	}
	if err != nil {
		return nil, 0, s.classify(ctx, err, "read from")
	}
	return blob.NewReader(&object{ctx: ctx, s: s, key: s.key(sum), size: st.Size}, sum, st.Size), st.Size, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, sum string, before time.Time) (bool, error) {
	if err := blob.CheckSum(sum); err != nil {
		return false, err
	}
	st, err := s.b.stat(ctx, s.key(sum))
	if code(err) == minio.NoSuchKey {
		return false, nil
	}
	if err != nil {
		return false, s.classify(ctx, err, "look into")
	}
	if !st.LastModified.Before(before) {
		return false, nil
	}
	if err := s.b.remove(ctx, s.key(sum)); err != nil {
		return false, s.classify(ctx, err, "delete from")
	}
	return true, nil
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o := range s.b.list(ctx, s.o.Place.Prefix) {
			if o.Err != nil {
				yield(blob.Info{}, s.classify(ctx, o.Err, "list"))
				return
			}
			sum := s.sum(o.Key)
			if sum != "" && !yield(blob.Info{Sum: sum, Size: o.Size, Put: o.LastModified}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(blob.Info{}, fmt.Errorf("list artifacts: %w", err))
		}
	}
}

func (s *Store) key(sum string) string {
	return s.o.Place.Prefix + sum[:2] + "/" + sum[2:4] + "/" + sum
}

// sum is the inverse of key, "" for what is no key of content.
func (s *Store) sum(key string) string {
	sum := key[strings.LastIndexByte(key, '/')+1:]
	if blob.CheckSum(sum) != nil || s.key(sum) != key {
		return ""
	}
	return sum
}
