package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

var (
	idForm   = regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	purlForm = regexp.MustCompile(`^pkg:golang/[^@\s]+@\S+$`)
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "github.com/runsheet/runsheet"},
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "amd64"}},
		Deps:     []*debug.Module{{Path: "example.org/a_b/v2", Version: "v2.0.0+incompatible"}},
	}
	m := binary{"runsheet", strings.Repeat("ab", 32), "2026-01-31T12:00:00Z", "v1.0.0"}
	d, err := describe(info, map[string]string{"example.org/a_b/v2": "MIT"}, m)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Packages) != 3 || !strings.HasPrefix(d.DocumentNamespace, "https://") || strings.Contains(d.DocumentNamespace, "#") {
		t.Fatalf("%+v", d)
	}
	ids := map[string]bool{"SPDXRef-DOCUMENT": true}
	for _, p := range d.Packages {
		if !idForm.MatchString(p.SPDXID) || ids[p.SPDXID] {
			t.Errorf("id %s", p.SPDXID)
		}
		ids[p.SPDXID] = true
		if !purlForm.MatchString(p.ExternalRefs[0].Locator) || p.LicenseDeclared == "" || p.VersionInfo == "" {
			t.Errorf("%+v", p)
		}
	}
	for _, r := range d.Relationships {
		if !ids[r.Element] || !ids[r.Related] {
			t.Errorf("%+v names nothing", r)
		}
	}
	if len(d.Relationships) != len(d.Packages) {
		t.Errorf("%d relationships", len(d.Relationships))
	}
	if _, err := describe(info, nil, m); err == nil {
		t.Error("a module without a licence is accepted")
	}
}

// TestWrite describes this test's own binary.
func TestWrite(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var one, two bytes.Buffer
	for _, w := range []*bytes.Buffer{&one, &two} {
		if err := write(w, self, "../../../docs/licences.md", "2026-01-31T12:00:00Z", "v1"); err != nil {
			t.Fatal(err)
		}
	}
	var d document
	if err := json.Unmarshal(one.Bytes(), &d); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) || d.SPDXVersion != "SPDX-2.3" {
		t.Errorf("%v, same %v\n%s", err, bytes.Equal(one.Bytes(), two.Bytes()), one.Bytes())
	}
}
