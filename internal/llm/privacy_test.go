//go:build unix

package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
)

func TestPrintingShowsCountsOnly(t *testing.T) {
	t.Parallel()
	m := Message{User, promptCanary}
	r := Request{Model: "m", Messages: []Message{m, m}}
	a := Answer{Text: answerCanary, Usage: Usage{Model: "m", Completion: new(int64(3))}}
	type holder struct {
		M  Message
		MS []Message
		R  *Request
		A  any
	}
	var out bytes.Buffer
	for _, v := range []any{m, &m, r, &r, a, &a, []Message{m}, map[string]Answer{"a": a}, holder{m, []Message{m}, &r, a}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v, fmt.Errorf("about %v", v))
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("about", "value", v)
		}
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Error(err)
		}
	}
	hex := fmt.Sprintf("%x", "canary"[:0]) + fmt.Sprintf("%x", promptCanary)
	for _, leak := range []string{promptCanary, answerCanary, hex, strings.ToUpper(hex), fmt.Sprintf("%x", answerCanary), fmt.Sprint([]byte(promptCanary))} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the text shows as %q", leak)
		}
	}
	for _, want := range []string{"llm.Message{user, 19 bytes}", "llm.Request{m, 2 messages, 38 bytes}", "llm.Answer{m, 3 tokens, 19 bytes}"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s does not show", want)
		}
	}
}

func TestPanicOfTheReceiverIsSilent(t *testing.T) {
	t.Parallel()
	f := fakeServer(t, Ollama, says(http.StatusOK, line(answerCanary)+done))
	r := ask("m")
	r.OnToken = func(s string) { panic("cannot show " + s) }
	a, err := f.Chat(t.Context(), r)
	refuses(t, err, fault.InternalError, "")
	if a.Text != "" || !strings.Contains(err.Error(), "panicked with a string") {
		t.Errorf("%v", err)
	}
}
