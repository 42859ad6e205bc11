package s3

import (
	"context"
	"io"
	"iter"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// bucket has what we do with one bucket. These are functions, because the
// linker keeps every method of a type that reflection could reach: a field of
// the client's type would add 1.6 MB of methods that nobody calls.
type bucket struct {
	exists func(context.Context) (bool, error)
	stat   func(ctx context.Context, key string) (minio.ObjectInfo, error)
	// get reads from a place on.
	get func(ctx context.Context, key string, from int64) (io.ReadCloser, error)
	// put writes an object whose SHA-256 in hex the server checks.
	put    func(ctx context.Context, key string, b body) error
	remove func(ctx context.Context, key string) error
	list   func(ctx context.Context, prefix string) iter.Seq[minio.ObjectInfo]

	begin func(ctx context.Context, key string) (upload string, err error)
	part  func(ctx context.Context, key, upload string, n int, b body) (minio.CompletePart, error)
	// finish makes an object of the parts.
	finish func(ctx context.Context, key, upload string, parts []minio.CompletePart) error
	abort  func(ctx context.Context, key, upload string) error
	// unfinished lists a page of uploads after the two markers.
	unfinished func(ctx context.Context, prefix, keyMarker, uploadMarker string) (minio.ListMultipartUploadsResult, error)
}

// body is what a request carries. It is read again when a request is repeated.
type body struct {
	io.ReadSeeker
	size int64
	sum  string
}

func connect(o Options) (*bucket, error) {
	lookup := minio.BucketLookupDNS
	if o.Place.PathStyle {
		lookup = minio.BucketLookupPath
	}
	c, err := minio.NewCore(o.Place.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken), Secure: !o.Place.Plain, Region: o.Place.Region,
		BucketLookup: lookup, MaxRetries: tries, Transport: transport(o.Stall),
	})
	if err != nil {
		return nil, err
	}
	name := o.Place.Bucket
	return &bucket{
		exists: func(ctx context.Context) (bool, error) { return c.BucketExists(ctx, name) },
		stat: func(ctx context.Context, key string) (minio.ObjectInfo, error) {
			return c.StatObject(ctx, name, key, minio.StatObjectOptions{})
		},
		get: func(ctx context.Context, key string, from int64) (io.ReadCloser, error) {
			var opts minio.GetObjectOptions
			if from > 0 {
				if err := opts.SetRange(from, 0); err != nil {
					return nil, err
				}
			}
			r, _, _, err := c.GetObject(ctx, name, key, opts)
			return r, err
		},
		put: func(ctx context.Context, key string, b body) error {
			// With DisableContentSha256 the library does not hash: our hash is
			// signed, and the server compares it with what arrives.
			_, err := c.PutObject(ctx, name, key, b.ReadSeeker, b.size, "", b.sum, minio.PutObjectOptions{DisableContentSha256: true})
			return err
		},
		remove: func(ctx context.Context, key string) error {
			return c.RemoveObject(ctx, name, key, minio.RemoveObjectOptions{})
		},
		list: func(ctx context.Context, prefix string) iter.Seq[minio.ObjectInfo] {
			return c.ListObjectsIter(ctx, name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true})
		},
		begin: func(ctx context.Context, key string) (string, error) {
			return c.NewMultipartUpload(ctx, name, key, minio.PutObjectOptions{})
		},
		part: func(ctx context.Context, key, upload string, n int, b body) (minio.CompletePart, error) {
			p, err := c.PutObjectPart(ctx, name, key, upload, n, b.ReadSeeker, b.size,
				minio.PutObjectPartOptions{Sha256Hex: b.sum, DisableContentSha256: true})
			return minio.CompletePart{PartNumber: n, ETag: p.ETag}, err
		},
		finish: func(ctx context.Context, key, upload string, parts []minio.CompletePart) error {
			_, err := c.CompleteMultipartUpload(ctx, name, key, upload, parts, minio.PutObjectOptions{})
			return err
		},
		abort: func(ctx context.Context, key, upload string) error {
			return c.AbortMultipartUpload(ctx, name, key, upload)
		},
		unfinished: func(ctx context.Context, prefix, keyMarker, uploadMarker string) (minio.ListMultipartUploadsResult, error) {
			return c.ListMultipartUploads(ctx, name, prefix, keyMarker, uploadMarker, "", 1000)
		},
	}, nil
}
