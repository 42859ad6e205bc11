// Package blobtest says what a blob.Store must do, as tests that run on each
// implementation.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/fault"
)

// Harness is what the suite needs of an implementation.
type Harness struct {
	// Open returns an empty store, and how to write other bytes over what it
	// keeps of a sum, behind its back.
	Open func(t *testing.T, o blob.Options) (s blob.Store, tamper func(sum string, content []byte))
	// Large is a number of bytes that the store writes in several steps.
	Large int
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Parallel()
	for name, f := range map[string]func(*testing.T, Harness){
		"PutAndOpen": putAndOpen, "Limit": limit, "PutKeepsNothingOnFailure": keepsNothing, "ManyWriters": manyWriters,
		"PutAgain": putAgain, "Damage": damage, "Ranges": ranges, "Refuses": refuses, "Delete": deletes, "List": lists,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, h)
		})
	}
}

// SumOf is the SHA-256 of content in hex.
func SumOf(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// Content is n bytes that differ from place to place and by seed.
func Content(n int, seed string) []byte {
	out := make([]byte, 0, n+sha256.Size)
	for block := sha256.Sum256([]byte(seed)); len(out) < n; block = sha256.Sum256(block[:]) {
		out = append(out, block[:]...)
	}
	return out[:n]
}

// Put stores content and fails the test if that fails.
func Put(t *testing.T, s blob.Store, content []byte) string {
	t.Helper()
	sum, size, err := s.Put(t.Context(), bytes.NewReader(content), nil)
	if err != nil || sum != SumOf(content) || size != int64(len(content)) {
		t.Fatalf("Put = %s, %d, %v; want %s, %d", sum, size, err, SumOf(content), len(content))
	}
	return sum
}

// Read returns what the store has under a sum.
func Read(t *testing.T, s blob.Store, sum string) ([]byte, error) {
	t.Helper()
	r, size, err := s.Open(t.Context(), sum)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	if err == nil && int64(len(got)) != size {
		t.Errorf("read %d bytes of %d", len(got), size)
	}
	return got, errors.Join(err, r.Close())
}

func all(t *testing.T, s blob.Store) (out []string) {
	t.Helper()
	for i, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, i.Sum)
	}
	return out
}

func putAndOpen(t *testing.T, h Harness) {
	s, _ := h.Open(t, blob.Options{})
	for _, n := range []int{0, 1, 5, 70_000, h.Large} {
		content := Content(n, "put")
		got, err := Read(t, s, Put(t, s, content))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
	}
}

func limit(t *testing.T, h Harness) {
	s, _ := h.Open(t, blob.Options{MaxBytes: 10})
	Put(t, s, []byte("1234567890"))
	if _, _, err := s.Put(t.Context(), strings.NewReader("12345678901"), nil); !fault.Is(err, fault.ArtifactTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	if got := all(t, s); len(got) != 1 {
		t.Errorf("it keeps %v", got)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func keepsNothing(t *testing.T, h Harness) {
	s, _ := h.Open(t, blob.Options{})
	why := errors.New("broken pipe")
	start := bytes.NewReader(Content(h.Large, "broken"))
	if _, _, err := s.Put(t.Context(), io.MultiReader(start, broken{why}), nil); !errors.Is(err, why) {
		t.Errorf("a broken reader: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Put(ended, strings.NewReader("123"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if _, _, err := s.Open(ended, SumOf(nil)); err == nil {
		t.Error("Open with an ended context succeeds")
	}
	if got := all(t, s); len(got) != 0 {
		t.Errorf("it keeps %v", got)
	}
}

func manyWriters(t *testing.T, h Harness) {
	s, _ := h.Open(t, blob.Options{})
	small, large := Content(1000, "same"), Content(h.Large, "same")
	var wg sync.WaitGroup
	for i := range 12 {
		content := small
		if i%4 == 0 {
			content = large
		}
		wg.Go(func() {
			if sum, _, err := s.Put(t.Context(), bytes.NewReader(content), nil); err != nil || sum != SumOf(content) {
				t.Errorf("Put = %s, %v", sum, err)
				return
			}
			// What Put has acknowledged is there, whatever the others do.
			if got, err := Read(t, s, SumOf(content)); err != nil || !bytes.Equal(got, content) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	if got := all(t, s); len(got) != 2 {
		t.Errorf("it keeps %v", got)
	}
}

func putAgain(t *testing.T, h Harness) {
	s, tamper := h.Open(t, blob.Options{})
	content := []byte("whole")
	sum := Put(t, s, content)
	Put(t, s, content)
	if got := all(t, s); len(got) != 1 {
		t.Errorf("it keeps %v", got)
	}
	// Content of another length was torn: to put it again mends it.
	tamper(sum, content[:2])
	Put(t, s, content)
	if got, err := Read(t, s, sum); err != nil || string(got) != "whole" {
		t.Errorf("got %q, %v", got, err)
	}
}

func damage(t *testing.T, h Harness) {
	s, tamper := h.Open(t, blob.Options{})
	for _, n := range []int{1, 500_000, h.Large} {
		content := Content(n, "damage")
		sum := Put(t, s, content)
		for what, bad := range map[string][]byte{
			"a byte differs":  append(bytes.Clone(content[:n-1]), content[n-1]^1),
			"the end is gone": content[:n-1], "there is more": append(bytes.Clone(content), 'x'),
		} {
			tamper(sum, bad)
			if got, err := Read(t, s, sum); !fault.Is(err, fault.StorageUnavailable) {
				t.Errorf("%d bytes, %s: read %d bytes, %v", n, what, len(got), err)
			}
		}
		tamper(sum, append(bytes.Clone(content[:n-1]), content[n-1]^1))
		// The same through net/http: the client must see that the body is short.
		r, _, err := s.Open(t.Context(), sum)
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		http.ServeContent(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), "x.bin", time.Time{}, r)
		if rec.Body.Len() >= n {
			t.Errorf("all %d bytes of damaged content were served", n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func ranges(t *testing.T, h Harness) {
	s, _ := h.Open(t, blob.Options{})
	content := Content(h.Large, "range")
	sum := Put(t, s, content)
	for _, c := range []struct{ header, want string }{
		{"bytes=3-5", string(content[3:6])},
		{"bytes=0-0", string(content[:1])},
		{"bytes=-7", string(content[h.Large-7:])},
		{"bytes=" + strconv.Itoa(h.Large-2) + "-", string(content[h.Large-2:])},
	} {
		r, _, err := s.Open(t.Context(), sum)
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		req.Header.Set("Range", c.header)
		rec := httptest.NewRecorder()
		http.ServeContent(rec, req, "x.bin", time.Time{}, r)
		if rec.Code != http.StatusPartialContent || rec.Body.String() != c.want {
			t.Errorf("%s: %d, %d bytes", c.header, rec.Code, rec.Body.Len())
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	r, _, err := s.Open(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek before the start succeeds")
	}
	if pos, err := r.Seek(10, io.SeekEnd); err != nil || pos != int64(h.Large)+10 {
		t.Errorf("Seek = %d, %v", pos, err)
	}
	if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("from the start again: %d bytes, %v", len(got), err)
	}
}

func refuses(t *testing.T, h Harness) {
	s, _ := h.Open(t, blob.Options{})
	for _, sum := range []string{"", "..", "../../../../etc/passwd", strings.Repeat("g", 64), strings.Repeat("A", 64), strings.Repeat("../", 21) + "x"} {
		if _, _, err := s.Open(t.Context(), sum); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("Open(%q): %v", sum, err)
		}
		if _, err := s.Delete(t.Context(), sum, time.Time{}); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("Delete(%q): %v", sum, err)
		}
	}
	if _, _, err := s.Open(t.Context(), strings.Repeat("0", 64)); !fault.Is(err, fault.ArtifactGone) {
		t.Errorf("missing: %v", err)
	}
}

func deletes(t *testing.T, h Harness) {
	s, _ := h.Open(t, blob.Options{})
	sum, other := Put(t, s, []byte("one")), Put(t, s, []byte("two"))
	var info blob.Info
	for i, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if i.Sum == sum {
			info = i
		}
	}
	if done, err := s.Delete(t.Context(), sum, info.Put.Add(-time.Second)); done || err != nil {
		t.Errorf("newer content: %v, %v", done, err)
	}
	if done, err := s.Delete(t.Context(), sum, info.Put.Add(2*time.Second)); !done || err != nil {
		t.Errorf("older content: %v, %v", done, err)
	}
	if done, err := s.Delete(t.Context(), sum, info.Put.Add(2*time.Second)); done || err != nil {
		t.Errorf("missing content: %v, %v", done, err)
	}
	if _, err := Read(t, s, sum); !fault.Is(err, fault.ArtifactGone) {
		t.Errorf("reading deleted content: %v", err)
	}
	if diff := cmp.Diff([]string{other}, all(t, s)); diff != "" {
		t.Error(diff)
	}
	Put(t, s, []byte("one"))
	if got, err := Read(t, s, sum); err != nil || string(got) != "one" {
		t.Errorf("put after a deletion: %q, %v", got, err)
	}
}

func lists(t *testing.T, h Harness) {
	s, _ := h.Open(t, blob.Options{})
	if got := all(t, s); len(got) != 0 {
		t.Errorf("an empty store has %v", got)
	}
	sizes := map[string]int64{}
	for i := range 30 {
		sizes[Put(t, s, Content(i, "list"))] = int64(i)
	}
	last := ""
	for i, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if i.Sum <= last || sizes[i.Sum] != i.Size || i.Put.IsZero() {
			t.Errorf("%+v after %s, want %d bytes", i, last, sizes[i.Sum])
		}
		last = i.Sum
		delete(sizes, i.Sum)
	}
	if len(sizes) != 0 {
		t.Errorf("not listed: %v", sizes)
	}
	for _, err := range s.List(t.Context()) {
		if err != nil {
			t.Error(err)
		}
		break // an early end must not hang or panic
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var got error
	for _, err := range s.List(ended) {
		got = err
	}
	if !errors.Is(got, context.Canceled) {
		t.Errorf("an ended context: %v", got)
	}
}
