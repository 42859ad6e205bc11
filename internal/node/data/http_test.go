package data_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/data"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/workflow"
)

func client(t *testing.T, allow ...string) *outbound.Client {
	t.Helper()
	c, err := outbound.New(outbound.Options{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serve(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/json":
			w.Header().Set("Content-Type", "application/vnd.x+json; charset=utf-8")
			_, _ = io.WriteString(w, `{"rows": [{"n": 1}, {"n": 2}], "method": "`+r.Method+`", "token": "`+r.Header.Get("X-Token")+`"}`)
		case "/text":
			w.Header().Set("Content-Type", "text/csv")
			_, _ = io.WriteString(w, "a,b\n")
		case "/binary":
			_, _ = w.Write([]byte{0xff, 0, 1})
		case "/empty":
			w.WriteHeader(204)
		case "/bad":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{} {}`)
		case "/moved":
			http.Redirect(w, r, "/json", http.StatusMovedPermanently)
		case "/huge":
			_, _ = w.Write(make([]byte, 10<<20+1))
		case "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			w.WriteHeader(500)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// fetch runs a node whose config is text.
func fetch(t *testing.T, text string) (node.Result, error) {
	t.Helper()
	h := data.NewHTTP(client(t, "127.0.0.1:*"), nil)
	c := nodetest.CallOf(t, nodetest.New(t), workflow.NewKinds(h.Kind()), "  - {node_id: d, type: data, data_type: http, config: {"+text+"}}\n", nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return h.Run(ctx, c)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	url := serve(t)
	for text, want := range map[string]any{
		"url: '" + url + "/json', select: 'body.rows | map(#.n)'":                  []any{int64(1), int64(2)},
		"url: '" + url + "/json', select: 'result.body.method'":                    "GET",
		"url: '" + url + "/json', headers: {X-Token: '{{x}}'}, select: body.token": "X",
		"url: '" + url + "/moved', select: status":                                 int64(200),
		"url: '" + url + "/text', select: 'headers[\"content-type\"] + body'":      "text/csva,b\n",
		"url: '" + url + "/binary', select: body":                                  "/wAB",
		"url: '" + url + "/empty', select: body":                                   nil,
	} {
		r, err := fetch(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if d := cmp.Diff(want, r.Value); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	r, err := fetch(t, "url: '"+url+"/text'")
	if err != nil {
		t.Fatal(err)
	}
	v := r.Value.(map[string]any)
	if v["status"] != int64(200) || v["body"] != "a,b\n" || v["headers"].(map[string]any)["content-type"] != "text/csv" {
		t.Errorf("got %+v", v)
	}
}

func TestHTTPFails(t *testing.T) {
	t.Parallel()
	url := serve(t)
	for text, want := range map[string]struct {
		code, class string
		final       bool
	}{
		"url: '" + url + "/bad'":                        {"bad_json", "", false},
		"url: '" + url + "/none'":                       {"http_500", node.ClassServerError, false},
		"url: '" + url + "/huge'":                       {"response_too_large", "", true},
		"url: '" + url + "/metadata'":                   {"target_not_allowed", "", true},
		"url: 'http://169.254.169.254/'":                {"target_not_allowed", "", true},
		"url: 'http://[::ffff:10.0.0.1]/'":              {"target_not_allowed", "", true},
		"url: '" + url + "/text', select: 'body.a.b.c'": {"select_failed", "", true},
	} {
		_, err := fetch(t, text)
		if f := nodetest.Failure(t, err); f.Code != want.code || f.Class != want.class || f.Final != want.final {
			t.Errorf("%s: %+v: %v", text, f, f)
		}
	}
}

func TestHTTPCancelled(t *testing.T) {
	t.Parallel()
	h := data.NewHTTP(client(t, "127.0.0.1:*"), nil)
	c := nodetest.CallOf(t, nodetest.New(t), workflow.NewKinds(h.Kind()), "  - {node_id: d, type: data, data_type: http, config: {url: '"+serve(t)+"/slow'}}\n", nil)
	why := errors.New("somebody asked")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := h.Run(ctx, c); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestCheckHTTP(t *testing.T) {
	t.Parallel()
	k := workflow.NewKinds(data.NewHTTP(client(t), nil).Kind())
	for config, want := range map[string]string{
		"url: 'https://x', select: 'bodi.x'":    "bodi",
		"url: 'https://x', select: 'secrets.T'": "secret",
		"url: 'https://x', method: POST":        "no field",
		"url: x":                                "http:// or https://",
		"url: '{{ secrets.U }}'":                "",
	} {
		_, problems := nodetest.Check(k, "  - {node_id: d, type: data, data_type: http, config: {"+config+"}}\n")
		switch {
		case want == "" && len(problems) > 0:
			t.Errorf("%s: %v", config, problems)
		case want != "" && (len(problems) == 0 || !strings.Contains(problems[0].Text, want)):
			t.Errorf("%s: %v, want %s", config, problems, want)
		}
	}
}
