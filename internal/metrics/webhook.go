package metrics

import "time"

// WebhookAttempt counts one attempt to deliver; outcome is "delivered", "failed"
// or "dead".
func (m *Metrics) WebhookAttempt(outcome string, took time.Duration) {
	m.webhooks.WithLabelValues(outcome).Inc()
	m.webhookSeconds.Observe(took.Seconds())
}

// WebhookBacklog notes how many events wait in the outbox, and how many deliveries
// are open.
func (m *Metrics) WebhookBacklog(notes, open int) {
	m.webhookBacklog.WithLabelValues("outbox").Set(float64(notes))
	m.webhookBacklog.WithLabelValues("open").Set(float64(open))
}
