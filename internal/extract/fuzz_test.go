package extract

import (
	"bytes"
	"flag"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/extract/extracttest"
)

// FuzzText reads PDFs in children, as in production: the library's loops and stack
// overflows would end the fuzzer. That is slow; text and HTML are read in this
// process.
func FuzzText(f *testing.F) {
	f.Add([]byte("<html><p>x</p><table><tr><td>1</html>"), "text/html")
	f.Add([]byte("<pre> a\r\n b</pre><li><br>"), "text/html; charset=windows-1252")
	f.Add([]byte("\xff\xfea\x00"), "text/plain")
	f.Add([]byte("# head\n\ntext"), "text/markdown")
	for _, b := range broken() {
		f.Add(b, "")
	}
	// A child for each of tens of thousands of inputs takes half an hour.
	patient := flag.Lookup("test.fuzz").Value.String() == "" && !testing.Short() || os.Getenv("RUNSHEET_CHAOS") == "full"
	f.Fuzz(func(t *testing.T, data []byte, mediaType string) {
		kind, charset := sniff(data, mediaType)
		var d Document
		var err error
		switch kind {
		case PDF:
			if !patient {
				return
			}
			d, err = Text(t.Context(), Options{RunID: mark(t), Dir: t.TempDir(), Timeout: 2 * time.Second}, data, mediaType)
		case HTML:
			d, err = read(request{Kind: kind, Charset: charset}, data)
		case Plain, Markdown:
			d, err = plain(kind, data, charset)
		default:
			return
		}
		check(t, d, err)
	})
}

// broken are PDFs with one thing wrong each: the beginnings of a corpus.
func broken() [][]byte {
	good := extracttest.PDF("one (two)\nthree", "four")
	out := [][]byte{good}
	for _, c := range []struct{ old, new string }{
		{"startxref", "startxxxx"},
		{"trailer", "trailex"},
		{"/Root 1 0 R", "/Root 9 0 R"},
		{"/Root 1 0 R", "/Root 1 1 R"},
		{"/Count 2", "/Count -2"},
		{"/Count 2", "/Count 99999999999999999999"},
		{"/Kids [", "/Kids <<"},
		{"/FlateDecode", "/LZWDecode  "},
		{"endstream", "xndstream"},
		{"/Length ", "/Length -"},
		{"/WinAnsiEncoding", "/Identity-H     "},
		{"/Font ", "/Fxnt "},
		{"0000000000 65535 f", "0000000000 65535 x"},
		{"00000 n", "00001 n"},
		{"obj\n<<", "obj\n<<<<<<<<"},
		{"/Type /Page ", "/Type /Pages"},
		{"%%EOF", "%%EOX"},
	} {
		out = append(out, bytes.Replace(good, []byte(c.old), []byte(c.new), 1))
	}
	for i := 8; i < len(good); i += 101 {
		flipped := bytes.Clone(good)
		flipped[i] ^= 0x5a
		out = append(out, flipped, good[:i])
	}
	return out
}

// TestBroken reads the corpus in children, so that a loop is an error and no hang.
func TestBroken(t *testing.T) {
	t.Parallel()
	for i, b := range broken() {
		if testing.Short() && i%6 != 0 {
			continue // each is a process, which the race detector makes slow
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			d, err := Text(t.Context(), Options{RunID: mark(t), Dir: t.TempDir(), Timeout: 5 * time.Second}, b, "")
			check(t, d, err)
			if i == 0 && err != nil {
				t.Fatal(err)
			}
		})
	}
}
