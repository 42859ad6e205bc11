package id_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/id"
)

func TestDeriveIsTheSameForTheSameParts(t *testing.T) {
	t.Parallel()
	base := id.New("wfrun", time.UnixMilli(1_770_000_000_000))
	a := id.Derive(id.Approval, base, "ask", "0")
	if err := id.Check(id.Approval, a); err != nil {
		t.Fatal(err)
	}
	if again := id.Derive(id.Approval, base, "ask", "0"); again != a {
		t.Errorf("%s, then %s", a, again)
	}
	other := id.New("wfrun", time.UnixMilli(1_770_000_000_000))
	for name, b := range map[string]string{
		"another part": id.Derive(id.Approval, base, "ask", "1"), "parts joined": id.Derive(id.Approval, base, "ask0"),
		"another base": id.Derive(id.Approval, other, "ask", "0"),
	} {
		if b == a {
			t.Errorf("%s gives the same id", name)
		}
	}
	if err := id.Check(id.Approval, id.Derive(id.Approval, "no id", "x")); err != nil {
		t.Error(err)
	}
	if later := id.New(id.Approval, time.UnixMilli(1_770_000_000_001)); a >= later {
		t.Errorf("%s does not sort before %s", a, later)
	}
}
