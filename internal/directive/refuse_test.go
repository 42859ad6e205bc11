package directive_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	web := &directive.Snapshot{Name: "web", Version: 2}
	if err := directive.Refuse(web, nil); err != nil {
		t.Errorf("nothing is refused: %v", err)
	}
	two := []directive.Outside{{At: 0, Name: "/etc/passwd"}, {At: 3, Name: "https://example.org"}}
	f := fault.From(directive.Refuse(web, two))
	want := []fault.Field{
		{Pointer: "/sources/0", Code: "source_not_allowed", Detail: "/etc/passwd is not on the allow-list"},
		{Pointer: "/sources/3", Code: "source_not_allowed", Detail: "https://example.org is not on the allow-list"},
	}
	if diff := cmp.Diff(want, f.Fields); diff != "" || f.Code != fault.SourceNotAllowed || f.Hint == "" {
		t.Errorf("%+v %s", f, diff)
	}
	if got := f.Detail; got != "directive web (version 2) does not allow /etc/passwd and 1 more" {
		t.Error(got)
	}
	if got := directive.Refusal(nil, []string{"/etc/passwd"}); got != "without a directive nothing may be read, and not /etc/passwd" {
		t.Error(got)
	}
}
