//go:build unix

package testsvc

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Server is an S3 server, versitygw, which keeps objects as files. It listens
// on a free loopback port and wants random keys.
type S3Server struct {
	// Endpoint is its host:port; it speaks HTTP.
	Endpoint string
	// AccessKey and SecretKey may do everything.
	AccessKey, SecretKey string
	// Root is the folder with a folder for each bucket, in which each object is a
	// file with the path of its key. Parts of unfinished uploads lie below
	// .sgwtmp.
	Root string

	bin     string
	base    string // has Root and the server's notes about objects
	buckets *atomic.Int64
}

// sharedS3 is the S3 server of this test binary.
type sharedS3 struct {
	once   sync.Once
	err    error
	server *S3Server
}

var objects sharedS3

// s3Account is who the server runs as: us. It does not mind root, and another
// account may not reach a tool in root's home.
var s3Account account

// S3 returns a server, which the tests of a binary share, and the name of a
// fresh bucket on it.
func S3(t testing.TB) (*S3Server, string) {
	t.Helper()
	objects.once.Do(func() { objects.server, objects.err = startS3() })
	must(t, objects.err)
	return objects.server, objects.server.bucket(t)
}

// OwnS3 is S3 on a server of the test's own, which may be stopped.
func OwnS3(t testing.TB) (*S3Server, string) {
	t.Helper()
	s, err := startS3()
	must(t, err)
	t.Cleanup(func() {
		s.Stop(t)
		if err := os.RemoveAll(s.base); err != nil {
			t.Error(err)
		}
	})
	return s, s.bucket(t)
}

// Stop kills the server. Its objects stay.
func (s *S3Server) Stop(t testing.TB) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.base, "pid"))
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	// The guardian does not wait for its child before we end, so the number stays
	// the child's: at worst it is dead already.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	must(t, await(func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Endpoint)
		if err == nil {
			return errors.Join(errors.New("it still listens"), conn.Close())
		}
		return nil
	}))
}

// Start starts a stopped server again, at the same endpoint with the same
// objects.
func (s *S3Server) Start(t testing.TB) {
	t.Helper()
	must(t, s.serve())
}

func startS3() (*S3Server, error) {
	bin, err := tool("versitygw")
	if err != nil {
		return nil, err
	}
	s := &S3Server{bin: bin, AccessKey: "key" + rand.Text(), SecretKey: rand.Text(), buckets: new(atomic.Int64)}
	// Another process can take the free port before the server does.
	for range 3 {
		if err = s.begin(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func (s *S3Server) begin() (err error) {
	if s.base, err = s3Account.folder("s3"); err != nil {
		return err
	}
	s.Root = filepath.Join(s.base, "objects")
	// Not every file system of a temporary folder has extended attributes.
	if err := errors.Join(os.Mkdir(s.Root, 0o700), os.Mkdir(filepath.Join(s.base, "meta"), 0o700)); err != nil {
		return err
	}
	if s.Endpoint, err = freeAddr(); err != nil {
		return err
	}
	return s.serve()
}

func (s *S3Server) serve() error {
	return s3Account.serve(s.base, syscall.SIGKILL, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		c, err := s.client()
		if err != nil {
			return err
		}
		_, err = c.ListBuckets(ctx) // only ours knows the keys
		return err
	}, s.bin, "--port", s.Endpoint, "--access", s.AccessKey, "--secret", s.SecretKey, "--region", "us-east-1", "--quiet",
		"posix", "--sidecar", filepath.Join(s.base, "meta"), s.Root)
}

func (s *S3Server) client() (*minio.Client, error) {
	return minio.New(s.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
}

func (s *S3Server) bucket(t testing.TB) string {
	t.Helper()
	c, err := s.client()
	must(t, err)
	name := "bucket" + strconv.FormatInt(s.buckets.Add(1), 10)
	must(t, c.MakeBucket(t.Context(), name, minio.MakeBucketOptions{}))
	return name
}
