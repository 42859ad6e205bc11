//go:build unix

package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/blob/blobtest"
	"github.com/runsheet/runsheet/internal/blob/s3"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// large is more than one part of the least size.
const large = 5<<20 + 17

func options(t *testing.T, server *testsvc.S3Server, bucket string) s3.Options {
	t.Helper()
	return s3.Options{
		Place:     blob.Place{Bucket: bucket, Prefix: "some/prefix/", Endpoint: server.Endpoint, Plain: true, Region: "us-east-1", PathStyle: true},
		AccessKey: server.AccessKey, SecretKey: server.SecretKey, Spool: filepath.Join(t.TempDir(), "tmp"), PartBytes: 5 << 20,
	}
}

func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// direct is the server without our package.
func direct(t *testing.T, o s3.Options) *minio.Core {
	t.Helper()
	c, err := minio.NewCore(o.Place.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func key(o s3.Options, sum string) string {
	return o.Place.Prefix + sum[:2] + "/" + sum[2:4] + "/" + sum
}

// unfinished is the number of uploads that are neither completed nor aborted.
func unfinished(t *testing.T, o s3.Options) int {
	t.Helper()
	page, err := direct(t, o).ListMultipartUploads(t.Context(), o.Place.Bucket, "", "", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Uploads)
}

func TestBucket(t *testing.T) {
	server, _ := testsvc.S3(t)
	blobtest.Run(t, blobtest.Harness{
		Large: large,
		Open: func(t *testing.T, limit blob.Options) (blob.Store, func(string, []byte)) {
			t.Helper()
			_, bucket := testsvc.S3(t)
			o := options(t, server, bucket)
			o.MaxBytes = limit.MaxBytes
			c := direct(t, o)
			return open(t, o), func(sum string, content []byte) {
				if _, err := c.Client.PutObject(t.Context(), bucket, key(o, sum), bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
					t.Error(err)
				}
			}
		},
	})
}

func TestNothingStaysOfTheCheckAndTheSpool(t *testing.T) {
	t.Parallel()
	server, bucket := testsvc.S3(t)
	o := options(t, server, bucket)
	s := open(t, o)
	blobtest.Put(t, s, []byte("x"))
	var keys []string
	for obj := range direct(t, o).ListObjectsIter(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true}) {
		keys = append(keys, obj.Key)
	}
	if len(keys) != 1 || keys[0] != key(o, blobtest.SumOf([]byte("x"))) {
		t.Errorf("the bucket has %v", keys)
	}
	if files, err := os.ReadDir(o.Spool); err != nil || len(files) != 0 {
		t.Errorf("the spool has %v, %v", files, err)
	}
}

func TestOldContentIsWrittenAgain(t *testing.T) {
	t.Parallel()
	server, bucket := testsvc.S3(t)
	o := options(t, server, bucket)
	manual := clocktest.New(clock.System{}.Now())
	o.Clock = manual
	s := open(t, o)
	sum := blobtest.Put(t, s, []byte("same"))
	file := filepath.Join(server.Root, bucket, filepath.FromSlash(key(o, sum)))
	look := func() os.FileInfo {
		st, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	first := look()
	blobtest.Put(t, s, []byte("same"))
	if !os.SameFile(first, look()) {
		t.Error("content of a moment ago was written again")
	}
	// Otherwise retention would take it for unused.
	manual.Advance(2 * time.Hour)
	blobtest.Put(t, s, []byte("same"))
	if os.SameFile(first, look()) {
		t.Error("content of two hours ago keeps its time")
	}
}

// narrow is a way to the server on which the first connection that has carried
// more than limit bytes there gets stuck.
type narrow struct {
	addr  string
	stuck chan struct{}
}

func narrowWay(t *testing.T, to string, limit int64) *narrow {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &narrow{addr: l.Addr().String(), stuck: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() }) // the test is over
	var carried atomic.Int64
	var got atomic.Bool
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
			if err != nil {
				_ = in.Close() // the client sees it
				continue
			}
			go func() {
				_, _ = io.Copy(in, out) // ends with either side
				_ = in.Close()
			}()
			go func() {
				defer out.Close()
				buf := make([]byte, 32<<10)
				for {
					k, err := in.Read(buf)
					if err != nil {
						return
					}
					if carried.Add(int64(k)) > limit && got.CompareAndSwap(false, true) {
						close(n.stuck)
						_, _ = io.Copy(io.Discard, in) // until the client goes
						return
					}
					if _, err := out.Write(buf[:k]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return n
}

// TestDeathInTheMiddle starts this test binary again as a process that is
// killed while it sends its second part.
func TestDeathInTheMiddle(t *testing.T) {
	t.Parallel()
	content := blobtest.Content(3*large, "death")
	if dir := os.Getenv("S3_TEST_DIE"); dir != "" {
		o := s3.Options{
			Place:     blob.Place{Bucket: os.Getenv("S3_TEST_BUCKET"), Endpoint: os.Getenv("S3_TEST_ENDPOINT"), Plain: true, Region: "us-east-1", PathStyle: true},
			AccessKey: os.Getenv("S3_TEST_ACCESS"), SecretKey: os.Getenv("S3_TEST_SECRET"), Spool: dir, PartBytes: 5 << 20,
		}
		_, _, err := open(t, o).Put(t.Context(), bytes.NewReader(content), nil)
		t.Fatal("still alive: ", err)
	}
	server, bucket := testsvc.S3(t)
	o := options(t, server, bucket)
	o.Place.Prefix = ""
	way := narrowWay(t, server.Endpoint, 6<<20)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestDeathInTheMiddle$")
	cmd.Env = append(os.Environ(), "S3_TEST_DIE="+o.Spool, "S3_TEST_BUCKET="+bucket, "S3_TEST_ENDPOINT="+way.addr,
		"S3_TEST_ACCESS="+o.AccessKey, "S3_TEST_SECRET="+o.SecretKey)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-way.stuck:
	case err := <-ended:
		t.Fatalf("the child ended before it was killed: %v\n%s", err, &out)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("the child ended in good order")
	}
	if files, err := os.ReadDir(o.Spool); err != nil || len(files) != 1 {
		t.Errorf("the dead process's spool: %v, %v", files, err)
	}

	o.Clock = clocktest.New(clock.System{}.Now())
	s := open(t, o)
	if files, err := os.ReadDir(o.Spool); err != nil || len(files) != 0 {
		t.Errorf("the spool after a new start: %v, %v", files, err)
	}
	if _, err := blobtest.Read(t, s, blobtest.SumOf(content)); !fault.Is(err, fault.ArtifactGone) {
		t.Errorf("half of a blob shows: %v", err)
	}
	for i, err := range s.List(t.Context()) {
		t.Errorf("listed: %+v, %v", i, err)
	}
	if n := unfinished(t, o); n != 1 {
		t.Fatalf("%d unfinished uploads, want 1", n)
	}
	// It could be another instance's, which is at work.
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("a young upload: Sweep = %d, %v", n, err)
	}
	blobtest.Put(t, s, content)
	o.Clock.(*clocktest.Manual).Advance(25 * time.Hour)
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("an old upload: Sweep = %d, %v", n, err)
	}
	if n := unfinished(t, o); n != 0 {
		t.Errorf("%d unfinished uploads after Sweep", n)
	}
	if got, err := blobtest.Read(t, s, blobtest.SumOf(content)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("after Sweep: %d bytes, %v", len(got), err)
	}
}

func TestACancelledUploadIsTakenBack(t *testing.T) {
	t.Parallel()
	server, bucket := testsvc.S3(t)
	o := options(t, server, bucket)
	way := narrowWay(t, server.Endpoint, 6<<20)
	o.Place.Endpoint = way.addr
	s := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-way.stuck
		cancel()
	}()
	if _, _, err := s.Put(ctx, bytes.NewReader(blobtest.Content(3*large, "cancel")), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if n := unfinished(t, o); n != 0 {
		t.Errorf("%d unfinished uploads", n)
	}
}

func TestAStuckConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	server, bucket := testsvc.S3(t)
	o := options(t, server, bucket)
	o.Place.Endpoint = narrowWay(t, server.Endpoint, 6<<20).addr
	o.Stall = 3 * time.Second // longer than a loaded machine may leave a good connection alone
	// Only one connection gets stuck: the part is sent again on another.
	content := blobtest.Content(2*large, "stuck")
	s := open(t, o)
	if got, err := blobtest.Read(t, s, blobtest.Put(t, s, content)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestTheServerIsStoppedAndStarted(t *testing.T) {
	t.Parallel()
	server, bucket := testsvc.OwnS3(t)
	o := options(t, server, bucket)
	s := open(t, o)
	content := blobtest.Content(2*large, "restart")
	sum := blobtest.Put(t, s, content)
	r, _, err := s.Open(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	begin := make([]byte, 10)
	if _, err := io.ReadFull(r, begin); err != nil {
		t.Fatal(err)
	}

	server.Stop(t)
	if _, _, err := s.Put(t.Context(), strings.NewReader("new"), nil); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("Put: %v", err)
	}
	if _, _, err := s.Open(t.Context(), sum); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("Open: %v", err)
	}
	if _, err := s.Delete(t.Context(), sum, clock.System{}.Now()); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("Delete: %v", err)
	}
	for _, err := range s.List(t.Context()) {
		if !fault.Is(err, fault.StorageUnavailable) {
			t.Errorf("List: %v", err)
		}
	}
	if _, err := s3.Open(t.Context(), o); !fault.Is(err, fault.StorageUnavailable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a start without the server: %v", err)
	}

	server.Start(t)
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(begin, rest...), content) {
		t.Errorf("a read over the restart: %d bytes, %v", len(rest), err)
	}
	blobtest.Put(t, s, []byte("new"))
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	server, bucket := testsvc.S3(t)
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // the client hangs up on purpose
	tls.StartTLS()
	t.Cleanup(tls.Close)
	for name, c := range map[string]struct {
		change     func(*s3.Options)
		want, hint string
	}{
		"bucket": {func(o *s3.Options) { o.Place.Bucket = "nosuch" }, "there is no bucket nosuch", "create the bucket"},
		"access": {func(o *s3.Options) { o.AccessKey = "wrong" }, "does not know the access key", "blob_access_key"},
		"secret": {func(o *s3.Options) { o.SecretKey = "geheim-falsch" }, "secret key does not belong", "blob_secret_key"},
		"tls":    {func(o *s3.Options) { o.Place.Plain = false }, "HTTP response to HTTPS client", "endpoint=http://"},
		"cert": {func(o *s3.Options) {
			o.Place.Endpoint, o.Place.Plain = strings.TrimPrefix(tls.URL, "https://"), false
		}, "x509", "SSL_CERT_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, server, bucket)
			c.change(&o)
			_, err := s3.Open(t.Context(), o)
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.StorageUnavailable || !strings.Contains(f.Detail, c.want) || !strings.Contains(f.Hint, c.hint) {
				t.Errorf("err = %v (%+v)", err, f)
			}
			if f != nil && (strings.Contains(err.Error()+f.Hint, o.SecretKey) || strings.Contains(err.Error()+f.Hint, o.AccessKey)) {
				t.Errorf("a key shows: %v", err)
			}
		})
	}
}

// TestAnswersThatARealServerGivesRarely has them said by a stand-in.
func TestAnswersThatARealServerGivesRarely(t *testing.T) {
	t.Parallel()
	for code, c := range map[string]struct {
		status int
		want   fault.Code
		detail string
	}{
		"RequestTimeTooSkewed": {http.StatusForbidden, fault.StorageUnavailable, "clocks"},
		"AccessDenied":         {http.StatusForbidden, fault.StorageUnavailable, "may not do that"},
		"PermanentRedirect":    {http.StatusMovedPermanently, fault.StorageUnavailable, "another region"},
		"XMinioStorageFull":    {http.StatusInsufficientStorage, fault.StorageFull, ""},
		"QuotaExceeded":        {http.StatusForbidden, fault.StorageFull, ""},
		"Strange":              {http.StatusInsufficientStorage, fault.StorageFull, "Strange"},
		"Teapot":               {http.StatusTeapot, fault.StorageUnavailable, "Teapot: a text"},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>a text</Message></Error>")
			}))
			t.Cleanup(srv.Close)
			_, err := s3.Open(t.Context(), s3.Options{
				Place:     blob.Place{Bucket: "bucket", Endpoint: strings.TrimPrefix(srv.URL, "http://"), Plain: true, Region: "us-east-1", PathStyle: true},
				AccessKey: "a", SecretKey: "b", Spool: t.TempDir(),
			})
			if !fault.Is(err, c.want) || !strings.Contains(err.Error(), c.detail) {
				t.Errorf("err = %v", err)
			}
		})
	}
}
