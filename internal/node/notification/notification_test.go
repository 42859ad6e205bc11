package notification_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/node/notification"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/webhook"
	"github.com/runsheet/runsheet/internal/workflow"
)

type received struct {
	header http.Header
	body   string
}

func serve(t *testing.T) (string, chan received) {
	t.Helper()
	ch := make(chan received, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		ch <- received{r.Header, string(b)}
		if r.URL.Path == "/503" {
			w.WriteHeader(503)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, ch
}

func client(t *testing.T) *outbound.Client {
	t.Helper()
	c, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1:*"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tell runs a node with a text of warning and what more says.
func tell(t *testing.T, n node.Node, more map[string]any) error {
	t.Helper()
	c := nodetest.CallOf(t, nodetest.New(t), workflow.NewKinds(n.Kind()),
		"  - {node_id: n, type: notify, channel: "+n.Kind().Subtype+", config: {title: \"Häl\\nlo\", text: \"a <b>\\nc\", level: warning}}\n", more)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := n.Run(ctx, c)
	return err
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	url, ch := serve(t)
	key := webhook.NewSecret()
	n := notification.NewWebhook(notification.WebhookOptions{Client: client(t), URL: url, Secret: key.Reveal()})
	ids := map[string]bool{}
	for range 2 {
		if err := tell(t, n, nil); err != nil {
			t.Fatal(err)
		}
		g := <-ch
		unix, _ := strconv.ParseInt(g.header.Get(webhook.HeaderTimestamp), 10, 64)
		id := g.header.Get(webhook.HeaderID)
		want := webhook.Secrets{Current: key}.Sign(id, time.Unix(unix, 0), []byte(g.body))
		if g.header.Get(webhook.HeaderSignature) != want || g.header.Get("Idempotency-Key") != nodetest.RunID+":n" {
			t.Errorf("headers %v", g.header)
		}
		var m struct {
			ID   string
			Data struct{ Title, Text, Level string }
		}
		if err := json.Unmarshal([]byte(g.body), &m); err != nil || m.ID != id || m.Data.Title != "Häl lo" || m.Data.Text != "a <b>\nc" || m.Data.Level != "warning" {
			t.Errorf("%v: %s", err, g.body)
		}
		ids[id] = true
	}
	if len(ids) != 1 {
		t.Errorf("two attempts have the ids %v", ids)
	}
	// The server's secret signs nothing for others.
	if err := tell(t, n, map[string]any{"to": url + "/other"}); err != nil {
		t.Fatal(err)
	}
	if g := <-ch; g.header.Get(webhook.HeaderSignature) != "" {
		t.Error("a message to another URL is signed with the server's secret")
	}
	f := nodetest.Failure(t, tell(t, n, map[string]any{"to": url + "/503"}))
	if f.Code != "http_503" || f.Class != node.ClassServerError {
		t.Errorf("got %+v", f)
	}
	for _, to := range []string{"http://169.254.169.254/", "http://example.com/clear"} {
		if f := nodetest.Failure(t, tell(t, n, map[string]any{"to": to})); f.Code != "target_not_allowed" || !f.Final {
			t.Errorf("%s: %+v", to, f)
		}
	}
}

func TestNtfyAndSlack(t *testing.T) {
	t.Parallel()
	url, ch := serve(t)
	ntfy := notification.NewNtfy(notification.NtfyOptions{Client: client(t), URL: url, Topic: "runs", Token: "tk_geheim"})
	if err := tell(t, ntfy, nil); err != nil {
		t.Fatal(err)
	}
	g := <-ch
	if g.header.Get("Authorization") != "Bearer tk_geheim" || g.body != `{"message":"a \u003cb\u003e\nc","priority":4,"tags":["warning"],"title":"Häl lo","topic":"runs"}` {
		t.Errorf("got %+v", g)
	}
	if f := nodetest.Failure(t, tell(t, ntfy, map[string]any{"to": "a/b"})); f.Code != "invalid_config" {
		t.Errorf("got %+v", f)
	}
	off := notification.NewNtfy(notification.NtfyOptions{Client: client(t)})
	if f := nodetest.Failure(t, tell(t, off, nil)); f.Code != "not_configured" || !f.Final {
		t.Errorf("got %+v", f)
	}
	slack := notification.NewSlack(notification.SlackOptions{Client: client(t)})
	if err := tell(t, slack, map[string]any{"to": url, "text": "<!channel> & more"}); err != nil {
		t.Fatal(err)
	}
	var m struct{ Text string }
	if g := <-ch; json.Unmarshal([]byte(g.body), &m) != nil || m.Text != ":warning: *Häl lo*\n&lt;!channel&gt; &amp; more" {
		t.Errorf("got %s", g.body)
	}
	if f := nodetest.Failure(t, tell(t, slack, nil)); f.Code != "invalid_config" {
		t.Errorf("got %+v", f)
	}
}

// mailServer speaks SMTP (RFC 5321) for one connection after the other; RCPT of an
// address with "later" or "never" is refused, "silent" gets no answer. What DATA brought goes to the
// channel, after the commands.
func mailServer(t *testing.T) (port int, mails chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	mails = make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go talk(c, mails)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, mails
}

func talk(c net.Conn, mails chan string) {
	defer func() { _ = c.Close() }()
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 test")
	var all strings.Builder
	data := false
	for r := bufio.NewScanner(c); r.Scan(); {
		line := r.Text()
		all.WriteString(line + "\n")
		switch {
		case data && line == ".":
			data = false
			mails <- all.String()
			say("250 taken")
		case data:
		case strings.HasPrefix(line, "EHLO"):
			say("250-test\r\n250 AUTH PLAIN LOGIN")
		case strings.HasPrefix(line, "AUTH PLAIN"):
			say("235 welcome")
		case strings.Contains(line, "<later@"):
			say("450 busy")
		case strings.Contains(line, "<never@"):
			say("550 nobody\x07 here")
		case strings.Contains(line, "<silent@"):
		case line == "DATA":
			data = true
			say("354 go on")
		case line == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	port, mails := mailServer(t)
	o := notification.EmailOptions{Host: "127.0.0.1", Port: port, From: "Runs <runs@example.com>", TLS: notification.TLSNone, Username: "u", Password: "p"}
	n := notification.NewEmail(o)
	if err := tell(t, n, map[string]any{"to": []any{"Ä B <a@example.com>", "b@example.com"}, "text": "über\n.\nEnd"}); err != nil {
		t.Fatal(err)
	}
	talked := <-mails
	_, text, _ := strings.Cut(talked, "DATA\n")
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	to, err := m.Header.AddressList("To")
	if err != nil || len(to) != 2 || to[0].Name != "Ä B" || m.Header.Get("Subject") != "=?utf-8?q?H=C3=A4l_lo?=" || m.Header.Get("Idempotency-Key") != nodetest.RunID+":n" ||
		!strings.HasSuffix(m.Header.Get("Message-Id"), "@example.com>") || m.Header.Get("Date") != "Fri, 02 Jan 2026 03:04:05 +0000" {
		t.Errorf("%v: %v", err, m.Header)
	}
	if !strings.Contains(talked, "RCPT TO:<b@example.com>") || !strings.Contains(talked, "AUTH PLAIN AHUAcA==") || !strings.Contains(text, "=C3=BCber\n") {
		t.Errorf("talked:\n%s", talked)
	}
	for address, want := range map[string]node.Failure{
		"later@example.com":             {Code: "smtp_450", Class: node.ClassServerError},
		"never@example.com":             {Code: "smtp_550", Final: true},
		"a@example.com\r\nBcc: x@y.com": {Code: "invalid_config", Final: true},
		"nobody":                        {Code: "invalid_config", Final: true},
	} {
		f := nodetest.Failure(t, tell(t, n, map[string]any{"to": address}))
		if f.Code != want.Code || f.Class != want.Class || f.Final != want.Final || strings.Contains(f.Error(), "\x07") {
			t.Errorf("%q: %+v: %v", address, f, f)
		}
	}
	o.TLS = notification.TLSStart
	if f := nodetest.Failure(t, tell(t, notification.NewEmail(o), map[string]any{"to": "a@example.com"})); f.Code != "not_configured" || !f.Final {
		t.Errorf("without STARTTLS: %+v", f)
	}
	if f := nodetest.Failure(t, tell(t, notification.NewEmail(notification.EmailOptions{}), nil)); f.Code != "not_configured" {
		t.Errorf("got %+v", f)
	}
	// A server that falls silent does not hold the node up.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := nodetest.CallOf(t, nodetest.New(t), workflow.NewKinds(n.Kind()), "  - {node_id: n, type: notify, channel: email, config: {text: x, to: silent@example.com}}\n", nil)
	_, err = n.Run(ctx, c)
	if f := nodetest.Failure(t, err); f.Code != "target_timeout" || f.Class != node.ClassTimeout {
		t.Errorf("got %+v", f)
	}
}

// A notification that fails is not the run's failure, unless its author says so; the
// canonical form has only what he says.
func TestSoft(t *testing.T) {
	t.Parallel()
	k := workflow.NewKinds(notification.NewEmail(notification.EmailOptions{}).Kind())
	for more, want := range map[string][2]string{
		"":                     {workflow.OnErrorContinue, ""},
		", on_error: continue": {workflow.OnErrorContinue, ""},
		", on_error: fail":     {workflow.OnErrorFail, "on_error: fail"},
	} {
		g := nodetest.Graph(t, k, "  - {node_id: n, type: notify, channel: email, config: {text: x}"+more+"}\n")
		text := string(g.Definition.Canonical(k).YAML())
		if g.Steps[0].OnError != want[0] || strings.Contains(text, "on_error") != (want[1] != "") || !strings.Contains(text, want[1]) {
			t.Errorf("%q: %s\n%s", more, g.Steps[0].OnError, text)
		}
		docs, p := workflow.Read("w.yaml", []byte(text), k)
		if !p.Empty() || docs[0].Workflow.Hash(k) != g.Definition.Hash(k) || docs[0].Workflow.Nodes[0].OnError != want[0] {
			t.Errorf("%q does not come back: %v", more, p.List())
		}
	}
}
