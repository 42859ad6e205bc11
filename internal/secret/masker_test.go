package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/secret"
)

const hard = `p@ss/w+rd "q" \é&<x>=1%`

// streamed is what a writer passes on when it gets s in pieces.
func streamed(t testing.TB, m *secret.Masker, s string, size func() int) string {
	t.Helper()
	var out bytes.Buffer
	w := m.Writer(&out)
	for rest := s; rest != ""; {
		n := min(max(size(), 0), len(rest))
		if got, err := w.Write([]byte(rest[:n])); err != nil || got != n {
			t.Fatal(got, err)
		}
		rest = rest[n:]
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestMaskForms(t *testing.T) {
	t.Parallel()
	for _, value := range []string{hard, "hunter2hunter2", "correct horse battery staple", "12345678", "ключ-от-двери", "tab\tand\x01control"} {
		m := secret.NewMasker(value)
		quote := func(v any) string {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		in := map[string]string{
			"raw": value, "json": quote(value), "json in json": quote(quote(map[string]string{"a": value})), "go": fmt.Sprintf("%q", value),
			"html": html.EscapeString(value), "query": url.QueryEscape(value), "path": url.PathEscape(value), "url": (&url.URL{Path: "/" + value}).String(),
			"form": url.Values{"k": {value}}.Encode(), "hex": hex.EncodeToString([]byte(value)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(value))),
			"lower escapes": strings.ToLower(url.QueryEscape(value)),
		}
		if value != strings.ToLower(value) {
			delete(in, "lower escapes")
		}
		for name, text := range in {
			got := m.String("before " + text + " after")
			if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, secret.Mask) || len(got) > len("before   after")+20 {
				t.Errorf("%s of %q: %q became %q", name, value, text, got)
			}
		}
		for shift := range 3 {
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
				for tail := range 3 {
					text := enc.EncodeToString([]byte("uvw"[:shift] + value + "xyz"[:tail]))
					got := m.String(text)
					if !strings.Contains(got, secret.Mask) || len(got) > len(secret.Mask)+10 {
						t.Errorf("base64 of %q at %d+%d: %q became %q", value, shift, tail, text, got)
					}
				}
			}
		}
	}
}

func TestMaskLines(t *testing.T) {
	t.Parallel()
	pem := "-----BEGIN KEY-----\r\nMIIEvQIBADANBgkq\r\n  indented-line-1  \r\nshort\r\n-----END KEY-----\n"
	m := secret.NewMasker(pem)
	want := "x *** y *** z *** short ***"
	if got := m.String("x MIIEvQIBADANBgkq y indented-line-1 z -----END KEY----- short " + pem); got != want {
		t.Errorf("got %q", got)
	}
	long := strings.Repeat("0123456789abcdef+", 20)
	wrapped := base64.StdEncoding.EncodeToString([]byte(long))
	var lines []string
	for line := range slices.Chunk([]byte(wrapped), 76) {
		lines = append(lines, string(line))
	}
	for i, line := range lines[:len(lines)-1] {
		if got := secret.NewMasker(long).String(line); got != secret.Mask {
			t.Errorf("line %d of wrapped base64 became %q", i, got)
		}
	}
}

func TestMaskShort(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": false, "1234567": false, "12345678": true, "äöüäöüä": false, "a\nb\nc\n": false, "x\n12345678": true, "   1234567   ": true} {
		if got := secret.Maskable(value); got != want {
			t.Errorf("%q: maskable = %v", value, got)
		}
		if got := secret.NewMasker(value) != nil; got != want {
			t.Errorf("%q: masker = %v", value, got)
		}
	}
	var none *secret.Masker
	text := "nothing changes"
	if got := none.String(text); got != text {
		t.Errorf("got %q", got)
	}
	if got := streamed(t, none, text, func() int { return 3 }); got != text {
		t.Errorf("got %q", got)
	}
}

func TestNoSecretsCostNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of all
	var none *secret.Masker
	w := none.Writer(nowhere{})
	line := []byte("a line\n")
	if n := testing.AllocsPerRun(10, func() {
		none.String("text")
		none.Bytes(line)
		none.Value(nil)
		_, _ = w.Write(line)
	}); n != 0 {
		t.Errorf("no secrets cost %v allocations", n)
	}
}

func TestMaskOverlap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		in     string
		want   string
	}{
		{[]string{"abcdefgh", "Xabcdefghij"}, "Xabcdefgh!", "X***!"},
		{[]string{"abcdefgh", "Xabcdefghij"}, "Xabcdefghij!", "***!"},
		{[]string{"abcdefgh", "efghijkl"}, ".abcdefghijkl.", ".***."},
		{[]string{"aaaaaaaa"}, "baaaaaaaaaaaab", "b***b"},
		{[]string{"aaaaaaaa"}, "aaaaaaab", "aaaaaaab"},
		{[]string{"abcdefgh", "ijklmnop"}, "abcdefghijklmnop", "***"},
		{[]string{"abcdefgh"}, "abcdefgabcdefgh", "abcdefg***"},
	} {
		m := secret.NewMasker(c.values...)
		if got := m.String(c.in); got != c.want {
			t.Errorf("%q became %q", c.in, got)
		}
		for n := range len(c.in) {
			if got := streamed(t, m, c.in, func() int { return n + 1 }); got != c.want {
				t.Errorf("%q in pieces of %d became %q", c.in, n+1, got)
			}
		}
	}
}

func TestMaskValue(t *testing.T) {
	t.Parallel()
	m := secret.NewMasker("hunter2hunter2")
	in := map[string]any{"a": "x hunter2hunter2", "hunter2hunter2": []any{1.0, nil, true, "hunter2hunter2"}}
	want := map[string]any{"a": "x ***", "***": []any{1.0, nil, true, "***"}}
	if diff := cmp.Diff(want, m.Value(in)); diff != "" {
		t.Error(diff)
	}
	if in["a"] != "x hunter2hunter2" {
		t.Error("the value was changed in place")
	}
}

// TestMaskStream: in whatever pieces a text is written, the result is that of the
// whole, and no byte is held that could be passed on.
func TestMaskStream(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		letters := "ab"
		if r.IntN(2) == 0 {
			letters = "abc\n\"%"
		}
		random := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = letters[r.IntN(len(letters))]
			}
			return string(b)
		}
		values := []string{random(8 + r.IntN(6)), random(8 + r.IntN(20)), random(9)}
		m := secret.NewMasker(values...)
		text := random(r.IntN(30)) + values[0] + random(r.IntN(9)) + values[1] + values[2] + random(r.IntN(20))
		whole := m.String(text)
		if got := naive(values, text); m != nil && got != "" && got != whole {
			t.Fatalf("values %q, text %q: %q, and letter by letter %q", values, text, whole, got)
		}
		if got := string(m.Bytes([]byte(text))); got != whole {
			t.Fatalf("bytes %q, string %q", got, whole)
		}
		if got := streamed(t, m, text, func() int { return r.IntN(12) }); got != whole {
			t.Fatalf("values %q, text %q: whole %q, in pieces %q", values, text, whole, got)
		}
	}
}

// naive masks raw values, and lines, of the letters a and b, whose other forms are
// the same or do not show in such texts; "" = another alphabet.
func naive(values []string, text string) string {
	if strings.Trim(text, "ab") != "" {
		return ""
	}
	hidden := make([]bool, len(text))
	for _, v := range values {
		for i := 0; i+len(v) <= len(text); i++ {
			if text[i:i+len(v)] == v {
				for k := range len(v) {
					hidden[i+k] = true
				}
			}
		}
	}
	var out strings.Builder
	for i, h := range hidden {
		switch {
		case !h:
			out.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			out.WriteString(secret.Mask)
		}
	}
	return out.String()
}

func TestMaskHoldsLittle(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := secret.NewMasker("hunter2hunter2").Writer(&out)
	for in, want := range map[string]string{"a line\n": "a line\n", "half hunt": "half "} {
		out.Reset()
		if _, err := w.Write([]byte(in)); err != nil || out.String() != want {
			t.Errorf("%q: passed on %q, %v", in, out.String(), err)
		}
		if err := w.Flush(); err != nil || out.String() != in {
			t.Errorf("%q: flushed %q, %v", in, out.String(), err)
		}
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestMaskWriterFails(t *testing.T) {
	t.Parallel()
	w := secret.NewMasker("hunter2hunter2").Writer(broken{})
	for range 2 {
		if _, err := w.Write([]byte("text\n")); !errors.Is(err, errBroken) {
			t.Error(err)
		}
	}
	if err := w.Flush(); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

func FuzzMasker(f *testing.F) {
	f.Add("hunter2hunter2", "a hunter2hunter2 b", uint8(3))
	f.Add(hard, "x"+url.QueryEscape(hard), uint8(1))
	f.Add("line-one-1\nline-two-2", "line-two-2 "+hex.EncodeToString([]byte("line-one-1")), uint8(7))
	f.Fuzz(func(t *testing.T, value, text string, size uint8) {
		if len(value) > 2000 {
			return
		}
		m := secret.NewMasker(value)
		text = strings.ReplaceAll(text, "VALUE", value)
		whole := m.String(text)
		if got := streamed(t, m, text, func() int { return int(size) + 1 }); got != whole {
			t.Errorf("whole %q, in pieces %q", whole, got)
		}
		if m != nil && strings.Count(value, "*") == 0 && len([]rune(value)) >= 8 && strings.Contains(whole, value) {
			t.Errorf("%q shows in %q", value, whole)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	line := []byte("2026-03-01T12:00:00Z INFO  loaded 1842 rows of 90000 from https://api.example.com/v1/items?page=17 in 84 ms (batch c2VjcmV0)\n")
	chunk := bytes.Repeat(line, 32)
	for _, n := range []int{0, 1, 50} {
		var values []string
		r := rand.New(rand.NewPCG(uint64(n), 1))
		for range n {
			values = append(values, fmt.Sprintf("sk_live_%x/%x+%x", r.Uint64(), r.Uint64(), r.Uint64()))
		}
		m := secret.NewMasker(values...)
		for name, in := range map[string][]byte{"line": line, "chunk": chunk} {
			b.Run(fmt.Sprintf("secrets=%d/%s", n, name), func(b *testing.B) {
				w := m.Writer(nowhere{})
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.Write(in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkNewMasker is what a run pays at its beginning.
func BenchmarkNewMasker(b *testing.B) {
	for _, size := range []int{40, 2000, secret.MaxValue} {
		value := strings.Repeat("s3cr3t/+", size/8)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				secret.NewMasker(value)
			}
		})
	}
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
