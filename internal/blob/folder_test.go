package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/fault"
)

func setup(t *testing.T, o blob.Options) (*blob.Folder, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "artifacts")
	f, err := blob.OpenFolder(root, o)
	if err != nil {
		t.Fatal(err)
	}
	return f, root
}

func sumOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func files(t *testing.T, root string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(root, p)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPutAndOpen(t *testing.T) {
	t.Parallel()
	f, root := setup(t, blob.Options{})
	for _, content := range []string{"", "hello", strings.Repeat("long ", 100_000)} {
		sum, size, err := f.Put(t.Context(), strings.NewReader(content), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := sumOf([]byte(content)); sum != want || size != int64(len(content)) {
			t.Errorf("Put = %s, %d; want %s, %d", sum, size, want, len(content))
		}
		r, n, err := f.Open(t.Context(), sum)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != content || n != size {
			t.Errorf("read %d bytes of %d, %v", len(got), n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		st, err := os.Stat(filepath.Join(root, sum[:2], sum[2:4], sum))
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, want 0600", st.Mode().Perm())
		}
	}
	if got := files(t, filepath.Join(root, "tmp")); len(got) != 0 {
		t.Errorf("temporary files stay: %v", got)
	}
}

func TestExistingContentIsNotRewritten(t *testing.T) {
	t.Parallel()
	f, root := setup(t, blob.Options{})
	sum, _, err := f.Put(t.Context(), strings.NewReader("same"), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, sum[:2], sum[2:4], sum)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if again, _, err := f.Put(context.Background(), strings.NewReader("same"), nil); err != nil || again != sum {
				t.Errorf("Put = %s, %v", again, err)
			}
		})
	}
	wg.Wait()
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the file was replaced")
	}
	if got := files(t, root); len(got) != 1 {
		t.Errorf("files: %v", got)
	}
}

func TestATornFileIsReplaced(t *testing.T) {
	t.Parallel()
	f, root := setup(t, blob.Options{})
	sum, _, err := f.Put(t.Context(), strings.NewReader("whole"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(root, sum[:2], sum[2:4], sum), 2); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Put(t.Context(), strings.NewReader("whole"), nil); err != nil {
		t.Fatal(err)
	}
	r, _, err := f.Open(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "whole" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	f, root := setup(t, blob.Options{})
	content := bytes.Repeat([]byte("0123456789"), 50_000)
	sum, _, err := f.Put(t.Context(), bytes.NewReader(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	content[70_000] = 'X'
	if err := os.WriteFile(filepath.Join(root, sum[:2], sum[2:4], sum), content, 0o600); err != nil {
		t.Fatal(err)
	}
	r, _, err := f.Open(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("reading damaged content: %v", err)
	}
	// The same through net/http: the client must see that the body is short.
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	http.ServeContent(rec, httptest.NewRequest(http.MethodGet, "/", nil), "x.bin", time.Time{}, r)
	if rec.Body.Len() >= len(content) {
		t.Errorf("all %d bytes of damaged content were served", rec.Body.Len())
	}
}

func TestRangesAreServed(t *testing.T) {
	t.Parallel()
	f, _ := setup(t, blob.Options{})
	sum, _, err := f.Put(t.Context(), strings.NewReader("0123456789"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := f.Open(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Range", "bytes=3-5")
	rec := httptest.NewRecorder()
	http.ServeContent(rec, req, "x.bin", time.Time{}, r)
	if rec.Code != http.StatusPartialContent || rec.Body.String() != "345" {
		t.Errorf("%d %q", rec.Code, rec.Body)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestPutKeepsNothingOnFailure(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken pipe")
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		want func(error) bool
	}{
		"too large": {t.Context(), strings.NewReader("12345678901"), func(err error) bool { return fault.Is(err, fault.ArtifactTooLarge) }},
		"reader":    {t.Context(), io.MultiReader(strings.NewReader("123"), failing{broken}), func(err error) bool { return errors.Is(err, broken) }},
		"context":   {ended, strings.NewReader("123"), func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, root := setup(t, blob.Options{MaxBytes: 10})
			if _, _, err := f.Put(c.ctx, c.r, nil); !c.want(err) {
				t.Errorf("err = %v", err)
			}
			if got := files(t, root); len(got) != 0 {
				t.Errorf("files stay: %v", got)
			}
		})
	}
	f, _ := setup(t, blob.Options{MaxBytes: 10})
	if _, _, err := f.Put(t.Context(), strings.NewReader("1234567890"), nil); err != nil {
		t.Errorf("exactly at the limit: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	f, _ := setup(t, blob.Options{})
	for _, sum := range []string{"", "..", "../../../../etc/passwd", strings.Repeat("g", 64), strings.Repeat("A", 64), strings.Repeat("../", 21) + "x"} {
		if _, _, err := f.Open(t.Context(), sum); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("Open(%q): %v", sum, err)
		}
	}
	if _, _, err := f.Open(t.Context(), strings.Repeat("0", 64)); !fault.Is(err, fault.ArtifactGone) {
		t.Errorf("missing: %v", err)
	}
}

// TestSweep starts this test binary again as a process that dies in the middle
// of a Put, while a second Put of this process is under way.
func TestSweep(t *testing.T) {
	t.Parallel()
	if root := os.Getenv("BLOB_TEST_DIE"); root != "" {
		f, err := blob.OpenFolder(root, blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, _ = f.Put(t.Context(), dying{}, nil)
		t.Fatal("still alive")
	}
	f, root := setup(t, blob.Options{})
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, _, err := f.Put(context.Background(), pr, nil)
		done <- err
	}()
	if _, err := pw.Write([]byte("begun")); err != nil { // returns when Put has read it
		t.Fatal(err)
	}

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestSweep$")
	cmd.Env = append(os.Environ(), "BLOB_TEST_DIE="+root)
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "still alive") {
		t.Fatalf("the child should have died: %v\n%s", err, out)
	}
	if got := files(t, filepath.Join(root, "tmp")); len(got) != 2 {
		t.Fatalf("before: %v", got)
	}
	if _, err := blob.OpenFolder(root, blob.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := files(t, filepath.Join(root, "tmp")); len(got) != 1 {
		t.Errorf("after: %v, want only the living process's", got)
	}
	if err := pw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the living Put: %v", err)
	}
}

type dying struct{}

func (dying) Read([]byte) (int, error) {
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		return 0, err
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return 0, err
	}
	select {} // until the signal arrives
}
