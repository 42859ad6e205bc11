// Package extracttest makes documents for tests.
package extracttest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
)

// PDF returns a small PDF with one page for each text, in Helvetica with the
// standard encoding. Lines are separated by "\n".
func PDF(pages ...string) []byte {
	contents := make([][]byte, len(pages))
	for i, text := range pages {
		var b bytes.Buffer
		b.WriteString("BT /F1 12 Tf 14 TL 72 720 Td\n")
		for line := range strings.SplitSeq(text, "\n") {
			fmt.Fprintf(&b, "(%s) Tj T*\n", strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(line))
		}
		b.WriteString("ET\n")
		contents[i] = b.Bytes()
	}
	return Streams(contents...)
}

// Streams returns a PDF whose pages have these content streams, compressed.
func Streams(contents ...[]byte) []byte {
	var objects []string
	var kids strings.Builder
	for i := range contents {
		fmt.Fprintf(&kids, "%d 0 R ", 4+2*i)
	}
	objects = append(objects,
		"<< /Type /Catalog /Pages 2 0 R >>",
		fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids.String(), len(contents)),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	for i, c := range contents {
		packed := Deflate(c)
		objects = append(objects,
			fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >> >>", 5+2*i),
			fmt.Sprintf("<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream", len(packed), packed))
	}
	return File(objects...)
}

// Deflate compresses as FlateDecode reads it.
func Deflate(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(b) // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// File returns a PDF of objects, which are numbered from 1; the first is the
// catalogue.
func File(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	at := make([]int, len(objects))
	for i, o := range objects {
		at[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return b.Bytes()
}
