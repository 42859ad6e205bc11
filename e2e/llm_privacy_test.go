//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
	"github.com/runsheet/runsheet/internal/testsvc/gguf"
)

// TestPromptsStayOutside (T21) lets language models be asked in every way and go
// wrong in every way, with known texts in questions and answers, and looks for
// these in all that the server wrote and said: only the artifacts that were asked
// for and the answer to the caller who waits may have them. Params of a job and
// the instructions of a directive are the users' own data, which the database keeps.
func TestPromptsStayOutside(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("asks models that hang and fail")
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := newConfidant(t, engine == "postgres")
			c.prepare()
			c.everyManner()
			c.reading()
			c.refused()
			c.repeated()
			c.leaving()
			c.spent()
			c.died()
			c.collect()
			for _, hit := range append(c.secrets.hits, c.instructed.hits...) {
				t.Error(hit)
			}
			if c.secrets.looked < 1_000_000 {
				t.Errorf("only %d bytes were searched", c.secrets.looked)
			}
		})
	}
}

// confidant is a server that is told secrets, and what is around it.
type confidant struct {
	*server
	secrets *secrets
	// instructed are the directives' texts, for places that may have params of jobs
	// but no directives.
	instructed *secrets
	parrot     *parrot
	hook       *recorder // what webhooks get
	library    *httptest.Server
	redis      *wiretap
	db         string
	bucket     string // folder of the S3 server, "" = artifacts are in the data folder
	files      string // folder that directives allow
	temp       string // the server's TMPDIR
	n          int
	// made are the SHA-256 of the artifacts of all runs; nil = not known yet.
	made map[string]bool

	// asked are canaries that must have reached a model, or the test proves nothing.
	asked []string

	mu sync.Mutex
	// heard are answers to callers: those of errors are searched.
	heard []heard
}

// heard is one answer. Its source is a place that it may name, "" = none.
type heard struct {
	what, source string
	code         int
	body         string
}

// says returns a text of n words that nobody else writes, each of which is a canary.
func (c *confidant) says(stem string, n int) string {
	var out []string
	for i := range n {
		word := stem + []string{"quando", "xilber", "thovek"}[i%3] + []string{"ndor", "rghul", "bvexi", "wompt"}[i/3%4] + []string{"az", "ez", "iz", "oz", "uz"}[i/12%5]
		c.secrets.add("a word of "+stem, word, false)
		if out = append(out, word); i%6 == 5 {
			out = append(out, ".")
		}
	}
	return strings.Join(out, " ")
}

// secret returns a new text that is kept nowhere. Its characters are written
// differently by every encoding.
func (c *confidant) secret(what string) string { return c.canary(what, false) }

// own returns a new text that the database keeps, because it is in a job's params.
func (c *confidant) own(what string) string { return c.canary(what, true) }

func (c *confidant) canary(what string, stored bool) string {
	c.n++
	// The first part looks the same in JSON within JSON.
	stem := fmt.Sprintf("Kanari-%03d-%s-", c.n, what)
	c.secrets.add(what, stem, stored)
	c.secrets.add(what, stem+`"<&>/+\ß`, stored)
	return stem + `"<&>/+\ß`
}

// TestPromptSearchFinds plants texts on the disk, to see that the search of
// TestPromptsStayOutside is able to fail.
func TestPromptSearchFinds(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0123456789abcdef", 4)
	for file, hits := range map[string]string{
		"data/runsheet.db-wal": "never", "data/logs/run.log": "never own", "data/work/x/y": "never own", "temp/z": "never own", "bucket/e2e/logs/x": "never own",
		"data/artifacts/01/" + sum: "", "bucket/e2e/01/23/" + sum: "", "data/artifacts/01/" + sum[1:] + "0": "never own", "data/artifacts/tmp/1": "never own",
	} {
		dir := t.TempDir()
		c := &confidant{secrets: &secrets{t: t}, server: &server{t: t, data: dir + "/data"}, temp: dir + "/temp", bucket: dir + "/bucket", made: map[string]bool{sum: true}}
		never, own := c.secret("never"), c.own("own")
		for _, d := range []string{c.data, c.temp, c.bucket, filepath.Dir(filepath.Join(dir, file))} {
			if err := os.MkdirAll(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte("x"+never+own), 0o600); err != nil {
			t.Fatal(err)
		}
		c.disk("planted, ")
		found := map[string]bool{}
		for _, h := range c.secrets.hits {
			found[strings.Fields(strings.SplitN(h, ": ", 3)[1])[0]] = true
		}
		for _, what := range []string{"never,", "own,"} {
			if found[what] != strings.Contains(hits, strings.Trim(what, ",")) {
				t.Errorf("%s: %v, want %q", file, c.secrets.hits, hits)
			}
		}
	}
}

func newConfidant(t *testing.T, pg bool) *confidant {
	c := &confidant{secrets: &secrets{t: t}, instructed: &secrets{t: t}, files: t.TempDir(), temp: t.TempDir(), hook: &recorder{}}
	c.parrot = newParrot(t, c.says("parro", 60))
	ollama := testsvc.Ollama(t)
	ollama.Add(t, "kanari", gguf.Model{Name: "kanari", End: 0.1, Corpus: strings.ReplaceAll(c.says("olla", 60), ". ", ".\n")})
	hook := httptest.NewServer(c.hook)
	t.Cleanup(hook.Close)
	page, failing := c.says("page", 40), c.says("fail", 20)
	c.library = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "http://localhost:1/"+failing, http.StatusFound)
		case "/fail":
			http.Error(w, failing, http.StatusInternalServerError)
		default:
			fmt.Fprint(w, "<html><body><main><p>", page, "</p></main></body></html>")
		}
	}))
	t.Cleanup(c.library.Close)
	url := testsvc.Redis(t)
	c.redis = tap(t, url)
	if pg {
		c.db = testsvc.DurablePostgres(t)
	}
	host := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	args := []string{"--log-level", "debug", "--log-format", "json", "--workers", "10", "--allow-outbound", host(c.library) + "," + host(hook)}
	env := []string{
		"RUNSHEET_LLM_URL=" + ollama.URL, "RUNSHEET_LLM_MODEL=kanari", "RUNSHEET_LLM_SERVERS=name=parrot url=" + c.parrot.URL + " kind=openai",
		"RUNSHEET_REDIS_URL=" + url, "TMPDIR=" + c.temp,
	}
	if pg {
		s3, bucket := testsvc.S3(t)
		c.bucket = filepath.Join(s3.Root, bucket)
		args = append(args, "--blob-url", "s3://"+bucket+"/e2e?endpoint=http://"+s3.Endpoint)
		env = append(env, "RUNSHEET_BLOB_ACCESS_KEY="+s3.AccessKey, "RUNSHEET_BLOB_SECRET_KEY="+s3.SecretKey)
	}
	c.server = newServer(t, c.db, args...)
	c.env = env
	c.start()
	c.must("POST", "/api/webhooks", map[string]any{"name": "hook", "url": hook.URL, "events": []string{"*"}}, 201)
	return c
}

// recorder keeps what it is sent.
type recorder struct {
	mu   sync.Mutex
	got  []string
	size int
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	b, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, fmt.Sprint(req.URL, req.Header, string(b)))
	r.size++
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// prepare makes directives and what is read under them.
func (c *confidant) prepare() {
	c.t.Helper()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(c.files, name), []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	write("note.md", "# Note\n\n"+c.says("note", 40)+"\n")
	write("page.html", "<html><body><main><p>"+c.says("html", 40)+"</p></main></body></html>")
	write("bad.pdf", "%PDF-1.4\n"+c.says("badpdf", 10))
	write("app.log", "2026-01-31T08:00:00Z ERROR "+c.says("line", 12)+"\n")
	write("bad.gz", "\x1f\x8b\x08"+c.says("badgz", 10))
	make := func(name string, more map[string]any) {
		d := map[string]any{"name": name, "system_prompt": c.own("system prompt")}
		said := text(d["system_prompt"])
		c.instructed.add("system prompt", said, false)
		c.instructed.add("system prompt", said[:strings.IndexByte(said, '"')], false)
		maps.Copy(d, more)
		c.must("POST", "/api/directives", d, 201)
	}
	host := strings.TrimPrefix(c.library.URL, "http://")
	make("reader", map[string]any{"allow": map[string]any{"files": []string{c.files + "/**"}, "hosts": []string{host, "*.invalid"}}})
	make("hurried", map[string]any{"limits": map[string]any{"time": "PT1S"}})
	make("frugal", map[string]any{"limits": map[string]any{"tokens": 60}})
	make("late", map[string]any{"archived": true})
}

// direct makes a request whose caller waits and remembers the answer.
func (c *confidant) direct(ctx context.Context, path string, body any, source string, header map[string]string) (int, string) {
	var text string
	switch b := body.(type) {
	case string:
		text = b
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			c.t.Error(err)
		}
		text = string(raw)
	}
	req, err := http.NewRequestWithContext(ctx, "POST", c.url+path, strings.NewReader(text))
	if err != nil {
		c.t.Error(err)
		return 0, ""
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "" // the caller went, or the server did
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body) // as above
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, heard{path, source, res.StatusCode, string(b)})
	return res.StatusCode, string(b)
}

// tale is what a direct story is asked with: nothing of it may be kept.
func (c *confidant) tale(model string) map[string]any {
	v := map[string]any{"length": 50, "model": model, "seed": 7}
	for _, field := range []string{"topic", "genre", "style"} {
		text := c.secret(field)
		c.asked = append(c.asked, text)
		v[field] = text
	}
	return v
}

// queued adds a job under a directive, whose params may be kept, but no more.
func (c *confidant) queued(kind, directive string, params map[string]any) string {
	c.t.Helper()
	in := map[string]any{"name": "job " + kind, "job_type": kind, "params": params}
	if params["model"] == "sick" {
		in["retry_policy"] = map[string]any{"max_attempts": 2}
	}
	if directive != "" {
		in["directive_id"] = directive
	}
	return text(c.must("POST", "/api/jobs", in, 201)["job_id"])
}

func (c *confidant) ownTale(model string) map[string]any {
	return map[string]any{"length": 50, "model": model, "topic": c.own("topic"), "genre": c.own("genre"), "style": c.own("style")}
}

// everyManner asks each model for a story, by a job and at once, with and without a
// stream.
func (c *confidant) everyManner() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	var work sync.WaitGroup
	codes := map[string]int{"kanari": 200, "polite": 200, "header": 200, "garbled": 200, "endless": 200}
	for i, model := range append(c.parrot.models(), "kanari") {
		if strings.HasPrefix(model, "hang") {
			continue
		}
		body := c.tale(model)
		if model != "busy" { // which would be asked nine times by each, one after another
			c.queued("story", "", c.ownTale(model))
		}
		work.Go(func() {
			want, known := codes[model]
			if code, b := c.direct(ctx, "/story/generate", body, "", nil); known != (code == want) || code == 0 {
				c.t.Errorf("%s: %d %.300s", model, code, b)
			}
		})
		if i%3 == 0 && model != "busy" && model != "sick" {
			body := c.tale(model)
			work.Go(func() { c.direct(ctx, "/story/generate", body, "", map[string]string{"Accept": "text/event-stream"}) })
		}
	}
	work.Wait()
	c.must("POST", "/jobs/story/trigger", map[string]any{"topic": c.own("legacy topic"), "length": 50}, 202)
	c.must("POST", "/jobs/research/trigger", map[string]any{"topic": c.own("legacy topic"), "model": "polite"}, 202)
	c.must("POST", "/jobs/batch/trigger", map[string]any{"jobs": []any{
		map[string]any{"job_type": "story", "params": c.ownTale("polite")}, map[string]any{"job_type": "story", "params": c.ownTale("sick")},
	}}, 202)
	id := text(c.must("POST", "/api/job-templates", map[string]any{"name": "tales", "job_type": "story", "params": c.ownTale("polite")}, 201)["template_id"])
	c.must("POST", "/api/jobs", map[string]any{"template_id": id}, 201)
}

// reading does research and reads logs under a directive, well and badly.
func (c *confidant) reading() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	dir := c.files + "/"
	outside := filepath.Join(c.t.TempDir(), "Kanari-outside-file")
	c.secrets.add("path of a file outside", outside, false)
	var work sync.WaitGroup
	ask := func(name string, want int, source map[string]any, quoted string) {
		body := map[string]any{"topic": c.secret("topic"), "questions": []string{c.secret("question")}, "model": "polite", "directive_id": "reader"}
		c.asked = append(c.asked, body["topic"].(string), body["questions"].([]string)[0])
		if want >= 400 {
			c.asked = c.asked[:len(c.asked)-2]
		}
		if source != nil {
			body["sources"] = []any{source}
		}
		work.Go(func() {
			if code, b := c.direct(ctx, "/research/run", body, quoted, nil); code != want {
				c.t.Errorf("research of %s: %d %.300s", name, code, b)
			}
		})
	}
	query := func() string {
		c.n++
		v := fmt.Sprintf("Kanari-query-%d-ab", c.n)
		c.secrets.add("query of a URL", v, false)
		return "?key=" + v
	}
	inline := c.secret("inline text") + "\n" + c.secret("second line")
	ask("nothing", 200, nil, "")
	ask("a text", 200, map[string]any{"text": inline, "name": c.secret("name of a source")}, "")
	ask("a file", 200, map[string]any{"path": dir + "note.md"}, "")
	ask("a page", 200, map[string]any{"path": dir + "page.html"}, "")
	ask("a URL", 200, map[string]any{"url": c.library.URL + "/page" + query()}, "")
	for _, at := range []string{"/fail", "/away"} {
		ask("a URL "+at, 422, map[string]any{"url": c.library.URL + at + query()}, "")
	}
	for _, end := range []string{"", ":81", "/%zz"} { // nobody answers
		c.n++
		host := fmt.Sprintf("kanari-host-%d.invalid", c.n)
		c.secrets.add("host of a URL", host, false)
		ask("a host"+end, map[string]int{"": 422, ":81": 403, "/%zz": 422}[end], map[string]any{"url": "http://" + host + end}, host)
	}
	ask("a bad PDF", 422, map[string]any{"path": dir + "bad.pdf"}, "")
	ask("another file", 403, map[string]any{"path": outside}, outside)
	ask("another host", 422, map[string]any{"url": "http://127.0.0.1:1/" + query()}, "http://127.0.0.1:1/")
	work.Wait()
	job := func(kind string, params map[string]any) { c.queued(kind, "reader", params) }
	own := func(more map[string]any) map[string]any {
		v := map[string]any{"topic": c.own("topic"), "questions": []string{c.own("question")}, "model": "polite"}
		maps.Copy(v, more)
		return v
	}
	job("research", own(map[string]any{"sources": []any{map[string]any{"path": dir + "note.md"}, map[string]any{"path": dir + "page.html"}}}))
	job("research", own(map[string]any{"sources": []any{map[string]any{"text": c.own("inline text")}, map[string]any{"url": c.library.URL + "/fail"}}}))
	job("research", own(map[string]any{"model": "sorry", "sources": []any{map[string]any{"path": dir + "note.md"}}}))
	job("research", own(map[string]any{"model": "kanari", "sources": []any{map[string]any{"path": dir + "note.md"}}}))
	job("log_triage", map[string]any{"model": "polite", "sources": []any{map[string]any{"path": dir + "*.log"}}})
	job("log_triage", map[string]any{"model": "garbled", "sources": []any{map[string]any{"path": dir + "app.log"}}})
	job("log_triage", map[string]any{"model": "refuse", "sources": []any{map[string]any{"path": dir + "app.log"}}})
	job("log_triage", map[string]any{"model": "polite", "sources": []any{map[string]any{"path": dir + "bad.gz"}}})
}

// refused sends requests that are not done. Only the path of a source may be named.
func (c *confidant) refused() {
	c.t.Helper()
	q := func() string {
		b, _ := json.Marshal(c.secret("refused")) // a string always encodes
		return string(b)
	}
	for _, path := range []string{"/story/generate", "/research/run"} {
		for _, body := range []string{
			`{"topic": ` + q(), `{"topic": ` + q() + `]`, `{"topic": [` + q() + `]}`, `{"topic": {"a": ` + q() + `}}`, q(), `[` + q() + `]`,
			`{"topic": ` + q() + `, "length": ` + q() + `}`, `{"topic": ` + q() + `, "length": -1}`, `{"topic": ` + q() + `, "topic": ` + q() + `}`,
			`{"topic": ` + q() + `, "Topic": ` + q() + `}`, `{"topic": "` + strings.Repeat(c.secret("long topic")[:24], 400) + `"}`,
			`{"topic": "x", "language": ` + q() + `}`, `{"topic": "x", "seed": ` + q() + `}`, `{"topic": "x", "temperature": ` + q() + `}`,
			`{"topic": "x", "research_run_id": ` + q() + `}`, `{"topic": "x", "directive_id": "late", "style": ` + q() + `}`,
			`{"topic": "x", "questions": ` + q() + `}`, `{"topic": "x", "sources": [{"path": ` + q() + `}]}`, `{"topic": "x", "sources": [{"url": ` + q() + `}]}`,
			`{"topic": "x", "sources": [{"text": ` + q() + `, "path": "/x"}]}`, `{"topic": "x", "sources": [{"url": "http://user:` + c.secret("password")[:24] + `@127.0.0.1/"}]}`,
			"\xff" + q(), `{"topic": "` + "\xff" + c.secret("not UTF-8")[:24] + `"}`,
		} {
			if code, b := c.direct(c.t.Context(), path, body, "", nil); code < 400 {
				c.t.Errorf("%s accepts %.200s: %d %.300s", path, body, code, b)
			}
		}
		c.n++
		id := fmt.Sprintf("kanari-directive-%d", c.n)
		c.secrets.add("name of a directive", id, false)
		c.direct(c.t.Context(), path, map[string]any{"topic": "x", "directive_id": id}, id, nil)
		text := c.secret("in the query")
		c.direct(c.t.Context(), path+"?topic="+strings.ReplaceAll(escaped(text), "+", "%20"), `{"topic": "x"}`, "", nil)
		c.direct(c.t.Context(), path+"?on_disconnect="+escaped(text), `{"topic": "x"}`, "", nil)
		// The answer says which field, and which type, is unknown.
		name, kind := c.secret("field"), c.secret("type")[:len("Kanari-000-type-")]
		c.direct(c.t.Context(), path, object(name, "x"), name[:strings.IndexByte(name, '"')], nil)
		c.direct(c.t.Context(), path, q(), kind, map[string]string{"Content-Type": "text/plain; x=" + kind})
		c.direct(c.t.Context(), path, `{"topic": `+q()+`, "model": "polite"}`, "", map[string]string{"Authorization": "Bearer nobody"})
	}
}

// repeated sends a request twice under one key, and another one.
func (c *confidant) repeated() {
	c.t.Helper()
	for _, model := range []string{"polite", "refuse"} {
		key, body := map[string]string{"Idempotency-Key": "key-" + model}, c.tale(model)
		code, first := c.direct(c.t.Context(), "/story/generate", body, "", key)
		again, second := c.direct(c.t.Context(), "/story/generate", body, "", key)
		if code != again || model == "polite" && (code != 200 || !strings.Contains(second, strings.Fields(c.parrot.says)[0])) {
			c.t.Errorf("%s: %d %.200s, then %d %.200s", model, code, first, again, second)
		}
		other := c.tale(model)
		c.asked = c.asked[:len(c.asked)-3]
		if code, b := c.direct(c.t.Context(), "/story/generate", other, "", key); code != 422 && code != 409 {
			c.t.Errorf("another body: %d %.300s", code, b)
		}
	}
}

// leaving ends work in the middle of an answer: its caller goes, it is cancelled,
// its time is over.
func (c *confidant) leaving() {
	c.t.Helper()
	for model, query := range map[string]string{"hang-a": "?on_disconnect=cancel", "hang-b": "?on_disconnect=finish"} {
		ctx, leave := context.WithCancel(c.t.Context())
		gone := make(chan struct{})
		body := c.tale(model)
		go func() {
			defer close(gone)
			c.direct(ctx, "/story/generate"+query, body, "", map[string]string{"Accept": "text/event-stream"})
		}()
		c.parrot.awaitHang(ctx, c.t.(*testing.T), model)
		leave()
		<-gone
	}
	c.parrot.release("hang-b")
	id := c.queued("story", "", c.ownTale("hang-c"))
	c.parrot.awaitHang(c.t.Context(), c.t.(*testing.T), "hang-c")
	c.must("POST", "/api/jobs/"+id+"/cancel", nil, 200, 202)
	hurried := c.tale("hang-c")
	hurried["directive_id"] = "hurried"
	eventually(c.t, time.Minute, "the cancelled job has ended", func() bool { return c.parrot.hangs("hang-c") == 0 })
	if code, b := c.direct(c.t.Context(), "/story/generate", hurried, "", nil); code < 400 || !strings.Contains(b, "directive_limit") && !strings.Contains(b, "timeout") {
		c.t.Errorf("over its time: %d %.300s", code, b)
	}
	frugal := c.tale("polite")
	c.asked = c.asked[:len(c.asked)-3] // the question alone may be too long
	frugal["directive_id"] = "frugal"
	c.direct(c.t.Context(), "/story/generate", frugal, "", nil)
	c.queued("story", "hurried", c.ownTale("hang-d"))
}

// spent uses up a budget.
func (c *confidant) spent() {
	c.t.Helper()
	c.idle(time.Minute)
	c.must("PUT", "/api/budgets/tenant", map[string]any{"tokens_per_day": 1}, 200)
	body := c.tale("polite")
	c.asked = c.asked[:len(c.asked)-3]
	if code, b := c.direct(c.t.Context(), "/story/generate", body, "", nil); code != 429 {
		c.t.Errorf("over the budget: %d %.300s", code, b)
	}
	c.queued("story", "", c.ownTale("polite"))
	c.must("GET", "/api/queue", nil, 200)
	c.must("DELETE", "/api/budgets/tenant", nil, 204)
}

// idle waits until no job waits or runs.
func (c *confidant) idle(d time.Duration) {
	c.t.Helper()
	eventually(c.t, d, "all jobs have ended", func() bool {
		for _, j := range c.all("/api/jobs?limit=200") {
			switch j["status"] {
			case "COMPLETED", "FAILED", "SKIPPED", "CANCELLED":
			default:
				return false
			}
		}
		return true
	})
}

// died kills the server in the middle of answers, searches what it left on the
// disk, and lets the next one go on.
func (c *confidant) died() {
	c.t.Helper()
	c.idle(time.Minute)
	c.queued("story", "reader", c.ownTale("hang"))
	body, gone := c.tale("hang-d"), make(chan struct{})
	go func() {
		defer close(gone)
		c.direct(c.t.Context(), "/story/generate", body, "", nil)
	}()
	c.parrot.awaitHang(c.t.Context(), c.t.(*testing.T), "hang")
	c.parrot.awaitHang(c.t.Context(), c.t.(*testing.T), "hang-d")
	c.kill()
	<-gone
	c.disk("after a crash, ")
	c.parrot.release("hang")
	c.start()
	c.idle(time.Minute)
}
