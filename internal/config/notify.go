package config

import (
	"errors"
	"net"
	"net/mail"
	"net/url"
	"regexp"

	"github.com/runsheet/runsheet/internal/fault"
)

// Notify is the channels by which workflows tell people something. The zero value has
// none but those that a workflow names itself.
type Notify struct {
	// WebhookURL is where messages go that name no other place. It may hold a secret.
	WebhookURL Secret
	// WebhookSecret signs messages to WebhookURL; "" = no signature.
	WebhookSecret Secret
	// SMTPHost is the mail server; "" = no mail.
	SMTPHost string
	// SMTPPort is that of SMTPTLS if zero.
	SMTPPort     int
	SMTPUsername string
	SMTPPassword Secret
	// SMTPFrom is the sender: an address, or Name <address>.
	SMTPFrom string
	// SMTPTLS is starttls, implicit or none.
	SMTPTLS string
	// NtfyURL is a server of ntfy; "" = none.
	NtfyURL   string
	NtfyTopic string
	NtfyToken Secret
	// SlackURL is an incoming webhook, "" = none.
	SlackURL Secret
}

// NtfyTarget is NtfyURL as an entry of an allow-list, "" if there is none: the
// operator's own choice needs no other permission.
func (n Notify) NtfyTarget() string {
	u, err := url.Parse(n.NtfyURL)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func defaultNotify() Notify { return Notify{SMTPTLS: "starttls"} }

// checkURL wants a URL of HTTP. The text of what is wrong does not repeat it.
func checkURL(v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("must be a URL that begins with https:// or http://, without user and fragment")
	}
	return nil
}

// secretURL is a URL that is not shown, because its path proves who posts.
func secretURL(name, help string, field func(*Config) *Secret) key {
	k := secret(name, help, field)
	set := k.set
	k.set = func(c *Config, v string) error {
		if err := checkURL(v); err != nil {
			return err
		}
		return set(c, v)
	}
	return k
}

var ntfyTopic = regexp.MustCompile(`^[A-Za-z0-9_-]{0,64}$`)

func notifyKeys() []key {
	return []key{
		secretURL("notify.webhook.url", "where notifications by webhook go that name no other URL", func(c *Config) *Secret { return &c.Notify.WebhookURL }),
		secret("notify.webhook.secret", "signs notifications to notify.webhook.url, as webhooks are signed", func(c *Config) *Secret { return &c.Notify.WebhookSecret }),
		renamed("", text("notify.smtp.host", "mail server for notifications by email; without it there are none", func(c *Config) *string { return &c.Notify.SMTPHost }, func(v string) error {
			if v == "" {
				return nil
			}
			return checkHost(v)
		})),
		renamed("", number("notify.smtp.port", "its port; 0 is 587, or 465 with implicit TLS", 0, 65535, func(c *Config) *int { return &c.Notify.SMTPPort })),
		renamed("", text("notify.smtp.username", "name to log in with; without it nobody logs in", func(c *Config) *string { return &c.Notify.SMTPUsername }, anything)),
		secret("notify.smtp.password", "password that belongs to the name", func(c *Config) *Secret { return &c.Notify.SMTPPassword }),
		renamed("", text("notify.smtp.from", "sender: an address, or Name <address>", func(c *Config) *string { return &c.Notify.SMTPFrom }, func(v string) error {
			if v == "" {
				return nil
			}
			if _, err := mail.ParseAddress(v); err != nil {
				return errors.New("must be a mail address, or Name <address>")
			}
			return nil
		})),
		renamed("", text("notify.smtp.tls", "how the connection is made secure: starttls, implicit, or none for a server on this machine", func(c *Config) *string { return &c.Notify.SMTPTLS }, func(v string) error {
			if v != "starttls" && v != "implicit" && v != "none" {
				return errors.New("must be starttls, implicit or none")
			}
			return nil
		})),
		renamed("", text("notify.ntfy.url", "server of ntfy, such as https://ntfy.sh; without it there is none", func(c *Config) *string { return &c.Notify.NtfyURL }, checkURL)),
		renamed("", text("notify.ntfy.topic", "topic of notifications by ntfy that name no other", func(c *Config) *string { return &c.Notify.NtfyTopic }, func(v string) error {
			if !ntfyTopic.MatchString(v) {
				return errors.New("must have letters, digits, _ and -, at most 64")
			}
			return nil
		})),
		secret("notify.ntfy.token", "access token of ntfy", func(c *Config) *Secret { return &c.Notify.NtfyToken }),
		secretURL("notify.slack.url", "incoming webhook of Slack for notifications that name no other", func(c *Config) *Secret { return &c.Notify.SlackURL }),
	}
}

// finishNotify checks what hangs together.
func (c Config) finishNotify() error {
	n := c.Notify
	switch {
	case n.SMTPHost != "" && n.SMTPFrom == "":
		return fault.New(fault.InvalidInput, "notify.smtp.host needs notify.smtp.from")
	case n.SMTPUsername != "" && n.SMTPPassword == "":
		return fault.New(fault.InvalidInput, "notify.smtp.username needs notify.smtp.password")
	case n.WebhookSecret != "" && n.WebhookURL == "":
		return fault.New(fault.InvalidInput, "notify.webhook.secret needs notify.webhook.url; for other URLs a workflow names the secret")
	}
	return nil
}
