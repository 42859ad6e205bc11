package job_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/job"
)

// TestClassText: a class and its resources survive being text, whatever the
// names look like.
func TestClassText(t *testing.T) {
	t.Parallel()
	names := []string{"", "a", "a@2", "@", "b:c"}
	rapid.Check(t, func(t *rapid.T) {
		name := func(label string) string { return rapid.SampledFrom(names).Draw(t, label) }
		c := job.Class{Type: "t" + name("type"), TemplateID: name("template"), Tenant: name("tenant"), Key: name("key")}
		if c.TemplateID != "" {
			c.MaxTemplate = rapid.IntRange(0, 3).Draw(t, "most")
		}
		if c.Key != "" {
			c.MaxKey = rapid.IntRange(0, 3).Draw(t, "per key")
		}
		c.Locks = rapid.SliceOfN(rapid.SampledFrom(names[1:]), 0, 6).Draw(t, "locks")
		if rapid.IntRange(0, 4).Draw(t, "group") == 0 {
			c = job.Class{Group: "g", Tenant: c.Tenant}
		}
		if diff := cmp.Diff(c.Resources(), job.ClassResources(c.String())); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(c.Resources(), job.ParseClass(c.String()).Resources()); diff != "" {
			t.Fatal(diff)
		}
	})
}
