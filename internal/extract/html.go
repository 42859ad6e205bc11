package extract

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxNodes bounds the size of a page's tree.
const maxNodes = 500_000

// readHTML returns the main text of a page: what a reader came for, without
// scripts, navigation, forms and what is hidden.
func readHTML(data []byte, charset string) (Document, error) {
	if charset == "" {
		charset = metaCharset(data)
	}
	text, err := decode(data, charset)
	if err != nil {
		return Document{}, err
	}
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return Document{}, ErrBroken
	}
	nodes := 0
	for range root.Descendants() {
		if nodes++; nodes > maxNodes {
			return Document{}, ErrLimit
		}
	}
	w := &writer{limit: MaxChars}
	w.walk(mainPart(root))
	if strings.TrimSpace(w.String()) == "" { // the choice was a bad one
		w = &writer{limit: MaxChars}
		w.walk(root)
	}
	title, _ := clip(oneLine(titleOf(root)), maxTitle)
	return finish(Document{Kind: HTML, Title: title, Text: strings.TrimSpace(w.String()), Truncated: w.full})
}

// mainPart chooses the element with the page's text. An author's word counts most
// (main, article); else it is the element whose own paragraphs have the most text
// outside of links, which is the idea of readability scorers: text lies in
// paragraphs that are siblings, navigation is links.
func mainPart(root *html.Node) *html.Node {
	var mains, articles []*html.Node
	score := map[*html.Node]float64{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || skipped(n) {
			continue
		}
		switch {
		case n.DataAtom == atom.Main || attr(n, "role") == "main":
			mains = append(mains, n)
		case n.DataAtom == atom.Article:
			articles = append(articles, n)
		case n.DataAtom == atom.P || n.DataAtom == atom.Pre || n.DataAtom == atom.Blockquote:
			length := float64(textLength(n, false) - 2*textLength(n, true))
			for up, share := n.Parent, 1.0; up != nil && share > 0.2; up, share = up.Parent, share/2 {
				score[up] += length * share
			}
		}
	}
	for _, named := range [][]*html.Node{mains, articles} {
		if len(named) == 1 && textLength(named[0], false) > 200 {
			return named[0]
		}
	}
	best, most := root, 0.0
	for n := range root.Descendants() { // in the page's order, so that a tie is always decided alike
		if s := score[n]; s > most {
			best, most = n, s
		}
	}
	all := float64(textLength(root, false) - textLength(root, true))
	if most < 400 || float64(textLength(best, false)) < all/3 {
		return root // no part stands out
	}
	return best
}

// textLength counts the bytes of text below n; inLinks only those in links.
func textLength(n *html.Node, inLinks bool) int {
	total := 0
	var count func(n *html.Node, linked bool)
	count = func(n *html.Node, linked bool) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			switch {
			case c.Type == html.TextNode && (linked || !inLinks):
				total += len(strings.TrimSpace(c.Data))
			case c.Type == html.ElementNode && !skipped(c):
				count(c, linked || c.DataAtom == atom.A)
			}
		}
	}
	count(n, false)
	return total
}

// skipped reports whether an element has no text for readers.
func skipped(n *html.Node) bool {
	switch n.Data {
	case "script", "style", "noscript", "template", "head", "nav", "footer", "aside",
		"form", "button", "select", "textarea", "input", "iframe", "object", "embed",
		"svg", "math", "canvas", "audio", "video", "dialog":
		return true
	}
	for _, a := range n.Attr {
		switch a.Key {
		case "hidden":
			return true
		case "aria-hidden":
			return a.Val == "true"
		case "style":
			style := strings.ReplaceAll(strings.ToLower(a.Val), " ", "")
			if strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden") {
				return true
			}
		}
	}
	return false
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func titleOf(root *html.Node) string {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.DataAtom == atom.Title && n.FirstChild != nil {
			return n.FirstChild.Data
		}
	}
	return ""
}

// writer makes text of a tree: blocks are separated by an empty line, white space
// collapses except in pre.
type writer struct {
	bytes.Buffer
	count, limit int
	full         bool
	pre          int
	space        bool // is due before the next word
	newlines     int  // are due before the next word
}

func (w *writer) walk(n *html.Node) {
	if w.full {
		return
	}
	switch n.Type {
	case html.TextNode:
		w.text(n.Data)
		return
	case html.ElementNode:
		if skipped(n) {
			return
		}
	case html.CommentNode, html.DoctypeNode, html.ErrorNode, html.RawNode:
		return
	case html.DocumentNode:
	}
	gap := blockGap(n.Data)
	w.newlines = max(w.newlines, gap)
	switch n.Data {
	case "br":
		w.newlines = max(w.newlines, 1)
	case "td", "th":
		w.space = true
	case "li":
		w.word("-")
		w.space = true
	case "pre":
		w.pre++
		defer func() { w.pre-- }()
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.walk(c)
	}
	w.newlines = max(w.newlines, gap)
	if n.DataAtom == atom.Td || n.DataAtom == atom.Th {
		w.space = true
	}
}

// blockGap is how many line ends stand around an element.
func blockGap(tag string) int {
	switch tag {
	case "p", "div", "section", "article", "main", "header", "blockquote", "pre", "ul", "ol",
		"dl", "table", "figure", "figcaption", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "details":
		return 2
	case "li", "tr", "dt", "dd", "summary", "caption":
		return 1
	}
	return 0
}

func (w *writer) text(s string) {
	if w.pre > 0 {
		w.word(strings.ReplaceAll(s, "\r", ""))
		return
	}
	if s != "" && strings.TrimLeft(s, " \t\r\n\f") != s {
		w.space = true
	}
	for f := range strings.FieldsSeq(s) {
		w.word(f)
		w.space = true
	}
	if strings.TrimRight(s, " \t\r\n\f") == s && strings.TrimSpace(s) != "" {
		w.space = false
	}
}

// word writes what is due and then s.
func (w *writer) word(s string) {
	if w.full || s == "" {
		return
	}
	due := ""
	switch {
	case w.Len() == 0:
	case w.newlines > 0:
		due = strings.Repeat("\n", w.newlines)
	case w.space:
		due = " "
	}
	w.newlines, w.space = 0, false
	s, cut := clip(due+s, w.limit-w.count)
	w.count += chars(s)
	w.full = cut
	w.WriteString(s)
}

// oneLine collapses white space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
