// Package extract reads the text of files that strangers wrote: plain text,
// Markdown, HTML and PDF.
//
// Plain text is decoded in this process. HTML and PDF are read by a child, which
// is this same binary, started again with a hidden first argument: a hostile file
// can make a parser crash, loop for ever or ask for all memory, and a child can be
// bounded and killed (child.go, main.go). Nothing of the file is executed, nothing
// that it refers to is fetched.
//
//	doc, err := extract.Text(ctx, extract.Options{RunID: a.RunID, Dir: a.Dir}, data, "text/html")
//
// A program that uses this package calls Main at the start of main, beside
// process.Main, and a test binary in TestMain.
package extract

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is what a file is.
type Kind string

// The kinds.
const (
	Plain    Kind = "text"
	Markdown Kind = "markdown"
	HTML     Kind = "html"
	PDF      Kind = "pdf"
)

// Bounds of one document.
const (
	// MaxChars is how many characters of text are kept.
	MaxChars = 2_000_000
	// MaxPages is how many pages of a PDF are read.
	MaxPages = 3000
	// maxTitle bounds a title in characters.
	maxTitle = 200
)

// Errors of Text. Their text says nothing of the content.
var (
	// ErrKind: it is none of the kinds.
	ErrKind = errors.New("it is neither text, Markdown, HTML nor PDF")
	// ErrCharset: it is text in a character set that is not known here.
	ErrCharset = errors.New("its character set is not supported; use UTF-8")
	// ErrBroken: it is damaged so that nothing could be read.
	ErrBroken = errors.New("it is damaged")
	// ErrEncrypted: it needs a password.
	ErrEncrypted = errors.New("it needs a password")
	// ErrEmpty: there is no text in it, as in a PDF of scanned pages.
	ErrEmpty = errors.New("there is no text in it")
	// ErrLimit: reading it took more time or memory than is allowed.
	ErrLimit = errors.New("reading it takes too much time or memory")
)

// Document is the text of a file.
type Document struct {
	Kind  Kind   `json:"kind"`
	Title string `json:"title,omitempty"`
	// Text is valid UTF-8. That of Plain and Markdown is as in the file.
	Text string `json:"text"`
	// Pages are the offsets, in characters, at which the pages begin, ascending; empty where
	// there are no pages.
	Pages []int `json:"pages,omitempty"`
	// Truncated says that the text was cut at MaxChars or MaxPages.
	Truncated bool `json:"truncated,omitempty"`
	// Lost counts pages that could not be read.
	Lost int `json:"lost,omitempty"`
}

// Options say how a child is bounded.
type Options struct {
	// RunID marks the child, so that a restarted server finds it. Required for HTML
	// and PDF.
	RunID string
	// Dir is the child's working folder, absolute. Required for HTML and PDF.
	Dir string
	// Timeout is the child's; 0 = DefaultTimeout.
	Timeout time.Duration
}

// Text reads data. mediaType is what its origin says it is, "" = nothing; the
// content decides where it is unmistakable. The error is one of this package's,
// the cause of ctx, or one of the system.
func Text(ctx context.Context, o Options, data []byte, mediaType string) (Document, error) {
	kind, charset := sniff(data, mediaType)
	switch kind {
	case HTML, PDF:
		return inChild(ctx, o, request{Kind: kind, Charset: charset}, data)
	case Plain, Markdown:
		return plain(kind, data, charset)
	}
	return Document{}, ErrKind
}

// MediaType guesses the media type of a file by its name, "" if it says nothing.
func MediaType(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	switch strings.ToLower(name[i+1:]) {
	case "md", "markdown", "mkd":
		return "text/markdown"
	case "html", "htm", "xhtml":
		return "text/html"
	case "pdf":
		return "application/pdf"
	}
	return ""
}

// pdfHead is how far from its beginning a PDF may begin (ISO 32000-1, annex H).
const pdfHead = 1024

// sniff returns the kind of data, "" if it is none, and the charset that was said.
func sniff(data []byte, mediaType string) (Kind, string) {
	said, params, err := mime.ParseMediaType(mediaType)
	if err != nil && said == "" {
		params = nil
	}
	charset := strings.ToLower(strings.TrimSpace(params["charset"]))
	if bytes.Contains(data[:min(len(data), pdfHead)], []byte("%PDF-")) && said != "text/markdown" {
		return PDF, ""
	}
	text := wide(data) != nil || !looksBinary(data)
	switch said {
	case "application/pdf", "application/x-pdf":
		return "", "" // it says so and is not
	case "text/html", "application/xhtml+xml":
		if text {
			return HTML, charset
		}
		return "", ""
	case "text/markdown", "text/x-markdown":
		if text {
			return Markdown, charset
		}
		return "", ""
	}
	if !text {
		return "", ""
	}
	if looked := http.DetectContentType(data); strings.HasPrefix(looked, "text/html") && said != "text/plain" {
		return HTML, charset
	}
	return Plain, charset
}

// looksBinary reports whether data is no text in a charset of one byte or UTF-8: texts
// have no NUL and hardly any control characters.
func looksBinary(data []byte) bool {
	head := data[:min(len(data), 64<<10)]
	controls := 0
	for _, c := range head {
		switch {
		case c == 0:
			return true
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b && c != '\b':
			controls++
		}
	}
	return controls > 8+len(head)/100
}

func plain(kind Kind, data []byte, charset string) (Document, error) {
	text, err := decode(data, charset)
	if err != nil {
		return Document{}, err
	}
	d := Document{Kind: kind}
	d.Text, d.Truncated = clip(text, MaxChars)
	return finish(d)
}

// finish refuses a document without text.
func finish(d Document) (Document, error) {
	if strings.TrimSpace(d.Text) == "" {
		return Document{}, ErrEmpty
	}
	return d, nil
}

// clip cuts s after n characters.
func clip(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for i := range s {
		if n == 0 {
			return s[:i], true
		}
		n--
	}
	return s, false
}

func chars(s string) int { return utf8.RuneCountInString(s) }
