package logline

import (
	"bytes"
	"net/netip"
)

// Bounds of a template.
const (
	maxTokens   = 80
	maxTemplate = 1024
	maxQuoted   = 512
)

// Template appends text to dst with what varies replaced by its kind: <time>,
// <num>, <hex>, <uuid>, <ip>, <url>, <email>, <path>, <str> for what stands in
// quotes, <id> for mixtures of letters and digits. Words are separated by one
// space. What is longer than 80 words or 1024 bytes ends with "...".
func Template(dst, text []byte) []byte {
	start, tokens := len(dst), 1
	for i := 0; i < len(text); {
		if len(dst)-start > maxTemplate {
			return append(cut(dst, start+maxTemplate), " ..."...)
		}
		c := text[i]
		if c == ' ' || c == '\t' {
			i++
			if n := len(dst); n == start || dst[n-1] == ' ' {
				continue
			}
			dst = append(dst, ' ')
			if tokens++; tokens > maxTokens {
				return append(dst, "..."...)
			}
			continue
		}
		if c == '"' || c == '\'' {
			var n int
			if dst, n = quoted(dst, text, i); n > 0 {
				i += n
				continue
			}
		}
		if string(text[i:min(len(text), i+len(Secret))]) == Secret {
			dst, i = append(dst, Secret...), i+len(Secret)
			continue
		}
		if separator(c) {
			dst = append(dst, c)
			i++
			continue
		}
		j := i
		for j < len(text) && text[j] != ' ' && text[j] != '\t' && !separator(text[j]) {
			j++
		}
		if bytes.Contains(text[i:j], []byte("://")) { // a query has = and ; in it
			for j < len(text) && !bytes.ContainsRune([]byte(" \t\"'<>()[]{}|`"), rune(text[j])) {
				j++
			}
		}
		dst, i = atom(dst, text[i:j]), j
	}
	if len(dst)-start > maxTemplate {
		return append(cut(dst, start+maxTemplate), " ..."...)
	}
	return bytes.TrimRight(dst, " ")
}

// cut shortens b to n bytes without breaking a character.
func cut(b []byte, n int) []byte {
	for n > 0 && b[n]&0xc0 == 0x80 {
		n--
	}
	return b[:n]
}

func separator(c byte) bool {
	switch c {
	case '"', '\'', '(', ')', '[', ']', '{', '}', '<', '>', ',', ';', '=', '|', '`':
		return true
	}
	return false
}

// quoted handles the string that begins at i and returns its length, 0 if none
// begins there. The request line of an access log keeps its method.
func quoted(dst, text []byte, i int) ([]byte, int) {
	quote := text[i]
	if quote == '\'' && i > 0 && (isLetter(text[i-1]) || isDigit(text[i-1])) {
		return dst, 0 // an apostrophe
	}
	end := -1
	for j := i + 1; j < len(text) && j-i <= maxQuoted; j++ {
		if text[j] == '\\' {
			j++
		} else if text[j] == quote {
			end = j
			break
		}
	}
	if end < 0 || quote == '\'' && end+1 < len(text) && isLetter(text[end+1]) {
		return dst, 0
	}
	inner := text[i+1 : end]
	if method, rest, ok := bytes.Cut(inner, []byte(" ")); ok && httpMethod(method) {
		dst = append(append(append(dst, quote), method...), " <path>"...)
		if bytes.Contains(rest, []byte(" HTTP/")) {
			dst = append(dst, " HTTP"...)
		}
		return append(dst, quote), end + 1 - i
	}
	return append(append(append(dst, quote), "<str>"...), quote), end + 1 - i
}

func httpMethod(b []byte) bool {
	switch string(b) {
	case "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS":
		return true
	}
	return false
}

// atom appends one word, or its kind.
func atom(dst, a []byte) []byte {
	end := len(a)
	for end > 1 && (a[end-1] == '.' || a[end-1] == ':' || a[end-1] == '!' || a[end-1] == '?') {
		end--
	}
	core, tail := a[:end], a[end:]
	// A name before a colon, as in key:value and file:line, stays.
	if kind := kindOf(core); kind != "" {
		return append(append(dst, kind...), tail...)
	}
	return append(numbers(dst, core), tail...)
}

// kindOf finds the kind of a word as a whole, "" if it has none.
func kindOf(a []byte) string {
	var digit, hex, letter, slash, colon, dot, dash, at int
	for _, c := range a {
		switch {
		case isDigit(c):
			digit++
			hex++
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			hex++
			letter++
		case isLetter(c):
			letter++
		case c == '/' || c == '\\':
			slash++
		case c == ':':
			colon++
		case c == '.':
			dot++
		case c == '-':
			dash++
		case c == '@':
			at++
		}
	}
	switch n := len(a); {
	case slash >= 2 && bytes.Contains(a, []byte("://")):
		return "<url>"
	case slash > 0 && n > 1 && pathLike(a, slash):
		return "<path>"
	case at == 1 && dot > 0 && letter > 1 && a[0] != '@' && a[n-1] != '@':
		return "<email>"
	case digit == 0 && colon < 2:
		return ""
	case n == 36 && dash == 4 && hex == 32:
		return "<uuid>"
	case dot == 3 && digit >= 4 && letter == 0 && address(a),
		colon >= 2 && hex+colon+dot == n && address(a):
		return "<ip>"
	case timeLike(a, colon, dash):
		return "<time>"
	case n > 2 && a[0] == '0' && a[1]|0x20 == 'x',
		hex == n && n >= 8 && digit > 0 && letter > 0, hex == n && n >= 16 && letter > 0:
		return "<hex>"
	case dot+dash+colon+slash == 0 && letter+digit == n && n >= 8 && runs(a) >= 3:
		return "<id>"
	}
	return ""
}

// pathLike reports whether a word with a slash is a path of either kind, and not
// a pair of words.
func pathLike(a []byte, slashes int) bool {
	switch {
	case a[0] == '/', a[0] == '~' && len(a) > 1, a[0] == '.':
		return true
	case len(a) > 2 && a[1] == ':' && isLetter(a[0]) && (a[2] == '\\' || a[2] == '/'):
		return true
	}
	return slashes >= 2
}

// address reports whether a is an IP address, with a port or not.
func address(a []byte) bool {
	if len(a) > 48 {
		return false
	}
	if _, err := netip.ParseAddr(string(a)); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(string(a))
	return err == nil
}

// timeLike reports whether a is a date, a time of day, or both.
func timeLike(a []byte, colons, dashes int) bool {
	if len(a) >= 10 && dashes >= 2 && digits(a[:4]) && a[4] == '-' && digits(a[5:7]) && a[7] == '-' && digits(a[8:10]) {
		return len(a) == 10 || a[10] == 'T' || a[10] == '_' || a[10] == ':'
	}
	if colons < 2 {
		return false
	}
	_, n, ok := timeOfDay(a)
	return ok && (n == len(a) || a[n] == 'Z' || a[n] == '+' || a[n] == '-')
}

// runs counts the runs of digits.
func runs(a []byte) int {
	n := 0
	for i, c := range a {
		if isDigit(c) && (i == 0 || !isDigit(a[i-1])) {
			n++
		}
	}
	return n
}

// numbers appends a with its numbers replaced. One or two digits behind a letter
// are part of a name: utf8, sha1, http2.
func numbers(dst, a []byte) []byte {
	for i := 0; i < len(a); {
		if !isDigit(a[i]) {
			dst = append(dst, a[i])
			i++
			continue
		}
		j := i
		for j < len(a) && (isDigit(a[j]) || (a[j] == '.' || a[j] == ':') && j+1 < len(a) && isDigit(a[j+1]) && j > i) {
			j++
		}
		if i > 0 && isLetter(a[i-1]) && j-i <= 2 {
			dst = append(dst, a[i:j]...)
		} else {
			if n := len(dst); i == 1 && n > 0 && (a[0] == '-' || a[0] == '+') {
				dst = dst[:n-1]
			}
			dst = append(dst, "<num>"...)
		}
		i = j
	}
	return dst
}
