package archive_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/archive"
)

// foreign makes a tar file as other programs do, behind a good head.
func foreign(t *testing.T, format tar.Format, members ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range members {
		content := strings.Repeat("x", int(h.Size))
		h.Format = format
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(sample(t)[:1024]), b.Bytes()...)
}

func TestHostile(t *testing.T) {
	t.Parallel()
	name := "blobs/" + sum("x")
	for what, h := range map[string]tar.Header{
		"parent folder":   {Name: "blobs/../../etc/passwd", Size: 3},
		"absolute":        {Name: "/etc/passwd", Size: 3},
		"hidden parent":   {Name: "logs/..", Size: 3},
		"backslash":       {Name: `logs\..\x.log`, Size: 3},
		"unknown folder":  {Name: "keys/host_id", Size: 3},
		"table name":      {Name: "tables/jobs;drop.jsonl", Size: 3},
		"upper case blob": {Name: "blobs/" + strings.ToUpper(sum("x")), Size: 1},
		"symbolic link":   {Name: name, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"hard link":       {Name: name, Typeflag: tar.TypeLink, Linkname: "/etc/passwd"},
		"folder":          {Name: "logs/", Typeflag: tar.TypeDir},
		"device":          {Name: name, Typeflag: tar.TypeChar},
		"other mode":      {Name: name, Mode: 0o4777, Size: 1},
		"another owner":   {Name: name, Mode: 0o600, Uid: 7, Size: 1},
	} {
		wantInvalid(t, what, foreign(t, tar.FormatUSTAR, h))
	}
	wantInvalid(t, "pax", foreign(t, tar.FormatPAX, tar.Header{Name: name, Size: 1, Mode: 0o600, PAXRecords: map[string]string{"X.y": "z"}}))
	wantInvalid(t, "gnu", foreign(t, tar.FormatGNU, tar.Header{Name: name, Size: 1, Mode: 0o600}))
	wantInvalid(t, "text", []byte(strings.Repeat("not a backup\n", 100)), "not a Runsheet backup")
	wantInvalid(t, "nothing", nil, "not whole")
	wantInvalid(t, "tar of something else", foreign(t, tar.FormatUSTAR, tar.Header{Name: "a", Size: 1})[1024:])
}

// TestSizes: a header may promise any size; only what is there is read, and
// little of it is held.
func TestSizes(t *testing.T) {
	t.Parallel()
	head := sample(t)[:1024]
	for _, size := range []string{"77777777777\x00", "\x80\x00\x00\x00\x3f\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "-0000000001\x00", "zzzzzzzzzzz\x00"} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "tables/jobs.jsonl", Mode: 0o600, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		h := b.Bytes()[:512]
		copy(h[124:136], size)
		seal(h)
		wantInvalid(t, fmt.Sprintf("size %q", size), append(bytes.Clone(head), h...))
		// In all else the header is one that Writer makes.
		own := bytes.Clone(sample(t)[:1024+512])
		copy(own[1024+124:], size)
		seal(own[1024:])
		wantInvalid(t, fmt.Sprintf("own header, size %q", size), own)
	}
}

// seal makes the checksum of a header right.
func seal(h []byte) {
	copy(h[148:156], "        ")
	n := 0
	for _, c := range h {
		n += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", n))
}

// TestSpliced: members that are right each by itself do not make a right
// archive.
func TestSpliced(t *testing.T) {
	t.Parallel()
	b := sample(t)
	at := func(name string) int {
		i := bytes.Index(b, []byte(name+"\x00"))
		if i < 0 {
			t.Fatalf("no %s", name)
		}
		return i
	}
	tenants, jobs, blobs := at("tables/tenants.jsonl"), at("tables/jobs.jsonl"), bytes.Index(b, []byte("blobs/"))
	splice := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	wantInvalid(t, "a table twice", splice(b[:jobs], b[tenants:jobs], b[jobs:]), "twice")
	wantInvalid(t, "a table left out", splice(b[:jobs], b[blobs:]))
	wantInvalid(t, "tables exchanged", splice(b[:tenants], b[jobs:blobs], b[tenants:jobs], b[blobs:]))
	wantInvalid(t, "no manifest", splice(b[:at("manifest.json")], b[at("end"):]), "wrong place")
	wantInvalid(t, "two archives", splice(b, b), "follows")
	wantInvalid(t, "newer format", bytes.Replace(b, []byte(`"version": 1`), []byte(`"version": 2`), 1), "format 2")
}

func FuzzReader(f *testing.F) {
	whole := sample(f)
	f.Add(whole)
	f.Add(whole[:1024])
	f.Add([]byte("runsheet-backup.json"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := archive.Verify(bytes.NewReader(b))
		if err == nil && m.Blobs.Bytes+m.Logs.Bytes > int64(len(b)) {
			t.Errorf("%d bytes hold %d of blobs and %d of logs", len(b), m.Blobs.Bytes, m.Logs.Bytes)
		}
	})
}
