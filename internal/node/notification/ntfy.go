package notification

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
	"github.com/runsheet/runsheet/internal/outbound"
)

// NtfyOptions configure Ntfy.
type NtfyOptions struct {
	// Client reaches the server; it must be given.
	Client *outbound.Client
	Clock  clock.Clock // nil = the system's
	// URL is the server's, such as https://ntfy.sh; "" = the channel is off.
	URL string
	// Topic is where messages go that name no other, "" = nowhere.
	Topic string
	// Token proves who publishes; "" = nobody asks.
	Token string
}

// Ntfy publishes a message with ntfy. It implements node.Node and node.Targeted.
type Ntfy struct {
	o        NtfyOptions
	exchange exchange.Exchange
}

var (
	_ node.Node     = (*Ntfy)(nil)
	_ node.Targeted = (*Ntfy)(nil)
)

// NewNtfy returns the kind.
func NewNtfy(o NtfyOptions) *Ntfy { return &Ntfy{o, exchange.New(o.Client, o.Clock)} }

// Target implements node.Targeted.
func (n *Ntfy) Target(map[string]any) (string, error) {
	if n.o.URL == "" {
		return "", off("ntfy", "notify.ntfy.url")
	}
	return n.exchange.Target(n.o.URL)
}

// priorities are those of ntfy, 1 to 5, for levels. Read-only.
var priorities = map[string]int{"info": 3, "success": 3, "warning": 4, "error": 5}

// topics is what ntfy takes for a topic.
var topics = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// maxNtfy is the longest text that ntfy shows as a message, in bytes; it makes a file
// of longer ones.
const maxNtfy = 4096

// Run implements node.Node.
func (n *Ntfy) Run(ctx context.Context, c node.Call) (node.Result, error) {
	if n.o.URL == "" {
		return node.Result{}, off("ntfy", "notify.ntfy.url")
	}
	m, err := read(c)
	if err != nil {
		return node.Result{}, err
	}
	topic, err := m.only(n.o.Topic)
	if err != nil {
		return node.Result{}, err
	}
	if !topics.MatchString(topic) {
		return node.Result{}, exchange.Invalid("to is no topic: it has letters, digits, _ and -, at most 64")
	}
	text := m.text
	if text == "" {
		text = m.title
	}
	body, err := json.Marshal(map[string]any{
		"topic": topic, "title": m.title, "message": shorten(text, maxNtfy), "priority": priorities[m.level], "tags": tags(m.level),
	})
	if err != nil {
		return node.Result{}, exchange.Invalid("the message cannot be written as JSON")
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if n.o.Token != "" {
		h.Set("Authorization", "Bearer "+n.o.Token)
	}
	u, err := url.Parse(n.o.URL)
	if err != nil {
		return node.Result{}, off("ntfy", "notify.ntfy.url")
	}
	return letter{"ntfy", u.String(), h, body}.post(ctx, n.exchange, c, m)
}

// tags are the names of signs that ntfy shows before the title.
func tags(level string) []string {
	switch level {
	case "success":
		return []string{"white_check_mark"}
	case "warning":
		return []string{"warning"}
	case "error":
		return []string{"rotating_light"}
	}
	return []string{}
}
