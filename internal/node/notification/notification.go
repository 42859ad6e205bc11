// Package notification has the nodes that tell people something. A failure of one is
// not the run's, unless the node says on_error: fail. Each message has an id that is
// the same for all attempts, as far as the channel has a place for one.
package notification

import (
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
)

// levels are how urgent a message may be.
var levels = []string{"info", "success", "warning", "error"} // read-only

// kind is what the channels have in common. to says what the field of that name is.
func kind(channel, doc, to string, more ...workflow.Field) workflow.Kind {
	return workflow.Kind{
		Type: "notification", Subtype: channel, SubtypeField: "channel", Doc: doc, Outcomes: []string{"success"},
		Effect: true, Secrets: true, InMap: true, Soft: true, OnCrash: workflow.CrashRetry,
		Retryable: []string{node.ClassTimeout, node.ClassServerError, node.ClassRateLimited},
		Fields: append([]workflow.Field{
			{Name: "to", Type: workflow.FieldAny, Doc: to},
			{Name: "title", Type: workflow.FieldString, Doc: "one line, at most 250 characters"},
			{Name: "text", Type: workflow.FieldString, Doc: "the message"},
			{Name: "level", Type: workflow.FieldString, Enum: levels, Doc: "info without it"},
		}, more...),
	}
}

// Kind implements node.Node.
func (*Webhook) Kind() workflow.Kind {
	return kind("webhook", "sends a message as JSON to a URL", "the URL; the server's notify.webhook.url without it",
		workflow.Field{Name: "secret", Type: workflow.FieldString, Doc: "signs messages to the URL of to, as webhooks are signed"})
}

// Kind implements node.Node.
func (*Email) Kind() workflow.Kind {
	return kind("email", "sends a mail", "an address, or a list of them")
}

// Kind implements node.Node.
func (*Ntfy) Kind() workflow.Kind {
	return kind("ntfy", "publishes a message with ntfy", "the topic; the server's notify.ntfy.topic without it")
}

// Kind implements node.Node.
func (*Slack) Kind() workflow.Kind {
	return kind("slack", "posts a message to Slack", "the URL of an incoming webhook; the server's notify.slack.url without it")
}
