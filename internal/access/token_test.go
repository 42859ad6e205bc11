package access_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	a, b := access.NewToken(), access.NewToken()
	if a == b || !strings.HasPrefix(a, access.TokenPrefix) || access.CheckToken(a) != nil {
		t.Fatalf("tokens %q %q", a, b)
	}
	damaged := []byte(a)
	damaged[10] ^= 1
	for _, bad := range []string{string(damaged), a[:20], "short", ""} {
		if access.CheckToken(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if err := access.CheckToken(strings.Repeat("x", 32)); err != nil {
		t.Errorf("a chosen token: %v", err)
	}
	one := access.Static{}.With(a, access.Principal{Name: "a"})
	two := one.With(b, access.Principal{Name: "b"})
	if p, ok := two.Authenticate(b); !ok || p.Name != "b" {
		t.Errorf("b: %v %v", p, ok)
	}
	if _, ok := one.Authenticate(b); ok {
		t.Error("With changed its receiver")
	}
	if _, ok := (access.Static{}).With("", access.Principal{}).Authenticate(""); ok {
		t.Error("an empty token is a token")
	}
}
