package workflow_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/workflow"
)

func TestCheckTag(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"stable", "2026-q1", "v1.2.0", "a", "1a", "v", "vv1", "1.0", strings.Repeat("x", 64)} {
		if wrong := workflow.CheckTag(tag); wrong != "" {
			t.Errorf("%q: %s", tag, wrong)
		}
	}
	for _, tag := range []string{
		"", "1", "01", "v1", "v007", "99999999999999999999", "active", "newest", "Stable", "a b", "a/b", "-a", ".", "..", "_x", "+1", "a\x00", "a\n", "стаб", strings.Repeat("x", 65),
	} {
		if workflow.CheckTag(tag) == "" {
			t.Errorf("%q is taken for a tag", tag)
		}
	}
}
