package config_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/config"
)

func TestNotify(t *testing.T) {
	t.Parallel()
	pairs := []string{
		"RUNSHEET_NOTIFY_SMTP_HOST", "mail.example.com", "RUNSHEET_NOTIFY_SMTP_FROM", "Runsheet <runs@example.com>",
		"RUNSHEET_NOTIFY_SMTP_PASSWORD", "hunter22", "RUNSHEET_NOTIFY_SMTP_USERNAME", "runs",
		"RUNSHEET_NOTIFY_NTFY_URL", "http://ntfy.lan", "RUNSHEET_NOTIFY_SLACK_URL", "https://hooks.slack.com/services/T0/B0/xyz",
	}
	c, err := config.Load(config.Sources{Env: env(append(pairs, "HOME", t.TempDir())...)})
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Notify; n.SMTPHost != "mail.example.com" || n.SMTPTLS != "starttls" || n.NtfyTarget() != "ntfy.lan:80" || n.SMTPPassword.Reveal() != "hunter22" {
		t.Errorf("got %+v", n)
	}
	if n := (config.Notify{NtfyURL: "https://[fd00::1]/"}); n.NtfyTarget() != "[fd00::1]:443" || (config.Notify{}).NtfyTarget() != "" {
		t.Errorf("got %q", n.NtfyTarget())
	}
	for key, value := range origins(c) {
		if strings.Contains(value, "hunter22") || strings.Contains(value, "xyz") {
			t.Errorf("%s shows %s", key, value)
		}
	}
}

func TestNotifyRefuses(t *testing.T) {
	t.Parallel()
	for want, pairs := range map[string][]string{
		"needs notify.smtp.from":         {"RUNSHEET_NOTIFY_SMTP_HOST", "mail.example.com"},
		"needs notify.smtp.password":     {"RUNSHEET_NOTIFY_SMTP_USERNAME", "me"},
		"needs notify.webhook.url":       {"RUNSHEET_NOTIFY_WEBHOOK_SECRET", "whsec_AAAA"},
		"starttls, implicit or none":     {"RUNSHEET_NOTIFY_SMTP_TLS", "yes"},
		"must be a mail address":         {"RUNSHEET_NOTIFY_SMTP_FROM", "nobody\r\nBcc: x@example.com"},
		"must be a URL that begins with": {"RUNSHEET_NOTIFY_SLACK_URL", "hooks.slack.com/services/SECRET"},
		"letters, digits":                {"RUNSHEET_NOTIFY_NTFY_TOPIC", "a/b"},
		"must be a whole number":         {"RUNSHEET_NOTIFY_SMTP_PORT", "65536"},
	} {
		_, err := config.Load(config.Sources{Env: env(append(pairs, "HOME", t.TempDir())...)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET\"") || strings.Contains(err.Error(), "services/SECRET") {
			t.Errorf("%v: got %v, want %q", pairs[0], err, want)
		}
	}
}
