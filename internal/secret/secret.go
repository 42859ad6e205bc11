// Package secret is the domain of secrets: their names, who may use them for
// what, and how their values are kept out of texts.
//
// A Secret has a name, by which workflows refer to it ({{secrets.NAME}}), and
// grants. A grant names workflows, kinds of nodes and the hosts that those nodes
// may send to; without a grant nobody can use the secret. The value is no part of
// the type: it is kept encrypted by the store, and package vault alone opens it.
//
// A Masker replaces values in texts, in each of the forms that programs commonly
// give them: as they are, as base64, hexadecimal digits, parts of URLs and strings
// of JSON.
//
// The package is pure: it encrypts nothing and stores nothing.
package secret

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/fault"
)

// Bounds of a secret.
const (
	// MaxName and MaxDescription are in characters, MaxValue is in bytes.
	MaxName        = 128
	MaxDescription = 2000
	MaxValue       = 32 << 10
	// MaxGrants is the most grants of a secret, MaxListed the most kinds or hosts of
	// a grant.
	MaxGrants = 100
	MaxListed = 100
)

// Secret is what is known of a secret beside its value.
type Secret struct {
	Tenant, Name, Description string
	Grants                    []Grant
	// Version grows with every change; ValueVersion counts the values so far.
	Version, ValueVersion int64
	// ValueAt is when the present value was given.
	CreatedBy, UpdatedBy          string
	CreatedAt, UpdatedAt, ValueAt time.Time
	// LastUsedAt is exact to a minute; zero = never.
	LastUsedAt time.Time
}

// Allows reports whether one of the grants allows a use.
func (s Secret) Allows(u Use) bool {
	for _, g := range s.Grants {
		if g.Allows(u) {
			return true
		}
	}
	return false
}

// CheckName returns invalid_input for what cannot be a secret's name: a letter or
// underscore, then letters, digits and underscores, 128 characters at most.
func CheckName(name string) error {
	if validName(name) {
		return nil
	}
	return fault.New(fault.InvalidInput, "a secret's name has letters, digits and underscores, begins with no digit, and has 128 characters at most").
		At("/name", "pattern", "must match [A-Za-z_][A-Za-z0-9_]{0,127}")
}

func validName(name string) bool {
	if name == "" || len(name) > MaxName {
		return false
	}
	for i := range len(name) {
		b := name[i]
		switch {
		case b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z':
		case i > 0 && b >= '0' && b <= '9':
		default:
			return false
		}
	}
	return true
}

// CheckValue returns invalid_input for a value that cannot be kept: empty, too
// large, or no text. The fault does not repeat it.
func CheckValue(value string) error {
	bad := func(code, text string) error {
		return fault.New(fault.InvalidInput, "the value cannot be kept: it "+text).At("/value", code, text)
	}
	switch {
	case value == "":
		return bad("empty", "must not be empty")
	case len(value) > MaxValue:
		return bad("too_large", fmt.Sprintf("must have %d bytes at most", MaxValue))
	case !utf8.ValidString(value):
		return bad("encoding", "must be UTF-8; encode other bytes, for example as base64")
	}
	return nil
}
