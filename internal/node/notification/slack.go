package notification

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
	"github.com/runsheet/runsheet/internal/outbound"
)

// SlackOptions configure Slack.
type SlackOptions struct {
	// Client reaches Slack; it must be given.
	Client *outbound.Client
	Clock  clock.Clock // nil = the system's
	// URL is the incoming webhook of messages that name no other; it is a secret. "" =
	// there is none.
	URL string
}

// Slack posts a message to an incoming webhook of Slack, or of a program that
// understands the same. It implements node.Node and node.Targeted.
type Slack struct {
	o        SlackOptions
	exchange exchange.Exchange
}

var (
	_ node.Node     = (*Slack)(nil)
	_ node.Targeted = (*Slack)(nil)
)

// NewSlack returns the kind.
func NewSlack(o SlackOptions) *Slack { return &Slack{o, exchange.New(o.Client, o.Clock)} }

// Target implements node.Targeted.
func (s *Slack) Target(config map[string]any) (string, error) {
	return s.exchange.Target(first(config, s.o.URL))
}

// signs stand before the title. Read-only.
var signs = map[string]string{"success": ":white_check_mark: ", "warning": ":warning: ", "error": ":rotating_light: "}

// maxSlack is the longest text that Slack takes, in characters.
const maxSlack = 39_000

// Run implements node.Node.
func (s *Slack) Run(ctx context.Context, c node.Call) (node.Result, error) {
	m, err := read(c)
	if err != nil {
		return node.Result{}, err
	}
	to, err := m.only(s.o.URL)
	if err != nil {
		return node.Result{}, err
	}
	// The URL is all that proves who posts.
	if err := secure(s.o.Client, to); err != nil {
		return node.Result{}, err
	}
	// Slack's three special characters: without this a text could call a whole channel.
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	text := escape.Replace(m.text)
	if m.title != "" {
		text = "*" + strings.ReplaceAll(escape.Replace(m.title), "*", "") + "*\n" + text
	}
	text = signs[m.level] + strings.TrimSpace(text)
	if r := []rune(text); len(r) > maxSlack {
		text = string(r[:maxSlack]) + "..."
	}
	body, err := json.Marshal(map[string]any{"text": text})
	if err != nil {
		return node.Result{}, exchange.Invalid("the message cannot be written as JSON")
	}
	return letter{"slack", to, http.Header{"Content-Type": {"application/json"}}, body}.post(ctx, s.exchange, c, m)
}

// off is the failure of a channel that the server's configuration does not have.
func off(channel, key string) error {
	return node.Fatal("not_configured", fmt.Errorf("the channel %s is off: the server has no %s", channel, key))
}

// shorten cuts a text to n bytes, without cutting a character.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-3], "") + "..."
}
