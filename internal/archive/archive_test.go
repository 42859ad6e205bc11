package archive_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/fault"
)

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

const logName = "run_01jh0000000000000000000000.log"

// sample is a small archive with each kind of member.
func sample(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(err)
	ok(w.Table("tenants", 1, 17, strings.NewReader("[\"name\"]\n[\"x y\"]\n")))
	ok(w.Table("jobs", 0, 7, strings.NewReader("[\"id\"]\n")))
	a, z := "content of a", strings.Repeat("z", 600)
	if sum(a) > sum(z) {
		a, z = z, a
	}
	ok(w.Blob(sum(a), int64(len(a)), strings.NewReader(a)))
	ok(w.Blob(sum(z), int64(len(z)), strings.NewReader(z)))
	ok(w.Log(logName, 4, strings.NewReader("line")))
	ok(w.Log(logName+".2", 0, strings.NewReader("")))
	_, err = w.Close(archive.Manifest{Schema: 3, Product: "v1", Engine: "sqlite", CreatedAt: time.Unix(1, 0).UTC()})
	ok(err)
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	r, err := archive.NewReader(bytes.NewReader(sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil || int64(len(b)) != e.Size {
			t.Fatalf("%s: read %d of %d bytes: %v", e.Name, len(b), e.Size, err)
		}
		got = append(got, fmt.Sprint(e.Kind, " ", e.Name, " ", sum(string(b))[:8]))
	}
	if len(got) != 6 {
		t.Errorf("members: %q", got)
	}
	m, done := r.Manifest()
	if !done || m.Schema != 3 || m.Blobs.Count != 2 || m.Logs.Bytes != 4 || m.Tables[0].Rows != 1 {
		t.Errorf("manifest: %+v, done = %v", m, done)
	}
}

// wantInvalid fails the test unless b is refused as a damaged backup.
func wantInvalid(t *testing.T, what string, b []byte, words ...string) {
	t.Helper()
	_, err := archive.Verify(bytes.NewReader(b))
	if !fault.Is(err, fault.BackupInvalid) {
		t.Errorf("%s: err = %v, want backup_invalid", what, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %q is not said: %v", what, w, err)
		}
	}
}

// TestTruncated: no beginning of an archive passes for a whole one.
func TestTruncated(t *testing.T) {
	t.Parallel()
	whole := sample(t)
	for n := range whole {
		wantInvalid(t, fmt.Sprintf("%d of %d bytes", n, len(whole)), whole[:n], "not whole")
	}
	wantInvalid(t, "one byte more", append(bytes.Clone(whole), 0), "follows")
}

// TestBitFlips: no single wrong bit passes, wherever it is.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	whole := sample(t)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		wantInvalid(t, fmt.Sprintf("byte %d bit %d", i, i%8), b)
	}
}

// TestMarksDamage: a damaged blob does not keep the rest from being saved.
func TestMarksDamage(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	bad := sum("good")
	if err := w.Blob(bad, 4, io.MultiReader(strings.NewReader("ba"), broken{archive.ErrDamaged})); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(archive.Manifest{}); err != nil {
		t.Fatal(err)
	}
	m, err := archive.Verify(&b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{bad}, m.DamagedBlobs); d != "" {
		t.Error(d)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// TestOtherErrorsFail: what is no damage ends the backup.
func TestOtherErrorsFail(t *testing.T) {
	t.Parallel()
	w, err := archive.NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("no network")
	if err := w.Blob(sum("x"), 1, broken{cause}); !errors.Is(err, cause) {
		t.Errorf("err = %v", err)
	}
}

// TestWriterRefusesDisorder: an archive that could not be read is not made.
func TestWriterRefusesDisorder(t *testing.T) {
	t.Parallel()
	w, err := archive.NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Log(logName, 0, strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"same name": w.Log(logName, 0, strings.NewReader("")),
		"backwards": w.Table("jobs", 0, 0, strings.NewReader("")),
		"path":      w.Log("../"+logName, 0, strings.NewReader("")),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
