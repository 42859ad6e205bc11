package wire_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/webhook"
)

// TestMessagesHideTheURL: the URL of a job's own webhook may hold a secret, and
// the message goes to the other webhooks of the tenant too.
func TestMessagesHideTheURL(t *testing.T) {
	t.Parallel()
	n := webhook.Note{Event: event.Event{Type: event.JobQueued}}
	n.Subject.Job = &job.Job{ID: "job_1", State: job.Queued, Webhook: job.Webhook{URL: "https://hooks.example.com/services/T0/s3cret?k=v"}}
	b, err := wire.MessageOf(n)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "s3cret") || !strings.Contains(string(b), `"webhook_url":"https://hooks.example.com/..."`) {
		t.Errorf("message: %s", b)
	}
}
