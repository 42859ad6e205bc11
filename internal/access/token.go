package access

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"hash/crc32"
	"slices"
	"strings"
)

// TokenPrefix begins every token that Runsheet makes, so that scanners can
// find a leaked one.
const TokenPrefix = "rst_"

var tokenText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewToken returns a fresh token: the prefix, 256 random bits and a checksum
// (CRC-32) that tells a typing error from a wrong token.
func NewToken() string {
	b := make([]byte, 32, 36)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return TokenPrefix + tokenText.EncodeToString(checksummed(b))
}

func checksummed(b []byte) []byte {
	sum := crc32.ChecksumIEEE(b)
	return append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

// HashToken is the form in which a token is kept and compared.
func HashToken(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }

// Static knows the tokens that were given at start. The zero value knows none.
// It is immutable and safe for concurrent use.
type Static struct{ known []grant }

type grant struct {
	hash [sha256.Size]byte
	who  Principal
}

// With returns a copy of s that knows one more token. It keeps the hash only.
func (s Static) With(token string, p Principal) Static {
	return Static{append(slices.Clip(s.known), grant{HashToken(token), p})}
}

// Credential is what a request shows to say who it comes from. One field is set.
type Credential struct {
	Token   string // a bearer token
	Session string // the secret of a session's cookie
}

// String hides the secrets from logs.
func (Credential) String() string { return "********" }

// GoString hides the secrets from %#v.
func (Credential) GoString() string { return "********" }

// MarshalText hides the secrets from encoders.
func (Credential) MarshalText() ([]byte, error) { return []byte("********"), nil }

// WellFormed reports whether s can be a token that NewToken made: its checksum
// fits. It spares the database what scanners and typing errors send.
func WellFormed(s string) bool {
	text, ok := strings.CutPrefix(s, TokenPrefix)
	if !ok {
		return false
	}
	b, err := tokenText.DecodeString(text)
	return err == nil && len(b) == 36 && bytes.Equal(checksummed(b[:32:32]), b)
}

// Find returns the principal of a token. It compares hashes in constant time and
// always looks at all of them.
func (s Static) Find(token string) (Principal, bool) {
	h := HashToken(token)
	var found Principal
	ok := false
	for _, g := range s.known {
		if subtle.ConstantTimeCompare(g.hash[:], h[:]) == 1 {
			found, ok = g.who, true
		}
	}
	return found, ok && token != ""
}
