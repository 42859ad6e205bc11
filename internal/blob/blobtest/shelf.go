package blobtest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/fault"
)

// RunShelf checks an empty place as a blob.Shelf beside its content.
func RunShelf(t *testing.T, place interface {
	blob.Store
	blob.Shelf
},
) {
	t.Helper()
	ctx := t.Context()
	write := func(name, content string) {
		t.Helper()
		if err := place.Write(ctx, name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := place.Read(ctx, "logs/none"); !fault.Is(err, fault.ArtifactGone) {
		t.Errorf("read what is not there: %v", err)
	}
	if err := place.Remove(ctx, "logs/none"); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
	write("installation", "id")
	write("logs/run_1/00001", "old")
	write("logs/run_1/00001", "new text")
	write("logs/run_1/00002", "")
	write("logs/run_10/00001", "x")
	sum := Put(t, place, []byte("content"))
	if got, err := place.Read(ctx, "logs/run_1/00001"); err != nil || string(got) != "new text" {
		t.Errorf("read %q, %v", got, err)
	}
	list := func(folder string) []string {
		t.Helper()
		var got []string
		for e, err := range place.Entries(ctx, folder) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Written.IsZero() {
				t.Errorf("%s has no time", e.Name)
			}
			got = append(got, fmt.Sprint(e.Name, " ", e.Size))
		}
		return got
	}
	if diff := cmp.Diff([]string{"logs/run_1/00001 8", "logs/run_1/00002 0"}, list("logs/run_1/")); diff != "" {
		t.Error(diff)
	}
	if got := list("logs/"); len(got) != 3 {
		t.Errorf("all logs: %q", got)
	}
	if got := list("empty/"); len(got) != 0 {
		t.Errorf("an empty folder has %q", got)
	}
	for i, err := range place.List(ctx) {
		if err != nil || i.Sum != sum {
			t.Errorf("content: %+v, %v", i, err)
		}
	}
	if err := place.Remove(ctx, "logs/run_1/00001"); err != nil {
		t.Error(err)
	}
	if got := list("logs/run_1/"); len(got) != 1 {
		t.Errorf("after a removal: %q", got)
	}
	for _, bad := range []string{"", "a", "ab/cd", "tmp/x", "../x", "logs/../x", "logs//x", "/logs", "logs/", "logs/.x", "logs/a b", "logs/\x00", strings.Repeat("x", 300)} {
		if err := place.Write(ctx, bad, nil); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("write %q: %v", bad, err)
		}
		if _, err := place.Read(ctx, bad); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("read %q: %v", bad, err)
		}
	}
	rewrites(t, place)
	reserves(t, place)
}

// rewrites: a reader finds one of the contents, whole.
func rewrites(t *testing.T, s blob.Shelf) {
	t.Helper()
	text := func(i int) string { return strings.Repeat(fmt.Sprint(i), 50_000) }
	if err := s.Write(t.Context(), "logs/busy", []byte(text(0))); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for i := range 3 {
		writers.Go(func() {
			for range 5 {
				if err := s.Write(t.Context(), "logs/busy", []byte(text(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		got, err := s.Read(t.Context(), "logs/busy")
		if err != nil || len(got) != 50_000 || strings.Count(string(got), string(got[:1])) != len(got) {
			t.Errorf("%d bytes of mixed content, %v", len(got), err)
		}
	}
	writers.Wait()
}

// reserves: content that is refused does not show, and the refusal is returned.
func reserves(t *testing.T, s blob.Store) {
	t.Helper()
	full := errors.New("no")
	content := "something new"
	_, _, err := s.Put(t.Context(), strings.NewReader(content), func(sum string, size int64) error {
		if sum != SumOf([]byte(content)) || size != int64(len(content)) {
			t.Errorf("asked to reserve %s of %d bytes", sum, size)
		}
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("put: %v", err)
	}
	if _, _, err := s.Open(t.Context(), SumOf([]byte(content))); !fault.Is(err, fault.ArtifactGone) {
		t.Errorf("refused content: %v", err)
	}
}
