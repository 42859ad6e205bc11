package vault

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyBytes is the size of all keys: AES-256.
const keyBytes = 32

// Key is a master key. It is never shown.
type Key struct {
	bytes [keyBytes]byte
}

// String hides the key.
func (*Key) String() string { return "********" }

// GoString hides the key from %#v.
func (k *Key) GoString() string { return k.String() }

// NewKey makes a random key.
func NewKey() *Key {
	k := &Key{}
	_, _ = rand.Read(k.bytes[:]) // never fails
	return k
}

// ParseKey reads a key of 32 bytes in base64, of either alphabet, or as 64
// hexadecimal digits. White space around it does not count. Errors do not repeat
// what was given.
func ParseKey(text string) (*Key, error) {
	text = strings.TrimSpace(text)
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != keyBytes {
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		b, err = base64.RawStdEncoding.Strict().DecodeString(plain)
	}
	if err != nil || len(b) != keyBytes {
		return nil, errors.New("a key of secrets is 32 bytes in base64; make one with: openssl rand -base64 32")
	}
	k := &Key{}
	copy(k.bytes[:], b)
	return k, nil
}

// Text is the key as ParseKey reads it.
func (k *Key) Text() string { return base64.StdEncoding.EncodeToString(k.bytes[:]) }

// Check is a text that shows which key this is and nothing of it.
func (k *Key) Check() string {
	h := hmac.New(sha256.New, k.bytes[:])
	h.Write([]byte("runsheet check of the secrets key, format 1"))
	return format + hex.EncodeToString(h.Sum(nil))
}

// ReadKey reads a key file; nil, nil = there is none.
func ReadKey(path string) (*Key, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of secrets: %w", err)
	}
	k, err := ParseKey(string(b))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return k, nil
}

// WriteKey writes a key file that only its owner can read. It is durable when it
// returns. A file that is there is replaced as a whole.
func WriteKey(path string, k *Key) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the key of secrets: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error counts
			err = fmt.Errorf("write the key of secrets: %w", err)
		}
	}()
	_, err = f.WriteString(k.Text() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncFolder(filepath.Dir(path))
	return nil
}

// syncFolder makes names in a folder durable where the system can.
func syncFolder(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	_ = d.Sync() // not all file systems can
	_ = d.Close()
}
