package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Headers of the Standard Webhooks specification, https://www.standardwebhooks.com.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// SecretPrefix begins every secret, so that scanners can find a leaked one.
const SecretPrefix = "whsec_"

// Secret is a key that signs messages, as text: the prefix and base64. It hides
// itself from logs; Reveal shows it.
type Secret struct{ text string }

// NewSecret returns a fresh secret of 256 random bits.
func NewSecret() Secret {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return Secret{SecretPrefix + base64.StdEncoding.EncodeToString(b)}
}

// Stored makes a secret of what Reveal gave, unchecked.
func Stored(text string) Secret { return Secret{text} }

// Reveal is the secret's text, "" for the zero value.
func (s Secret) Reveal() string { return s.text }

// String hides the secret.
func (Secret) String() string { return "********" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "********" }

// MarshalJSON hides the secret from whatever is written as JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"********"`), nil }

// sign makes one signature: v1, base64 of HMAC-SHA256 over id, time and body.
func (s Secret) sign(id string, unix int64, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.text, SecretPrefix))
	if err != nil { // nothing but NewSecret makes secrets
		key = []byte(s.text)
	}
	m := hmac.New(sha256.New, key)
	_, _ = m.Write([]byte(id + "." + strconv.FormatInt(unix, 10) + ".")) // a hash takes everything
	_, _ = m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// Secrets are the keys of an endpoint. During a rotation there are two, and
// messages carry a signature of each.
type Secrets struct {
	Current, Previous Secret
	// PreviousUntil is when Previous stops signing; zero = there is none.
	PreviousUntil time.Time
	// RotatedAt is when Current began.
	RotatedAt time.Time
}

// Rotate returns the secrets after a rotation at now, in which the old one goes on
// for overlap.
func (s Secrets) Rotate(next Secret, now time.Time, overlap time.Duration) Secrets {
	out := Secrets{Current: next, RotatedAt: now}
	if overlap > 0 && s.Current.text != "" {
		out.Previous, out.PreviousUntil = s.Current, now.Add(overlap)
	}
	return out
}

// Sign is the value of HeaderSignature: a signature by each key that is active at
// now, the current one first, separated by spaces. The time that is signed is that
// of HeaderTimestamp, now in whole seconds.
func (s Secrets) Sign(id string, now time.Time, body []byte) string {
	out := s.Current.sign(id, now.Unix(), body)
	if s.Previous.text != "" && now.Before(s.PreviousUntil) {
		out += " " + s.Previous.sign(id, now.Unix(), body)
	}
	return out
}
