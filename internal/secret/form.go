package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// minMasked is the least length, in characters, of what is masked. Shorter values
// would mask words that have nothing to do with them.
const minMasked = 8

// Maskable reports whether a value, or at least one of its lines, is long enough to
// be masked.
func Maskable(value string) bool { return len(parts(value)) > 0 }

// parts are the value, the value without white space around it, and its lines, as far
// as they are long enough.
func parts(value string) []string {
	all := []string{value, strings.TrimSpace(value)}
	for line := range strings.Lines(value) {
		all = append(all, strings.TrimRight(line, "\r\n"), strings.TrimSpace(line))
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return utf8.RuneCountInString(s) < minMasked })
}

// forms are the texts by which a value may show, each at least minMasked bytes long
// and once.
func forms(value string) []string {
	var all []string
	for _, p := range parts(value) {
		all = append(all, p, html.EscapeString(p))
		all = append(all, base64Forms(p)...)
		all = append(all, urlForms(p)...)
		all = append(all, quotedForms(p)...)
		digits := hex.EncodeToString([]byte(p))
		all = append(all, digits, strings.ToUpper(digits))
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return len(s) < minMasked })
}

// base64Forms are those characters of base64 that depend on the value alone, for each
// of the three places at which it may begin among other bytes, in both alphabets, and
// the lines of it as programs wrap them.
func base64Forms(p string) []string {
	var all []string
	for shift := range 3 {
		raw := append(make([]byte, shift), p...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(raw)
			first := []int{0, 2, 3}[shift] // before it are bits of what precedes
			last := len(text)
			if len(raw)%3 != 0 {
				last-- // has bits of what follows
			}
			text = text[first:last]
			all = append(all, text)
			if shift > 0 {
				continue
			}
			for _, width := range []int{64, 76} {
				for line := range slices.Chunk([]byte(text), width) {
					if len(line) < len(text) {
						all = append(all, string(line))
					}
				}
			}
		}
	}
	return all
}

// urlForms are the escapes of a query, of a path and of a browser, with upper and
// lower hexadecimal digits.
func urlForms(p string) []string {
	query := url.QueryEscape(p)
	all := []string{query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(p)}
	browser := strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(query)
	all = append(all, browser, (&url.URL{Path: "/" + p}).EscapedPath()[1:])
	for _, s := range slices.Clone(all) {
		all = append(all, lowerEscapes(s))
	}
	return all
}

// lowerEscapes has %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}

// quotedForms are the insides of strings of JSON, as several programs write them, of
// JSON within JSON, and of Go.
func quotedForms(p string) []string {
	plain := jsonInside(p, false)
	all := []string{
		jsonInside(p, true), plain, strings.ReplaceAll(plain, "/", `\/`), jsonInside(plain, false), jsonInside(jsonInside(p, true), false),
		ascii(plain, "\\u%04x"), ascii(plain, "\\u%04X"),
	}
	quoted := strconv.Quote(p)
	return append(all, quoted[1:len(quoted)-1])
}

// jsonInside is what stands between the quotes.
func jsonInside(p string, escapeHTML bool) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escapeHTML)
	if enc.Encode(p) != nil {
		return p // text always encodes
	}
	s := strings.TrimSuffix(b.String(), "\n")
	return s[1 : len(s)-1]
}

// ascii has all other characters as escapes of UTF-16.
func ascii(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, format, unit)
		}
	}
	return b.String()
}
