package doctor_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/doctor"
	"github.com/runsheet/runsheet/internal/llm"
)

func TestModelServers(t *testing.T) {
	t.Parallel()
	cfg := sound(t)
	examine := func() doctor.Report {
		r := doctor.Examine(t.Context(), doctor.Options{Config: cfg, Clock: clock.System{}})
		if r.Failed() {
			t.Errorf("the server works without models, and the report fails: %+v", r)
		}
		return r
	}
	if slices.ContainsFunc(examine(), func(c doctor.Check) bool { return c.Name == "llm" }) {
		t.Error("a line about no server")
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"version":"1","models":[{"name":"m:latest"}]}`)
	}))
	cfg.LLM.URL = s.URL
	if d := find(t, examine(), "llm", doctor.OK); !strings.Contains(d, "1 models") {
		t.Error(d)
	}
	cfg.LLM.Model = "m"
	if r := examine(); slices.ContainsFunc(r, func(c doctor.Check) bool { return c.Name == "llm model" }) {
		t.Errorf("%+v", r)
	}
	cfg.LLM.Model = "other"
	if d := find(t, examine(), "llm model", doctor.Warn); !strings.Contains(d, "other") {
		t.Error(d)
	}
	s.Close()
	find(t, examine(), "llm", doctor.Warn)
	cfg.LLM.Model = ""
	if d := find(t, examine(), "llm", doctor.OK); !strings.Contains(d, "not used") {
		t.Error(d)
	}
	cfg.LLM.Servers = []llm.Server{{Name: "gpu", Kind: llm.OpenAI, URL: s.URL}}
	find(t, examine(), "llm", doctor.Warn)
}
