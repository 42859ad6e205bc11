package job

// Webhook is who hears of one job.
type Webhook struct {
	URL    string
	Events []string
}
