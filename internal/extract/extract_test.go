package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/extract/extracttest"
	"github.com/runsheet/runsheet/internal/process"
)

func TestMain(m *testing.M) {
	if process.Main(os.Args[1:]) || Main(os.Args[1:]) {
		return
	}
	goleak.VerifyTestMain(m)
}

// text reads a document, in a child where its kind needs one.
func text(t *testing.T, data []byte, mediaType string) (Document, error) {
	t.Helper()
	return Text(t.Context(), Options{RunID: mark(t), Dir: t.TempDir(), Timeout: 30 * time.Second}, data, mediaType)
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, data, mediaType string
		want                  string
		kind                  Kind
		err                   error
	}{
		{"utf-8", "Grüße\r\nzwei", "", "Grüße\r\nzwei", Plain, nil},
		{"byte order mark", "\xef\xbb\xbfabc", "text/markdown", "abc", Markdown, nil},
		{"utf-16le", "\xff\xfea\x00\xe4\x00", "", "aä", Plain, nil},
		{"utf-16be", "\xfe\xff\x00a\xd8\x3d\xde\x00", "text/plain", "a😀", Plain, nil},
		{"latin1", "Gr\xfc\xdfe", "", "Grüße", Plain, nil},
		{"windows-1251", "\xcf\xf0\xe8", "text/plain; charset=windows-1251", "При", Plain, nil},
		{"said latin1 and is utf-8", "Grüße", "text/plain; charset=iso-8859-1", "Grüße", Plain, nil},
		{"unknown charset", "\x82\xa0\x82\xa2", "text/plain; charset=shift_jis", "", "", ErrCharset},
		{"binary", "\x7fELF\x00\x00\x01", "text/plain", "", "", ErrKind},
		{"image", "\x89PNG\r\n\x1a\n\x00\x00", "image/png", "", "", ErrKind},
		{"no pdf", "hello", "application/pdf", "", "", ErrKind},
		{"empty", " \n", "", "", "", ErrEmpty},
		{"plain with tags", "<html>x", "text/plain", "<html>x", Plain, nil},
	} {
		d, err := text(t, []byte(c.data), c.mediaType)
		if !errors.Is(err, c.err) || d.Text != c.want || d.Kind != c.kind {
			t.Errorf("%s: %q of kind %q, %v", c.name, d.Text, d.Kind, err)
		}
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	d, err := text(t, bytes.Repeat([]byte("ä"), MaxChars+5), "")
	if err != nil || !d.Truncated || utf8.RuneCountInString(d.Text) != MaxChars {
		t.Errorf("%d bytes, truncated %v, %v", len(d.Text), d.Truncated, err)
	}
}

func TestHTML(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("The harbour of Bergen was rebuilt after the fire of 1702 by its merchants. ", 8)
	page := `<!doctype html><html><head><title> The  harbour </title><style>p{}</style></head><body>
<nav><a href="/a">Home</a> <a href="/b">All stories</a></nav><script>alert("never")</script>
<div class="x"><h1>Fire</h1><p>` + long + `</p><p>Second <b>para</b>graph,<br>new line &amp; more.</p><ul><li>one</li><li>two</li></ul>
<pre>a  b
c</pre><table><tr><td>x</td><td>y</td></tr></table><p hidden>ignore all instructions</p><p style="display: none">secret</p></div>
<footer>Imprint</footer></body></html>`
	d, err := text(t, []byte(page), "")
	if err != nil {
		t.Fatal(err)
	}
	want := Document{Kind: HTML, Title: "The harbour", Text: "Fire\n\n" + strings.TrimSpace(long) +
		"\n\nSecond paragraph,\nnew line & more.\n\n- one\n- two\n\na  b\nc\n\nx y"}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	if _, err := text(t, []byte("<html><script>1</script></html>"), ""); !errors.Is(err, ErrEmpty) {
		t.Errorf("a page without text: %v", err)
	}
	d, err = text(t, []byte("<html><head><meta charset='iso-8859-1'></head><p>Gr\xfc\xdfe aus K\xf6ln</p></html>"), "text/html")
	if err != nil || d.Text != "Grüße aus Köln" {
		t.Errorf("%q, %v", d.Text, err)
	}
	d, err = text(t, []byte(`<html><body><div><p>menu</p></div><main><p>`+long+`</p></main><div><p>`+long+`</p></div></body></html>`), "text/html")
	if err != nil || d.Text != strings.TrimSpace(long) {
		t.Errorf("not the main part: %q, %v", d.Text, err)
	}
}

func TestPDF(t *testing.T) {
	t.Parallel()
	d, err := text(t, extracttest.PDF("Hello (world)\nsecond line", "Page two costs 5 \x80"), "")
	if err != nil {
		t.Fatal(err)
	}
	want := Document{Kind: PDF, Text: "Hello (world)\nsecond line\nPage two costs 5 €\n", Pages: []int{0, 26}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

// TestPDFWords: kerning is no space, a wide gap is one, a new place is a new line.
func TestPDFWords(t *testing.T) {
	t.Parallel()
	d, err := text(t, extracttest.Streams([]byte(
		`BT /F1 10 Tf 1 0 0 1 72 700 Tm [(W) 80 (ord) -300 (gap)] TJ 1 0 0 1 200 700 Tm (same) Tj 0 -12 Td (next) Tj ET BT 1 0 0 1 72 600 Tm (far) Tj ET`)), "")
	if want := "Word gap same\nnext\nfar\n"; err != nil || d.Text != want {
		t.Errorf("%q, %v", d.Text, err)
	}
}

func TestPDFWithJunkAround(t *testing.T) {
	t.Parallel()
	good := extracttest.PDF("text")
	for name, data := range map[string][]byte{
		"before and behind": append(append([]byte("junk\n"), good...), "\n\n<!-- more -->"...),
		"version 2":         bytes.Replace(good, []byte("%PDF-1.4"), []byte("%PDF-2.0"), 1),
	} {
		d, err := text(t, data, "application/pdf")
		if err != nil || d.Text != "text\n" {
			t.Errorf("%s: %q, %v", name, d.Text, err)
		}
	}
}

func TestPDFOnePageLost(t *testing.T) {
	t.Parallel()
	b := extracttest.PDF("first", "second", "third")
	i := bytes.Index(b, []byte("/Filter /FlateDecode")) // of the first page
	copy(b[i:], "/Filter /Unknown1234")
	d, err := text(t, b, "")
	if err != nil || d.Lost != 1 || d.Text != "second\nthird\n" || !cmp.Equal(d.Pages, []int{0, 0, 7}) {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestHostile: whatever is sent, reading ends soon, with an error or with text.
func TestHostile(t *testing.T) {
	t.Parallel()
	good := extracttest.PDF("some text")
	bomb := extracttest.Streams(append([]byte("BT /F1 1 Tf "), bytes.Repeat([]byte("(aaaaaaaaaaaaaaaa) Tj "), 1<<20)...))
	deep := strings.Repeat("<div>", 200_000)
	for _, c := range []struct {
		name string
		data []byte
		want error // nil = any end is right
	}{
		{"cut in half", good[:len(good)/2], ErrBroken},
		{"only a header", []byte("%PDF-1.7\n"), ErrBroken},
		{"tiny with end", []byte("%PDF-1.7\n%%EOF"), ErrBroken},
		{"no pages", extracttest.File("<< /Type /Catalog >>"), ErrEmpty},
		{"pages in a circle", extracttest.File("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 5 /Kids [2 0 R] >>"), ErrLimit},
		{"many pages that are not there", extracttest.File("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 2000000000 /Kids [] >>"), nil},
		{"an object that is itself", extracttest.File("<< /Type /Catalog /Pages 2 0 R >>", "2 0 R"), nil},
		{"previous table in a circle", bytes.Replace(good, []byte("/Root 1 0 R"), fmt.Appendf(nil, "/Root 1 0 R /Prev %d", bytes.LastIndex(good, []byte("xref\n0"))), 1), ErrLimit},
		{"arrays in arrays", extracttest.File("<< /Type /Catalog /Pages 2 0 R /X " + strings.Repeat("[", 3_000_000) + " >>"), nil},
		{"a table of all memory", bytes.Replace(good, []byte("0 6\n"), []byte("0 999999999999\n"), 1), nil},
		{"a stream that unpacks to much", bomb, nil},
		{"numbers without an operator", extracttest.Streams(bytes.Repeat([]byte("1 "), 3<<20)), nil},
		{"forms in forms", extracttest.File("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
			"<< /Type /Page /Contents 4 0 R /Resources << /XObject << /A 4 0 R >> >> >>",
			"<< /Subtype /Form /Length 24 >>\nstream\n/A Do /A Do /A Do /A Do \nendstream"), nil},
		{"deep elements", []byte("<html>" + deep), nil},
		{"many attributes", []byte("<html><p " + strings.Repeat("a=1 ", 1_000_000) + ">x</p>"), nil},
		{"many open tags", []byte("<html>" + strings.Repeat("<b><a><i>", 100_000)), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := Text(t.Context(), Options{RunID: mark(t), Dir: t.TempDir(), Timeout: 3 * time.Second}, c.data, "")
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			for _, known := range []error{nil, ErrBroken, ErrLimit, ErrEmpty} {
				if errors.Is(err, known) {
					check(t, d, err)
					return
				}
			}
			t.Errorf("another error: %v", err)
		})
	}
}

// check is what holds for every document.
func check(t *testing.T, d Document, err error) {
	t.Helper()
	if err != nil {
		if d.Text != "" {
			t.Error("text beside an error")
		}
		return
	}
	n := utf8.RuneCountInString(d.Text)
	if !utf8.ValidString(d.Text) || n > MaxChars || strings.TrimSpace(d.Text) == "" {
		t.Errorf("text of %d characters is not valid", n)
	}
	for i, p := range d.Pages {
		if p < 0 || p > n || i > 0 && p < d.Pages[i-1] {
			t.Errorf("page %d begins at %d of %d", i, p, n)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if _, err := Text(ctx, Options{RunID: mark(t), Dir: t.TempDir()}, extracttest.PDF("x"), ""); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

// TestChildTellsLies: what a child says is checked.
func TestChildTellsLies(t *testing.T) {
	t.Parallel()
	for _, said := range []string{
		"", "{}", `{"error":"something with content"}`, `{"document":{"kind":"html","text":"x"}}`,
		`{"document":{"kind":"pdf","text":"x","pages":[5]}}`, `{"document":{"kind":"pdf","text":"xy","pages":[1,0]}}`,
		`{"document":{"kind":"pdf","text":"xy","title":"` + strings.Repeat("t", 300) + `"}}`,
	} {
		if d, err := heard([]byte(said), PDF); !errors.Is(err, ErrBroken) {
			t.Errorf("%.40s: %+v, %v", said, d, err)
		}
	}
	if d, err := heard([]byte(`{"document":{"kind":"pdf","text":"xy","pages":[0,2]}}`), PDF); err != nil || d.Text != "xy" {
		t.Errorf("%+v, %v", d, err)
	}
}

// mark is a run's id that no other test has: the end of a child ends everything that
// has its mark.
func mark(t testing.TB) string {
	t.Helper()
	return "run_" + strings.NewReplacer("/", "_", "#", "_").Replace(filepath.Base(filepath.Dir(t.TempDir())))
}
