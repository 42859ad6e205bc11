package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/runsheet/runsheet/internal/fault"
)

// The cost of a password hash: argon2id with 19 MiB, two passes, one lane, the
// first of the settings that OWASP's Password Storage Cheat Sheet names. They
// stand in each hash, so that they can be raised later.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltBytes   = 16
	hashBytes   = 32
)

// Bounds of a password, in characters and in bytes.
const (
	minPassword = 12
	maxPassword = 1024
)

// passwords hashes and checks, few at a time: each takes 19 MiB.
type passwords struct {
	places chan struct{}
	// decoy is checked for names that do not exist, so that the time of an answer
	// does not tell which do.
	decoy string
}

// atOnce is how many passwords are hashed at the same time.
const atOnce = 2

func newPasswords() *passwords {
	p := &passwords{places: make(chan struct{}, atOnce)}
	salt := make([]byte, saltBytes)
	p.decoy = phc(argonMemory, argonTime, argonLanes, salt, make([]byte, hashBytes))
	return p
}

func phc(memory, time uint32, lanes uint8, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, time, lanes, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// take waits for a place.
func (p *passwords) take(ctx context.Context) (func(), error) {
	select {
	case p.places <- struct{}{}:
		return func() { <-p.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	done, err := p.take(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the process instead
	return phc(argonMemory, argonTime, argonLanes, salt,
		argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, hashBytes)), nil
}

// check reports whether the password fits the hash, in a time that does not
// depend on where they differ. An empty hash fits nothing.
func (p *passwords) check(ctx context.Context, hash, password string) (bool, error) {
	done, err := p.take(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	usable := hash != "" && len(password) <= maxPassword
	if !usable {
		hash, password = p.decoy, ""
	}
	memory, time, lanes, salt, sum, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, lanes, uint32(len(sum)))
	return subtle.ConstantTimeCompare(got, sum) == 1 && usable, nil
}

func parsePHC(s string) (memory, time uint32, lanes uint8, salt, sum []byte, err error) {
	parts := strings.Split(s, "$")
	var version int
	if len(parts) != 6 || parts[1] != "argon2id" {
		return 0, 0, 0, nil, nil, fmt.Errorf("a stored password hash is not argon2id")
	}
	if _, err = fmt.Sscanf(parts[2], "v=%d", &version); err == nil {
		_, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &lanes)
	}
	if err == nil {
		salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	}
	if err == nil {
		sum, err = base64.RawStdEncoding.DecodeString(parts[5])
	}
	// A row that somebody wrote by hand must not take all memory.
	if err != nil || version != argon2.Version || memory > 1<<18 || time == 0 || time > 16 || lanes == 0 || len(sum) < 16 || len(sum) > 64 {
		return 0, 0, 0, nil, nil, fmt.Errorf("a stored password hash cannot be read")
	}
	return memory, time, lanes, salt, sum, nil
}

// minDistinct is how many different characters a password has at least.
const minDistinct = 5

// common begin or make the passwords that everybody tries first, digits left out.
func common() []string {
	return []string{
		"password", "passwort", "passw", "qwertyuiop", "qwerty", "qwertz", "asdfghjkl", "zxcvbnm", "letmein", "admin", "administrator", "root",
		"welcome", "iloveyou", "abc", "abcdef", "abcdefgh", "abcdefghijkl", "abcdefghijklmnopqrstuvwxyz", "monkey", "dragon", "login", "secret",
		"changeme", "runsheet", "test", "master",
	}
}

// easy reports whether the password is one of the most common ones: without
// digits it is nothing, or only common words and the user's name, the last of
// which may be cut ("qwertyuiopas").
func easy(name, password string) bool {
	distinct := map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	if len(distinct) < minDistinct {
		return true
	}
	noDigits := func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return unicode.ToLower(r)
	}
	password = strings.Map(noDigits, password)
	words := common()
	if name = strings.Map(noDigits, name); name != "" {
		words = append(words, name)
	}
	// made[i]: the first i bytes are words, one after the other.
	made := make([]bool, len(password)+1)
	made[0] = true
	for i := range password {
		if !made[i] {
			continue
		}
		for _, w := range words {
			switch rest := password[i:]; {
			case strings.HasPrefix(rest, w):
				made[i+len(w)] = true
			case (i > 0 || len(rest) > 3) && strings.HasPrefix(w, rest):
				return true
			}
		}
	}
	return made[len(password)]
}

// checkNew refuses passwords that are too easy to guess. As NIST SP 800-63B
// advises, it asks for length and against the most common ones, and not for
// kinds of characters.
func checkNew(name, password string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return badPassword("must be text in UTF-8")
	case n < minPassword:
		return badPassword(fmt.Sprintf("must have %d characters or more", minPassword))
	case len(password) > maxPassword:
		return badPassword(fmt.Sprintf("must have %d bytes or fewer", maxPassword))
	case strings.EqualFold(password, name), easy(name, password):
		return badPassword("is too easy to guess: it is one of those that everybody tries first")
	}
	return nil
}

func badPassword(why string) error {
	return fault.New(fault.InvalidInput, "the password "+why).At("/password", "password", why)
}

// HashPassword checks and hashes a new password of a user. It returns
// invalid_input when the password is too easy.
func (s *Service) HashPassword(ctx context.Context, name, password string) (string, error) {
	if err := checkNew(name, password); err != nil {
		return "", err
	}
	return s.passwords.hash(ctx, password)
}
