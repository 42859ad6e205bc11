package notification

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
)

// Bounds of a message.
const (
	maxTitle      = 250       // characters
	maxText       = 256 << 10 // bytes
	maxRecipients = 50
)

// message is what a channel sends.
type message struct {
	// id is the same for all attempts.
	id                 string
	to                 []string
	title, text, level string
	at                 time.Time
}

// read makes the message of a call.
func read(c node.Call) (m message, err error) {
	if m.title, err = exchange.String(c.Config, "title"); err != nil {
		return m, err
	}
	if m.text, err = exchange.String(c.Config, "text"); err != nil {
		return m, err
	}
	if m.level, err = exchange.String(c.Config, "level"); err != nil {
		return m, err
	}
	if m.level == "" {
		m.level = levels[0]
	}
	m.title, m.text = oneLine(m.title), clean(m.text)
	switch {
	case m.text == "" && m.title == "":
		return m, exchange.Invalid("the message is empty")
	case len(m.text) > maxText:
		return m, exchange.Invalid("text is longer than %d KiB", maxText>>10)
	case !slices.Contains(levels, m.level):
		return m, exchange.Invalid("level is %.20q, not one of %s", m.level, strings.Join(levels, ", "))
	}
	switch to := c.Config["to"].(type) {
	case nil:
	case string:
		if to != "" {
			m.to = []string{to}
		}
	case []any:
		for _, v := range to {
			s, ok := v.(string)
			if !ok || s == "" {
				return m, exchange.Invalid("to must have strings")
			}
			m.to = append(m.to, s)
		}
	default:
		return m, exchange.Invalid("to must be a string, or a list of strings")
	}
	if len(m.to) > maxRecipients {
		return m, exchange.Invalid("to has more than %d recipients", maxRecipients)
	}
	sum := sha256.Sum256([]byte(c.RunID + "\n" + c.IdempotencyKey))
	m.id, m.at = "msg_"+hex.EncodeToString(sum[:16]), c.Env.Now.UTC()
	return m, nil
}

// only is the one recipient, or the given one where the node names none.
func (m message) only(instead string) (string, error) {
	switch {
	case len(m.to) > 1:
		return "", exchange.Invalid("to must be one")
	case len(m.to) == 1:
		return m.to[0], nil
	case instead == "":
		return "", exchange.Invalid("to is missing, and the server's configuration names none")
	}
	return instead, nil
}

// clean leaves out what no channel shows.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if r := []rune(s); len(r) > maxTitle {
		s = string(r[:maxTitle-3]) + "..."
	}
	return s
}

// first is the recipient of a computed config before the rest of it is looked at.
func first(config map[string]any, instead string) string {
	if s, ok := config["to"].(string); ok && s != "" {
		return s
	}
	if list, ok := config["to"].([]any); ok && len(list) > 0 {
		if s, ok := list[0].(string); ok {
			return s
		}
	}
	return instead
}

// sent is the result of a node.
func sent(channel, id string) node.Result {
	return node.Result{Value: map[string]any{"channel": channel, "message_id": id}}
}
