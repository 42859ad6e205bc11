package export

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/runsheet/runsheet/client"
)

// queue has the settings of the queue. That it is paused is a state, not a
// setting.
type queue struct{}

func (queue) Documents(ctx context.Context, cl *client.Client) ([]Document, error) {
	w, err := cl.Workers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the worker count: %w", err)
	}
	return []Document{{Path: "queue", Body: map[string]any{"workers": w.Count}}}, nil
}

// templates has a file for each template.
type templates struct{}

// exportedTemplate is a template without ids, times and people.
type exportedTemplate struct {
	Name           string             `json:"name"`
	Version        int                `json:"version"`
	Description    string             `json:"description,omitempty"`
	JobType        string             `json:"job_type"`
	Params         json.RawMessage    `json:"params,omitempty"`
	ParamsSchema   json.RawMessage    `json:"params_schema,omitempty"`
	RetryPolicy    client.RetryPolicy `json:"retry_policy"`
	Timeout        *string            `json:"timeout,omitempty"`
	Priority       int                `json:"priority"`
	Locks          []string           `json:"locks,omitempty"`
	RetryOnRestart *bool              `json:"retry_on_restart,omitempty"`
	Labels         map[string]string  `json:"labels,omitempty"`
	Archived       bool               `json:"archived,omitempty"`
}

func (templates) Documents(ctx context.Context, cl *client.Client) ([]Document, error) {
	var out []Document
	for t, err := range cl.Templates(ctx, client.TemplateFilter{PageSize: 200}) {
		if err != nil {
			return nil, fmt.Errorf("read templates: %w", err)
		}
		out = append(out, Document{Path: "templates/" + fileName(t.Name), Body: exportedTemplate{
			Name: t.Name, Version: t.Version, Description: t.Description, JobType: t.JobType, Params: given(t.Params),
			ParamsSchema: given(t.ParamsSchema), RetryPolicy: t.RetryPolicy, Timeout: t.Timeout, Priority: t.Priority,
			Locks: t.Locks, RetryOnRestart: t.RetryOnRestart, Labels: t.Labels, Archived: t.Archived,
		}})
	}
	return out, nil
}

// given is nil for JSON's null.
func given(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// fileName is a name that every file system takes: what is neither letter nor
// digit nor one of -_ is escaped as in URLs, a dot too, and names differ where
// only the case of letters does not.
func fileName(name string) string {
	escaped := strings.NewReplacer(".", "%2E", "~", "%7E", "*", "%2A").Replace(url.PathEscape(name))
	for _, c := range []string{"&", "=", "+", "$", ":", "@"} {
		escaped = strings.ReplaceAll(escaped, c, fmt.Sprintf("%%%02X", c[0]))
	}
	return escaped
}
