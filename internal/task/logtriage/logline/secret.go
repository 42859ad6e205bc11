package logline

import "bytes"

// Secret stands where a credential stood.
const Secret = "<secret>"

const (
	// longRandom is the length from which a word of small letters, capitals and
	// digits is taken for a key.
	longRandom = 32
	// longestKey bounds the names of fields that are looked at.
	longestKey = 96
)

// Masker replaces credentials in the lines of one log: values of fields whose
// name says so (password=, "api_key": , Authorization:, --token x), what follows
// Bearer and Basic, user and password in URLs, tokens that are known by their
// prefix, JSON web tokens, long random words, and private keys over several
// lines. It rather masks too much. What is not recognisable as a credential it
// cannot know. It is not safe for concurrent use; the zero value is ready.
type Masker struct {
	// pem says that the line before left a private key unfinished.
	pem int
}

// pemLines bounds a private key whose end is missing.
const pemLines = 200

var (
	pemBegin = []byte("-----BEGIN ")
	pemKind  = []byte("PRIVATE KEY")
	pemEnd   = []byte("-----END ")
)

// Mask appends line, which went through Clean, to dst.
func (m *Masker) Mask(dst, line []byte) []byte {
	if m.pem > 0 {
		i := bytes.Index(line, pemEnd)
		if i < 0 {
			m.pem--
			return append(dst, Secret...)
		}
		m.pem = 0
		dst, line = append(dst, Secret...), line[i:]
	}
	if i := bytes.Index(line, pemBegin); i >= 0 {
		if j := bytes.Index(line[i:min(len(line), i+64)], pemKind); j >= 0 {
			head, rest := line[:i+j+len(pemKind)], line[i+j+len(pemKind):]
			dst = append(mask(dst, head), Secret...)
			if j = bytes.Index(rest, pemEnd); j < 0 {
				m.pem = pemLines
				return dst
			}
			return mask(dst, rest[j:])
		}
	}
	return mask(dst, line)
}

// mask goes through the words of a line.
func mask(dst, b []byte) []byte {
	done := 0 // b[:done] was appended
	for i := 0; i < len(b); {
		if !wordByte(b[i]) {
			if b[i] == '@' {
				if at := userinfo(b, i); at > done {
					dst = append(append(dst, b[done:at]...), Secret...)
					done = i
				}
			}
			i++
			continue
		}
		j := i
		for j < len(b) && wordByte(b[j]) {
			j++
		}
		from, to := credential(b, i, j)
		if to > from {
			dst = append(append(dst, b[done:from]...), Secret...)
			done, i = to, max(to, j)
			continue
		}
		i = j
	}
	return append(dst, b[done:]...)
}

// credential returns the place of the credential that the word b[i:j] is or
// announces; an empty one if there is none.
func credential(b []byte, i, j int) (from, to int) {
	word := b[i:j]
	if random(word) || knownPrefix(word) {
		return i, j
	}
	if k := j + 1; j < len(b) && b[j] == ' ' && scheme(word) && k < len(b) {
		if end := tokenEnd(b, k); end-k >= 8 {
			return k, end
		}
	}
	key := word
	flag := len(key) > 2 && key[0] == '-'
	key = bytes.TrimLeft(key, "-.")
	if len(key) < 3 || len(key) > longestKey || !sensitive(key) {
		return 0, 0
	}
	k := j
	for k < len(b) && k < j+4 && (b[k] == '"' || b[k] == '\'' || b[k] == '\\' || b[k] == ' ' || b[k] == ']') {
		k++
	}
	switch {
	case k < len(b) && (b[k] == ':' || b[k] == '='):
		for k++; k < len(b) && (b[k] == ' ' || b[k] == '>' || b[k] == '='); k++ {
		}
	case flag && j < len(b) && b[j] == ' ':
		k = j + 1
	default:
		return 0, 0
	}
	return value(b, k, key)
}

// value returns the place of the value of a field that begins at k.
func value(b []byte, k int, key []byte) (from, to int) {
	if k < len(b) && (b[k] == '{' || b[k] == '[') {
		return 0, 0 // its fields are looked at one by one
	}
	escaped := k+1 < len(b) && b[k] == '\\' && (b[k+1] == '"' || b[k+1] == '\'')
	if escaped {
		k++
	}
	if k < len(b) && (b[k] == '"' || b[k] == '\'') {
		return k + 1, quotedEnd(b, k, escaped)
	}
	end := tokenEnd(b, k)
	if plainWord(b[k:end]) {
		return 0, 0
	}
	// A header has its value up to the end of the line, or of the quotes around it.
	if spaced(key) {
		for end < len(b) && b[end] != '"' && b[end] != '\'' {
			end++
		}
	} else if scheme(b[k:end]) && end < len(b) {
		end = tokenEnd(b, end+1)
	}
	return k, end
}

// quotedEnd returns the index of the quote that ends the string which begins at
// k, or the end of b.
func quotedEnd(b []byte, k int, escaped bool) int {
	quote := b[k]
	for i := k + 1; i < len(b); i++ {
		switch {
		case b[i] == '\\' && escaped && i+1 < len(b) && b[i+1] == quote:
			return i
		case b[i] == '\\':
			i++
		case b[i] == quote:
			return i
		}
	}
	return len(b)
}

// tokenEnd returns the index after the value without quotes that begins at k.
func tokenEnd(b []byte, k int) int {
	for k < len(b) {
		switch b[k] {
		case ' ', '\t', ',', ';', '&', '"', '\'', ')', '}', ']', '<', '>', '|', '\\':
			return k
		}
		k++
	}
	return k
}

// userinfo returns where the part before the @ at i begins if it is that of a
// URL with a password, else 0.
func userinfo(b []byte, i int) int {
	colon := false
	for j := i - 1; j >= 2 && j > i-256; j-- {
		switch b[j] {
		case ' ', '"', '\'', '<', '>':
			return 0
		case ':':
			colon = true
		case '/':
			if b[j-1] == '/' && b[j-2] == ':' && (colon || i-j > 20) {
				return j + 1
			}
			return 0
		}
	}
	return 0
}

// sensitive reports whether a field of this name holds a credential.
func sensitive(key []byte) bool {
	var buf [longestKey]byte
	name := buf[:0]
	for _, c := range key {
		if c == '_' || c == '-' || c == '.' {
			continue
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		name = append(name, c)
	}
	if bytes.HasSuffix(name, []byte("tokens")) || bytes.HasSuffix(name, []byte("count")) || bytes.HasSuffix(name, []byte("total")) {
		return false // counts of a language model
	}
	switch string(name) {
	case "pwd", "pass", "auth", "pin", "otp", "sid", "sessionid", "session", "sig", "dsn", "jwt":
		return true
	}
	for _, part := range sensitiveParts {
		if len(name) >= len(part) && bytes.Contains(name, []byte(part)) {
			return true
		}
	}
	return false
}

var sensitiveParts = [...]string{
	"password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey", "signingkey", "encryptionkey",
	"accountkey", "sharedkey", "authkey", "masterkey", "licensekey", "credential", "authorization", "cookie", "signature", "bearer",
}

// spaced reports whether a field of this name is a request header whose value
// has spaces.
func spaced(key []byte) bool {
	var buf [longestKey]byte
	switch string(lower(buf[:0], key)) {
	case "cookie", "set-cookie", "authorization", "proxy-authorization":
		return true
	}
	return false
}

// scheme reports whether a word announces a credential (RFC 9110, section 11).
func scheme(word []byte) bool {
	var buf [longestWord]byte
	switch string(lower(buf[:0], word)) {
	case "bearer", "basic", "digest", "negotiate":
		return true
	}
	return false
}

// plainWord reports whether a value says that there is no credential.
func plainWord(v []byte) bool {
	switch string(v) {
	case "", "null", "nil", "none", "true", "false", Secret:
		return true
	}
	return false
}

var prefixes = [...]string{
	"sk-", "sk_live_", "sk_test_", "rk_live_", "pk_live_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-",
	"xoxb-", "xoxp-", "xoxa-", "xoxs-", "xapp-", "AKIA", "ASIA", "AIza", "eyJ", "hvs.", "npm_", "pypi-", "dop_v1_", "SG.", "age-secret-key-",
	"AGE-SECRET-KEY-",
}

// knownPrefix reports whether a word is a token of a kind that is known by its
// prefix; "eyJ" is how a JSON web token begins.
func knownPrefix(word []byte) bool {
	if len(word) < 20 {
		return false
	}
	for _, p := range prefixes {
		if word[0] == p[0] && len(word) > len(p) && string(word[:len(p)]) == p {
			return true
		}
	}
	return false
}

// random reports whether a word looks like a key: long, with small letters,
// capitals and digits mixed.
func random(word []byte) bool {
	if len(word) < longRandom {
		return false
	}
	run := 0
	var small, large, digit int
	for _, c := range word {
		switch {
		case c >= 'a' && c <= 'z':
			small++
		case c >= 'A' && c <= 'Z':
			large++
		case isDigit(c):
			digit++
		case c == '.':
			run, small, large, digit = 0, 0, 0, 0
			continue
		}
		if run++; run >= longRandom && small > 3 && large > 3 && digit > 1 {
			return true
		}
	}
	return false
}

// wordByte reports whether c is part of a word: a name, or a token.
func wordByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '_' || c == '-' || c == '.'
}
