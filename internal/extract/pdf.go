package extract

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ledongthuc/pdf"
)

// Bounds of one page.
const (
	maxOperators = 2_000_000
	maxForms     = 6 // depth of forms in forms
	maxFormCalls = 2000
	// maxPageChars is more than any page that is read by people has.
	maxPageChars = 200_000
)

// wordGap is from which shift a gap between two strings of TJ is a space, in
// thousandths of the font's size; kerning is below it.
const wordGap = 180

// readPDF returns the text of all pages. The library panics on what it does not
// understand, which here costs one page; loops and memory are bounded by the
// child.
func readPDF(data []byte) (Document, error) {
	if bytes.Contains(data, []byte("/Encrypt")) && !opensWithoutPassword(data) {
		return Document{}, ErrEncrypted
	}
	r, err := openPDF(data)
	if err != nil {
		return Document{}, ErrBroken
	}
	d := Document{Kind: PDF}
	count, title := overview(r)
	d.Title, _ = clip(oneLine(title), maxTitle)
	if count > MaxPages {
		count, d.Truncated = MaxPages, true
	}
	var all strings.Builder
	total := 0
	for i := 1; i <= count && !d.Truncated; i++ {
		text, ok := readPage(r, i)
		if !ok {
			d.Lost++
		}
		text, cut := clip(text, MaxChars-total)
		d.Truncated = d.Truncated || cut
		d.Pages = append(d.Pages, total)
		all.WriteString(text)
		total += chars(text)
	}
	d.Text = all.String()
	if d.Lost > 0 && strings.TrimSpace(d.Text) == "" {
		return Document{}, ErrBroken
	}
	return finish(d)
}

func opensWithoutPassword(data []byte) bool {
	_, err := openPDF(data)
	return !errors.Is(err, pdf.ErrInvalidPassword)
}

// openPDF gives the library what it expects: the header of version 1.x at the very
// beginning, and nothing behind the end mark. Real files differ, and other readers
// do not mind.
func openPDF(data []byte) (r *pdf.Reader, err error) {
	defer func() {
		if recover() != nil {
			r, err = nil, ErrBroken
		}
	}()
	start := bytes.Index(data[:min(len(data), pdfHead)], []byte("%PDF-"))
	end := bytes.LastIndex(data, []byte("%%EOF"))
	if start < 0 || end < start+10 {
		return nil, ErrBroken
	}
	data = bytes.Clone(data[start : end+len("%%EOF")])
	copy(data, "%PDF-1.7\n")
	// The library looks for the end in the last 100 bytes and reads from before the
	// beginning of smaller files.
	return pdf.NewReader(bytes.NewReader(data), int64(len(data)))
}

func overview(r *pdf.Reader) (pages int, title string) {
	defer func() { _ = recover() }()
	pages = max(r.NumPage(), 0)
	title = r.Trailer().Key("Info").Key("Title").Text()
	return pages, strings.ToValidUTF8(title, "")
}

// readPage returns the text of a page with a line end behind it, and whether all
// of it could be read.
func readPage(r *pdf.Reader, number int) (text string, ok bool) {
	var w pageWriter
	defer func() {
		if recover() != nil {
			text, ok = w.finish(), false
		}
	}()
	page := r.Page(number)
	if page.V.IsNull() {
		return "", false
	}
	w.run(page.V.Key("Contents"), page.Resources(), 0)
	return w.finish(), true
}

// errPage ends a page that goes beyond its bounds. It is a value for panic: the
// library's interpreter has no other way out.
var errPage = errors.New("page out of bounds")

// pageWriter follows the operators that place text (ISO 32000-1, 9.4).
type pageWriter struct {
	out       strings.Builder
	count     int
	operators int
	forms     int
	decode    func(string) string
	size      float64
	// lineY and leading tell whether the text moved to another line.
	lineY, leading float64
	due            string // white space before the next text
}

func (w *pageWriter) run(contents, resources pdf.Value, depth int) {
	if contents.IsNull() {
		return
	}
	fonts := map[string]func(string) string{}
	pdf.Interpret(contents, func(stack *pdf.Stack, op string) {
		if w.operators++; w.operators > maxOperators || stack.Len() > 10_000 {
			panic(errPage)
		}
		args := make([]pdf.Value, stack.Len())
		for i := len(args) - 1; i >= 0; i-- {
			args[i] = stack.Pop()
		}
		w.operator(op, args, resources, fonts, depth)
	})
}

func (w *pageWriter) operator(op string, args []pdf.Value, resources pdf.Value, fonts map[string]func(string) string, depth int) {
	number := func(fromEnd int) float64 {
		if len(args) < fromEnd {
			return 0
		}
		return args[len(args)-fromEnd].Float64()
	}
	switch op {
	case "BT":
		w.want(" ")
	case "Tf":
		if len(args) == 2 {
			w.size = args[1].Float64()
			w.decode = font(resources, args[0].Name(), fonts)
		}
	case "TL":
		w.leading = number(1)
	case "Td", "TD":
		w.moved(number(2), number(1))
	case "Tm":
		if y := number(1); y != w.lineY {
			w.line()
			w.lineY = y
		} else {
			w.want(" ")
		}
	case "T*":
		w.line()
	case "'", "\"":
		w.line()
		fallthrough
	case "Tj":
		if len(args) > 0 {
			w.show(args[len(args)-1].RawString())
		}
	case "TJ":
		w.showArray(args)
	case "Do":
		w.form(args, resources, depth)
	}
}

// moved notes a move by Td: to another line, or along the same one.
func (w *pageWriter) moved(x, y float64) {
	switch {
	case y != 0:
		w.line()
		w.lineY += y
	case x != 0:
		w.want(" ")
	}
}

func (w *pageWriter) line() { w.want("\n") }

// want asks for white space before the next text; a line end beats a space.
func (w *pageWriter) want(s string) {
	if w.due != "\n" {
		w.due = s
	}
}

func (w *pageWriter) showArray(args []pdf.Value) {
	if len(args) == 0 {
		return
	}
	list := args[len(args)-1]
	for i := range list.Len() {
		switch x := list.Index(i); x.Kind() {
		case pdf.String:
			w.show(x.RawString())
		case pdf.Integer, pdf.Real:
			if x.Float64() < -wordGap {
				w.want(" ")
			}
		case pdf.Null, pdf.Bool, pdf.Name, pdf.Dict, pdf.Array, pdf.Stream:
		}
	}
}

func (w *pageWriter) show(raw string) {
	text := raw
	if w.decode != nil {
		text = w.decode(raw)
	}
	text = strings.Map(printable, strings.ToValidUTF8(text, "\uFFFD"))
	if text == "" {
		return
	}
	if w.out.Len() > 0 && w.due != "" {
		w.out.WriteString(w.due)
		w.count++
	}
	w.due = ""
	w.out.WriteString(text)
	if w.count += utf8.RuneCountInString(text); w.count > maxPageChars {
		panic(errPage)
	}
}

// form shows a form that a page uses (8.10).
func (w *pageWriter) form(args []pdf.Value, resources pdf.Value, depth int) {
	if len(args) == 0 || depth >= maxForms || w.forms >= maxFormCalls {
		return
	}
	form := resources.Key("XObject").Key(args[len(args)-1].Name())
	if form.Key("Subtype").Name() != "Form" {
		return
	}
	w.forms++
	own := form.Key("Resources")
	if own.IsNull() {
		own = resources
	}
	was := w.decode
	w.run(form, own, depth+1)
	w.decode = was
}

func (w *pageWriter) finish() string {
	if w.out.Len() == 0 {
		return ""
	}
	return w.out.String() + "\n"
}

// font returns how strings of a font are read. A font that the library cannot read
// gives its bytes as they are.
func font(resources pdf.Value, name string, known map[string]func(string) string) (decode func(string) string) {
	if f, ok := known[name]; ok {
		return f
	}
	defer func() {
		if recover() != nil {
			decode = nil
		}
		known[name] = decode
	}()
	f := pdf.Font{V: resources.Key("Font").Key(name)}
	return f.Encoder().Decode
}

// printable drops what no text has: control characters but for white space.
func printable(r rune) rune {
	if r == '\n' || r == '\t' {
		return r
	}
	if r == '\r' || unicode.IsControl(r) || r == '\uFEFF' || r == '\u00AD' {
		return -1
	}
	return r
}
