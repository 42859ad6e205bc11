//go:build linux

package e2e

import (
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestWorkflowPrivacy (T21) lets a language model answer with a known text that a
// node copies, a judgment reads and a call sends to somebody who repeats it, kills
// the server between the model and what follows, and looks for the text, for the
// prompt and for a secret everywhere. With save_as the text is in the artifact that the
// author named, and still nowhere else.
func TestWorkflowPrivacy(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills a real server")
	}
	engines(t, func(t *testing.T, fresh func() string) {
		for name, document := range map[string]string{
			"forgotten": privateDocument,
			"saved":     strings.Replace(strings.NewReplacer("next: copy}", savedRead, "outputs.say.text", "outputs.read.content").Replace(privateDocument), `"Tell of {{inputs.subject}}"`, `"Tell of {{inputs.subject}}", save_as: {artifact: `+savedName+`}`, 1) + savedOutput,
		} {
			db := fresh()
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				private(t, db, document)
			})
		}
	})
}

const privateDocument = `
kind: Workflow
workflow_id: private
inputs: {subject: {type: string, required: true, secret: true}}
nodes:
  - {node_id: say, type: action, action_type: llm, config: {model: polite, prompt: "Tell of {{inputs.subject}}"}, next: copy}
  - {node_id: copy, type: data, data_type: set, config: {values: {words: "{{outputs.say.text}}"}}, next: rest}
  - {node_id: rest, type: wait, wait_type: duration, config: {for: 1500ms}, next: look}
  - {node_id: look, type: judgment, config: {expr: "len(outputs.copy.words) > 20"}, next: {"true": send, "false": halt}}
  - node_id: send
    type: action
    action_type: api_call
    config: {method: POST, url: "HOST/echo", headers: {X-Token: "{{secrets.TOKEN}}"}, body: {words: "{{outputs.copy.words}}"}}
  - {node_id: halt, type: stop, config: {status: FAILED, reason: "too short"}}
outputs:
  status: "{{outputs.send?.status}}"
`

// savedName is the artifact that keeps what the model said, if one does, and
// savedOutput the output that tells its id.
const (
	savedName   = "said.md"
	savedOutput = "  artifact: \"{{outputs.say.artifact_id}}\"\n"
	// savedRead reads the text back from the artifact: it is as private as it was.
	savedRead = "next: read}\n  - {node_id: read, type: data, data_type: artifact, config: {artifact_id: '{{outputs.say.artifact_id}}', as: text}, next: copy}"
)

func private(t *testing.T, db, document string) {
	secret := &secrets{t: t}
	const said, asked, token = "Quandorix Vexilber Thovekash", "Kanaripompt Xanthelu", "Tokkenbar-Zwilf-94817"
	secret.add("what the model said", said, false)
	secret.add("the prompt", asked, false)
	secret.add("the secret", token, false)
	bird := newParrot(t, said)
	var mu sync.Mutex
	var heard []string
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		heard = append(heard, r.Header.Get("X-Token")+" "+string(b))
		mu.Unlock()
		w.Header().Set("X-Token", r.Header.Get("X-Token"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b)
	}))
	t.Cleanup(echo.Close)
	hook := &recorder{}
	hooks := httptest.NewServer(hook)
	t.Cleanup(hooks.Close)
	host := strings.TrimPrefix(echo.URL, "http://")
	redis := testsvc.OwnRedis(t)
	s := newServer(t, db, "--log-level", "debug", "--allow-outbound", host+","+strings.TrimPrefix(hooks.URL, "http://"))
	s.env = []string{"RUNSHEET_LLM_SERVERS=name=parrot url=" + bird.URL + " kind=openai", "RUNSHEET_REDIS_URL=" + redis.URL(), "RUNSHEET_SECRETS_KEY=" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789ABCDEF"))}
	s.start()
	s.must(http.MethodPost, "/api/webhooks", map[string]any{"name": "hook", "url": hooks.URL, "events": []string{"*"}}, http.StatusCreated)
	s.must(http.MethodPut, "/api/secrets/TOKEN", map[string]any{
		"value": token, "grants": []any{map[string]any{"workflow_id": "private", "kinds": []string{"action/api_call"}, "hosts": []string{host}}},
	}, http.StatusCreated)
	s.apply(strings.ReplaceAll(document, "HOST", echo.URL))
	id := s.flow("private", map[string]any{"subject": asked})
	s.waits(t, id, "rest")
	s.kill()
	s.start()
	same(t, "the run", s.over(id, time.Minute), map[string]any{"status": "COMPLETED"})
	keeps := strings.HasSuffix(document, savedOutput) // then the artifact is read again
	if n := len(bird.questions()); n < 2 && !keeps || n != 1 && keeps {
		t.Errorf("the model was asked %d times, and its words kept by an artifact: %v", n, keeps)
	}
	mu.Lock()
	if len(heard) != 1 || !strings.Contains(heard[0], said) || !strings.Contains(heard[0], token) {
		t.Errorf("the receiver heard %q", heard)
	}
	mu.Unlock()
	var kept []string
	if keeps {
		kept = saved(t, s, id, said)
	}
	for _, path := range []string{"/api/jobs/" + id, "/api/job-runs?limit=50", "/api/workflow-runs/" + flowRun(id), "/api/workflow-runs/" + flowRun(id) + "/checkpoints"} {
		secret.look(path, []byte(s.text(path)), false)
	}
	for key := range strings.FieldsSeq(redis.Do("KEYS", "*")) {
		secret.look("redis "+key, []byte(redis.Do("DUMP", strings.Trim(key, `"`))+redis.Do("GET", strings.Trim(key, `"`))), false)
	}
	s.told(id)
	nowhere := func(string) bool { return false }
	secret.walk(s.data, nowhere, kept...)
	s.stop()
	secret.walk(s.data, nowhere, kept...)
	if db != "" {
		secret.tables(db)
	}
	secret.look("the server's log", []byte(s.log.tail(1<<30)), false)
	for _, m := range hook.all() {
		secret.look("a webhook", []byte(m), false)
	}
	for _, hit := range secret.hits {
		t.Error(hit)
	}
	if secret.looked < 100_000 || len(hook.all()) == 0 {
		t.Errorf("only %d bytes and %d webhooks were searched", secret.looked, len(hook.all()))
	}
}

// saved finds the artifact that keeps what the model said, and returns the one file
// that it is in the data folder.
func saved(t *testing.T, s *server, jobID, said string) []string {
	t.Helper()
	which := text(s.outcome(jobID)["artifact"])
	if got := s.text("/api/artifacts/" + which); !strings.Contains(got, said) {
		t.Errorf("the artifact %s has %q, want what the model said", which, got)
	}
	run := s.must(http.MethodGet, "/api/job-runs/"+text(s.all("/api/job-runs?job_id=" + jobID)[0]["run_id"]), nil, http.StatusOK)
	artifacts, _ := run["artifacts"].(map[string]any)
	named, _ := artifacts[savedName].(map[string]any)
	if text(named["artifact_id"]) != which {
		t.Errorf("the run's artifacts are %v, its node made %s", artifacts, which)
	}
	var files []string
	err := filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != text(named["sha256"]) {
			return err
		}
		rel, err := filepath.Rel(s.data, path)
		files = append(files, rel)
		return err
	})
	if err != nil || len(files) != 1 {
		t.Errorf("the artifact is in the files %q, %v", files, err)
	}
	return files
}
