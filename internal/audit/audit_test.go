package audit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
)

func chain(n int) []audit.Entry {
	at := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	var out []audit.Entry
	prev := ""
	for i := range n {
		e := audit.Link(audit.Entry{
			Tenant: "default", At: at.Add(time.Duration(i) * time.Second), Actor: audit.Actor{Name: "ann", ID: "usr_1", Remote: "127.0.0.1"},
			Action: audit.TokenCreated, Object: "tok_1", Detail: map[string]string{"a": "b", "roles": "viewer"},
		}, int64(i), prev)
		prev = e.Hash
		out = append(out, e)
	}
	return out
}

func verify(list []audit.Entry) error {
	var v audit.Verifier
	for _, e := range list {
		if err := v.Check(e); err != nil {
			return err
		}
	}
	return nil
}

// TestHashIsStable guards the format: entries of old releases must verify for
// ever.
func TestHashIsStable(t *testing.T) {
	t.Parallel()
	const want = "578c32238d58448bb9bfaae922793abdf7091a4b1b2b04724b094aecb0fe96c0"
	if got := chain(2)[1].Hash; got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

func TestEveryChangeShows(t *testing.T) {
	t.Parallel()
	if err := verify(chain(5)); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func([]audit.Entry) []audit.Entry{
		"tenant":   func(l []audit.Entry) []audit.Entry { l[2].Tenant = "x"; return l },
		"time":     func(l []audit.Entry) []audit.Entry { l[2].At = l[2].At.Add(time.Millisecond); return l },
		"actor":    func(l []audit.Entry) []audit.Entry { l[2].Actor.Name = "bob"; return l },
		"actor id": func(l []audit.Entry) []audit.Entry { l[2].Actor.ID = "usr_2"; return l },
		"remote":   func(l []audit.Entry) []audit.Entry { l[2].Actor.Remote = ""; return l },
		"request":  func(l []audit.Entry) []audit.Entry { l[2].Actor.RequestID = "req"; return l },
		"action":   func(l []audit.Entry) []audit.Entry { l[2].Action = audit.TokenRevoked; return l },
		"object":   func(l []audit.Entry) []audit.Entry { l[2].Object, l[2].ObjectName = "", l[2].Object; return l },
		"before":   func(l []audit.Entry) []audit.Entry { l[2].Before = "00"; return l },
		"after":    func(l []audit.Entry) []audit.Entry { l[2].After = "00"; return l },
		"detail": func(l []audit.Entry) []audit.Entry {
			l[2].Detail = map[string]string{"a": "b", "roles": "admin"}
			return l
		},
		"detail key": func(l []audit.Entry) []audit.Entry {
			l[2].Detail = map[string]string{"ab": "", "roles": "viewer"}
			return l
		},
		"removed":    func(l []audit.Entry) []audit.Entry { return append(l[:2:2], l[3:]...) },
		"first gone": func(l []audit.Entry) []audit.Entry { return l[1:] },
		"doubled":    func(l []audit.Entry) []audit.Entry { return append(l[:3:3], l[2:]...) },
		"swapped":    func(l []audit.Entry) []audit.Entry { l[1], l[2] = l[2], l[1]; return l },
		"rehashed": func(l []audit.Entry) []audit.Entry {
			l[2].Actor.Name = "bob"
			l[2].Hash = audit.Sum(l[2])
			return l
		},
	} {
		if err := verify(spoil(chain(5))); err == nil {
			t.Errorf("%s: the chain still verifies", name)
		}
	}
	// The last entries can only be missed by who knows the head.
	if err := verify(chain(5)[:4]); err != nil {
		t.Error(err)
	}
}

// TestVerifierStarts from a trusted entry.
func TestVerifierStarts(t *testing.T) {
	t.Parallel()
	l := chain(4)
	v := audit.Verifier{Seq: 2, Hash: l[1].Hash}
	if err := v.Check(l[2]); err != nil {
		t.Error(err)
	}
	v = audit.Verifier{Seq: 2, Hash: strings.Repeat("0", 64)}
	if err := v.Check(l[2]); err == nil {
		t.Error("a foreign beginning verifies")
	}
}
