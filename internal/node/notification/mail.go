package notification

import (
	"bytes"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"

	"github.com/runsheet/runsheet/internal/node"
)

// maxKey bounds the idempotency key in a header, in characters.
const maxKey = 250

// compose writes a mail (RFC 5322) of plain text, and its Message-ID, which is the
// same for all attempts: many mail programs show two with the same one once.
func compose(c node.Call, m message, from *mail.Address, to []*mail.Address) (text []byte, id string) {
	_, domain, _ := strings.Cut(from.Address, "@")
	id = m.id + "@" + domain
	subject := m.title
	if subject == "" {
		first, _, _ := strings.Cut(m.text, "\n")
		subject = oneLine(first)
	}
	names := make([]string, 0, len(to))
	for _, a := range to {
		names = append(names, a.String())
	}
	var b bytes.Buffer
	head := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	head("From", from.String())
	head("To", strings.Join(names, ",\r\n "))
	head("Subject", mime.QEncoding.Encode("utf-8", subject))
	head("Date", m.at.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	head("Message-ID", "<"+id+">")
	head("Auto-Submitted", "auto-generated")
	if m.level == "error" {
		head("Importance", "high")
	}
	if key := []rune(oneLine(c.IdempotencyKey)); len(key) > 0 {
		head(headerKey, mime.QEncoding.Encode("utf-8", string(key[:min(len(key), maxKey)])))
	}
	head("MIME-Version", "1.0")
	head("Content-Type", "text/plain; charset=utf-8")
	head("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	body := m.text
	if body == "" {
		body = m.title
	}
	_, _ = w.Write([]byte(strings.ReplaceAll(body, "\n", "\r\n"))) // a buffer takes everything
	_ = w.Close()
	b.WriteString("\r\n")
	return b.Bytes(), id
}
