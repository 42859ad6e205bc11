package access_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	a, b := access.NewToken(), access.NewToken()
	if a == b || !strings.HasPrefix(a, access.TokenPrefix) {
		t.Fatalf("tokens %q %q", a, b)
	}
	one := access.Static{}.With(a, access.Principal{Name: "a"})
	two := one.With(b, access.Principal{Name: "b"})
	if p, ok := two.Find(b); !ok || p.Name != "b" {
		t.Errorf("b: %v %v", p, ok)
	}
	if _, ok := one.Find(b); ok {
		t.Error("With changed its receiver")
	}
	if _, ok := (access.Static{}).With("", access.Principal{}).Find(""); ok {
		t.Error("an empty token is a token")
	}
}
