package export

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
)

func server(t *testing.T) *client.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var out any
		switch r.URL.Path {
		case "/api/workers":
			out = client.Workers{Count: 3, Running: 1}
		case "/api/job-templates":
			out = client.JobTemplateList{Items: []client.JobTemplate{
				{TemplateID: "tmpl_2", Name: "z/../x", JobType: "http", Version: 1, DirectiveID: new("dir_1"), Params: json.RawMessage(`{"url":"https://x"}`), CreatedBy: "ann"},
				{
					TemplateID: "tmpl_1", Name: "nightly", JobType: "command", Version: 7, Params: json.RawMessage(`{"stdin":"a\nb\n","argv":["/bin/sh",""],"n":1.10}`),
					Labels: map[string]string{"b": "1", "a": "yes"}, Priority: 5, CreatedBy: "ann",
				},
			}}
		case "/api/directives":
			out = client.DirectiveList{Items: []client.Directive{{
				DirectiveID: "dir_1", Name: "careful", Version: 2, SystemPrompt: "Be brief.\nBe kind.\n", Allow: client.DirectiveAllow{Files: []string{"/srv/**"}},
				Limits: client.DirectiveLimits{Time: new("PT15M")}, CreatedBy: "ann",
			}}}
		case "/api/directives/dir_1":
			out = client.Directive{DirectiveID: "dir_1", Name: "careful"}
		case "/api/job-runs":
			out = client.RunList{Items: []client.Run{{RunID: "run_1", Params: json.RawMessage(`{"token":"canary"}`)}, {RunID: "run_2"}}}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(s.Close)
	cl, err := client.New(client.Options{URL: s.URL, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

const nightly = `job_type: command
labels:
  a: "yes"
  b: "1"
name: nightly
params:
  argv:
    - /bin/sh
    - ""
  "n": 1.10
  stdin: |
    a
    b
priority: 5
retry_policy:
`

const careful = `allow:
  files:
    - "/srv/**"
limits:
  time: PT15M
name: careful
system_prompt: |
  Be brief.
  Be kind.
version: 2
`

func TestCollect(t *testing.T) {
	t.Parallel()
	cl := server(t)
	files, err := Collect(t.Context(), cl, Options{Runs: true})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
		if strings.Contains(string(f.Content), "dir_1") || strings.Contains(string(f.Content), "tmpl_") || strings.Contains(string(f.Content), "ann\n") {
			t.Errorf("%s holds ids or people:\n%s", f.Path, f.Content)
		}
	}
	if diff := cmp.Diff([]string{"directives/careful.yaml", "queue.yaml", "templates/nightly.yaml", "templates/z%2F%2E%2E%2Fx.yaml", "runs.jsonl"}, paths); diff != "" {
		t.Error(diff)
	}
	if got := string(files[0].Content); got != careful {
		t.Errorf("directive:\n%s", got)
	}
	if got := string(files[3].Content); !strings.HasPrefix(got, "directive_id: careful\n") {
		t.Errorf("template under a directive:\n%s", got)
	}
	if got := string(files[1].Content); got != "workers: 3\n" {
		t.Errorf("%q", got)
	}
	if got := string(files[2].Content); !strings.HasPrefix(got, nightly) {
		t.Errorf("got\n%s", got)
	}
	if got := string(files[4].Content); strings.Count(got, "\n") != 2 || !strings.Contains(got, `"run_id":"run_2"`) || strings.Contains(got, "params") {
		t.Errorf("runs, which must not have params:\n%s", got)
	}
	again, err := Collect(t.Context(), cl, Options{Runs: true})
	if diff := cmp.Diff(files, again); err != nil || diff != "" {
		t.Errorf("not stable: %v\n%s", err, diff)
	}

	dir := filepath.Join(t.TempDir(), "out")
	for _, name := range []string{"templates/mine.yaml", "templates/README.md"} {
		if err := os.MkdirAll(filepath.Join(dir, "templates"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteDir(dir, files); err != nil {
		t.Fatal(err)
	}
	got, err := filepath.Glob(filepath.Join(dir, "templates", "*"))
	if err != nil || len(got) != 4 {
		t.Errorf("%q, %v", got, err)
	}
}

// TestYAMLReadsBack compares with an independent parser.
func TestYAMLReadsBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `{"a":[]}`, `{"a":{}}`, `{"a":[[1,2],[{"b":1,"c":[3]}]]}`, `{"a":"x: y","b":"- z","c":"# no","d":" lead","e":"0x10","f":"1e3","g":"~"}`,
		`{"s":"one\ntwo","t":"one\ntwo\n","u":"one\n\ntwo\n\n","v":"  one\ntwo","w":"\u0000\u2028é","x":"one \ntwo"}`,
		`{"":"","true":true,"null":null,"a b":"a b","k:":1,"list":["|",">","%a","@b","!c","&d","*e"]}`,
		`{"deep":{"list":[{"text":"a\nb","n":-1.5},"x\ny\n"]}}`,
	} {
		out, err := toYAML(json.RawMessage(text))
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := yaml.Unmarshal(out, &got); err != nil {
			t.Errorf("%s: %v\n%s", text, err, out)
			continue
		}
		b, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s\n%s", text, out, diff)
		}
	}
}
