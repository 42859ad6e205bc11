package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// format begins everything that is encrypted. Another format has another number.
const format = "1."

// place is what a ciphertext is bound to: texts, each after its length, so that no
// two lists of them are the same.
func place(texts ...string) []byte {
	var b strings.Builder
	b.WriteString("runsheet")
	for _, t := range texts {
		b.WriteString(strconv.Itoa(len(t)) + ":" + t)
	}
	return []byte(b.String())
}

// aead is AES-256-GCM with a random nonce of 96 bits in front. One key is used for
// less than 2^32 messages (NIST SP 800-38D, section 8.3).
func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func seal(key, plain, place []byte) string {
	a, err := aead(key)
	if err != nil {
		panic("vault: " + err.Error()) // keys have 32 bytes
	}
	return format + base64.RawURLEncoding.EncodeToString(a.Seal(nil, nil, plain, place))
}

func unseal(key []byte, sealed string, place []byte) ([]byte, error) {
	text, ok := strings.CutPrefix(sealed, format)
	if !ok {
		return nil, errors.New("unknown format")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, err
	}
	a, err := aead(key)
	if err != nil {
		return nil, err
	}
	return a.Open(nil, nil, b, place)
}
