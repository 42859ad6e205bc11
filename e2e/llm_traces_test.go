//go:build linux

package e2e

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// wiretap writes down what Redis is told by anybody.
type wiretap struct {
	t    testing.TB
	u    *url.URL
	mu   sync.Mutex
	said []byte
}

// tap begins to listen.
func tap(t testing.TB, text string) *wiretap {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	w := &wiretap{t: t, u: u}
	c, r := w.dial()
	if _, err := fmt.Fprint(c, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != "+OK\r\n" {
		t.Fatalf("MONITOR: %q, %v", line, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			line, err := r.ReadBytes('\n')
			w.mu.Lock()
			w.said = append(w.said, line...)
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return w
}

func (w *wiretap) dial() (net.Conn, *bufio.Reader) {
	w.t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).Dial("tcp", w.u.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	p, _ := w.u.User.Password()
	r := bufio.NewReader(c)
	for _, command := range []string{"AUTH " + p, "SELECT " + strings.TrimPrefix(w.u.Path, "/")} {
		if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
			w.t.Fatal(err)
		}
		if line, err := r.ReadString('\n'); err != nil || line != "+OK\r\n" {
			w.t.Fatalf("Redis: %q, %v", line, err)
		}
	}
	return c, r
}

// heard is everything that was said so far.
func (w *wiretap) heard() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said
}

// kept is everything that the database holds, as Redis itself copies it to others,
// without compression.
func (w *wiretap) kept() []byte {
	w.t.Helper()
	c, r := w.dial()
	defer c.Close()
	ask := func(command string) []byte {
		if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
			w.t.Fatal(err)
		}
		b, err := reply(r)
		if err != nil {
			w.t.Fatal(err)
		}
		return b
	}
	all := ask("KEYS *")
	for key := range strings.FieldsSeq(string(all)) {
		for _, command := range []string{"GET ", "HGETALL ", "SMEMBERS "} {
			all = append(all, ask(command+strconv.Quote(key))...)
		}
		for _, command := range []string{"LRANGE %s 0 -1", "ZRANGE %s 0 -1", "XRANGE %s - +"} {
			all = append(all, ask(fmt.Sprintf(command, strconv.Quote(key)))...)
		}
	}
	return all
}

// reply reads one reply with all that is in it.
func reply(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:])) // not of each kind of reply
	switch {
	case line[0] == '$' && n >= 0:
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return b, err
	case line[0] == '*' && n > 0:
		var all []byte
		for range n {
			b, err := reply(r)
			if err != nil {
				return nil, err
			}
			all = append(all, b...)
		}
		return all, nil
	}
	return []byte(line), nil
}

func escaped(s string) string { return url.QueryEscape(s) }

// collect searches everything that the server wrote, said and keeps.
func (c *confidant) collect() {
	c.t.Helper()
	c.instructions()
	c.reached()
	c.answers()
	c.pages()
	c.events()
	dir := c.t.(*testing.T).TempDir()
	for _, args := range [][]string{
		{"export", "--out", "-", "--runs"}, {"job", "ls", "--json"}, {"run", "ls", "--json"}, {"queue", "ls"}, {"directive", "ls", "--json"}, {"template", "ls", "--json"},
	} {
		out, talk, _ := c.say(args...)
		c.secrets.look("runsheet "+args[0], []byte(out), true)
		c.secrets.look("what runsheet "+args[0]+" says", []byte(talk), false)
	}
	for _, args := range [][]string{
		{"doctor", "--json"}, {"llm", "ls", "--json"}, {"config", "print"}, {"audit", "export"}, {"budget", "usage"}, {"backup", "--out", filepath.Join(dir, "b.tar")},
	} {
		out, talk, _ := c.say(args...)
		if out+talk == "" {
			c.t.Errorf("runsheet %v says nothing", args)
		}
		c.secrets.look("runsheet "+args[0], []byte(out+talk), false)
	}
	c.backup(filepath.Join(dir, "b.tar"))
	c.disk("at work, ")
	c.stop()
	c.say("doctor", "--json")
	c.disk("after the end, ")
	log := c.log.tail(1 << 30)
	for _, must := range []string{`"msg":"request"`, `"level":"DEBUG"`} {
		if !strings.Contains(log, must) {
			c.t.Errorf("the log has no %s", must)
		}
	}
	c.secrets.look("the server's log", []byte(log), false)
	sent := c.hook.all()
	if len(sent) < 50 {
		c.t.Errorf("only %d messages came by webhook", len(sent))
	}
	for _, m := range sent {
		c.message("a webhook", []byte(m))
	}
	if c.secrets.look("Redis' monitor", c.redis.heard(), false); len(c.redis.heard()) < 1000 {
		c.t.Errorf("Redis was told %q", c.redis.heard())
	}
	c.secrets.look("Redis", c.redis.kept(), false)
	if c.db != "" {
		c.secrets.tables(c.db)
	}
}

// instructions makes canaries of what job types tell models on their own.
func (c *confidant) instructions() {
	c.t.Helper()
	known := map[string]bool{}
	for _, q := range c.parrot.questions() {
		for line := range strings.SplitSeq(q.system+"\n"+q.text, "\n") {
			if len(line) < 40 || known[line] || strings.Contains(line, "Kanari") || len((&secrets{t: c.t, forms: c.secrets.forms, starts: c.secrets.starts, maybe: c.secrets.maybe}).in(line)) > 0 {
				continue
			}
			known[line] = true
			c.secrets.add("an instruction", line[:40], false)
		}
	}
	if len(known) < 5 {
		c.t.Errorf("job types say only %v to models", known)
	}
}

// in is where line has what is searched.
func (s *secrets) in(line string) []string {
	s.look("", []byte(line), false)
	return s.hits
}

// reached fails for canaries that no model was asked with: that they are not found
// would say nothing.
func (c *confidant) reached() {
	c.t.Helper()
	var all strings.Builder
	for _, q := range c.parrot.questions() {
		all.WriteString(q.text)
	}
	missing := 0
	for _, v := range c.asked {
		if !strings.Contains(all.String(), v) && !strings.Contains(all.String(), strings.Trim(object("", v), `{":}`)) && !strings.Contains(all.String(), inJSON(v)) {
			missing++
		}
	}
	// Those of the real server cannot be seen, which are six.
	if missing > 6 {
		c.t.Errorf("%d of %d texts have reached no model", missing, len(c.asked))
	}
}

// inJSON is how encoding/json writes a text.
func inJSON(v string) string {
	return strings.TrimSuffix(strings.TrimPrefix(object("", v), `{"":"`), `"}`)
}

// answers searches what callers were told when their request failed, but for the
// names of their sources.
func (c *confidant) answers() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := 0
	for _, h := range c.heard {
		body := h.body
		if _, problem, found := strings.Cut(body, "event: error"); found {
			body = problem
		} else if h.code < 400 {
			whole++
			continue
		}
		if h.source != "" {
			body = strings.ReplaceAll(body, h.source, "")
		}
		c.secrets.look("answer "+strconv.Itoa(h.code)+" to "+h.what, []byte(body), false)
	}
	if whole < 10 || len(c.heard)-whole < 50 {
		c.t.Errorf("%d good answers of %d", whole, len(c.heard))
	}
}

// pages searches what can be read over HTTP.
func (c *confidant) pages() {
	c.t.Helper()
	// Messages of webhooks hold what the API shows of jobs and runs.
	deliveries := []string{"/api/webhook-deliveries?limit=200"}
	for _, d := range c.all("/api/webhook-deliveries?limit=200") {
		deliveries = append(deliveries, "/api/webhook-deliveries/"+text(d["delivery_id"]))
	}
	for _, path := range deliveries {
		c.message(path, c.page(path))
	}
	strict := []string{
		"/metrics", "/readyz", "/livez", "/api/scheduler", "/api/session", "/api/usage", "/api/token-usage", "/api/audit?limit=200", "/api/audit/export",
		"/api/limits", "/api/locks", "/api/settings", "/api/workers", "/api/webhooks", "/api/llm/servers", "/api/budgets",
		"/api/job-types", "/api/openapi.json", "/queue/status", "/scheduler/metrics", "/scheduler/status", "/api/sessions", "/api/tokens", "/api/users",
	}
	own := []string{"/api/jobs?limit=200", "/api/job-runs?limit=200", "/api/job-templates", "/api/queue", "/api/job-groups", "/jobs"}
	for _, d := range c.all("/api/directives?limit=200") {
		id := "/api/directives/" + text(d["directive_id"])
		own = append(own, id, id+"/versions", id+"/versions/1")
	}
	for _, j := range c.all("/api/jobs?limit=200") {
		own = append(own, "/api/jobs/"+text(j["job_id"]))
	}
	c.made = map[string]bool{}
	runs := c.all("/api/job-runs?limit=200")
	if len(runs) < 40 {
		c.t.Errorf("%d runs", len(runs))
	}
	answered := 0
	for _, r := range runs {
		id := "/api/job-runs/" + text(r["run_id"])
		own = append(own, id)
		strict = append(strict, id+"/logs", id+"/calls", id+"/artifacts")
		arts, _ := r["artifacts"].(map[string]any)
		for name, a := range arts {
			c.made[text(a.(map[string]any)["sha256"])] = true
			answered += c.artifact(r, name, text(a.(map[string]any)["artifact_id"]))
		}
	}
	if answered < 20 {
		c.t.Errorf("only %d artifacts have text of a model", answered)
	}
	for _, path := range strict {
		c.secrets.look(path, c.page(path), false)
	}
	for _, path := range own {
		c.secrets.look(path, c.page(path), true)
	}
}

// message searches what may have params of jobs.
func (c *confidant) message(place string, content []byte) {
	c.secrets.look(place, content, true)
	c.instructed.look(place, content, true)
}

func (c *confidant) page(path string) []byte {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		c.t.Errorf("%s: %d %.300s %v", path, res.StatusCode, b, err)
	}
	return b
}

var taleCanary = regexp.MustCompile(`Kanari-\d+-(topic|genre|style)-`)

// artifact reports 1 if the file has words of a model. The story of a direct request
// must not have what it was asked with.
func (c *confidant) artifact(r map[string]any, name, id string) int {
	b := string(c.page("/api/artifacts/" + id))
	if _, queued := r["job_id"].(string); !queued && (name == "story.md" || strings.HasPrefix(name, "sections/")) && taleCanary.MatchString(b) {
		c.t.Errorf("%s of a direct request has what was asked: %.400s", name, b)
	}
	if strings.Contains(b, "parroquando") || strings.Contains(b, "parroxilber") || strings.Contains(b, "ollaquando") || strings.Contains(b, "ollathovek") {
		return 1
	}
	return 0
}

// events searches all that were announced.
func (c *confidant) events() {
	c.t.Helper()
	var b []byte
	// A busy server takes longer to say everything.
	for d := 3 * time.Second; strings.Count(string(b), `"type":"direct.finished"`) < 20; d *= 2 {
		if d > time.Minute {
			c.t.Errorf("events: %.1000s", b)
			break
		}
		b = c.announced(d)
	}
	c.secrets.look("events", b, false)
}

// announced is what the stream of events says from its beginning within d. It never ends by
// itself.
func (c *confidant) announced(d time.Duration) []byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), d)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/api/events?since=0", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body) // until the time is over
	return b
}

// backup searches a backup but for the content of artifacts.
func (c *confidant) backup(path string) {
	c.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer f.Close()
	parts := map[string]int{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.t.Fatal(err)
		}
		kind, _, _ := strings.Cut(h.Name, "/")
		if parts[kind]++; kind == "blobs" {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			c.t.Fatal(err)
		}
		c.secrets.look("backup, "+h.Name, b, kind == "tables")
	}
	if parts["tables"] < 20 || parts["blobs"] < 20 || parts["logs"] < 10 {
		c.t.Errorf("the backup has %v", parts)
	}
}

// disk searches all files of the server, its temporary ones too, but for artifacts.
func (c *confidant) disk(when string) {
	c.t.Helper()
	n := len(c.secrets.hits)
	database := func(rel string) bool { return strings.HasPrefix(rel, "runsheet.db") }
	nothing := func(string) bool { return false }
	c.secrets.walk(c.data, database, c.artifacts(c.data)...)
	if c.bucket != "" {
		c.secrets.walk(c.bucket, nothing, c.artifacts(c.bucket)...)
	}
	c.secrets.walk(c.temp, nothing)
	for i := range c.secrets.hits[n:] {
		c.secrets.hits[n+i] = when + c.secrets.hits[n+i]
	}
}

// artifacts are the files below dir that hold one, by their names.
func (c *confidant) artifacts(dir string) []string {
	c.t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if sum := d.Name(); c.made[sum] || c.made == nil && len(sum) == 64 {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}
