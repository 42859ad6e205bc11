package export

import (
	"context"
	"encoding/json"
	"errors"
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
	Directive      string             `json:"directive_id,omitempty"` // by its name
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
	names := map[string]string{}
	for t, err := range cl.Templates(ctx, client.TemplateFilter{PageSize: 200}) {
		if err != nil {
			return nil, fmt.Errorf("read templates: %w", err)
		}
		under, err := directiveName(ctx, cl, names, t.DirectiveID)
		if err != nil {
			return nil, err
		}
		out = append(out, Document{Path: "templates/" + fileName(t.Name), Body: exportedTemplate{
			Name: t.Name, Version: t.Version, Description: t.Description, JobType: t.JobType, Directive: under, Params: given(t.Params),
			ParamsSchema: given(t.ParamsSchema), RetryPolicy: t.RetryPolicy, Timeout: t.Timeout, Priority: t.Priority,
			Locks: t.Locks, RetryOnRestart: t.RetryOnRestart, Labels: t.Labels, Archived: t.Archived,
		}})
	}
	return out, nil
}

// directiveName is what a template calls its directive by, "" = it has none, or one
// that was deleted. known remembers what was asked.
func directiveName(ctx context.Context, cl *client.Client, known map[string]string, id *string) (string, error) {
	if id == nil {
		return "", nil
	}
	if name, ok := known[*id]; ok {
		return name, nil
	}
	d, err := cl.Directive(ctx, *id)
	var p *client.Problem
	if errors.As(err, &p) && p.Code == "not_found" {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("read directive %s: %w", *id, err)
	}
	known[*id] = d.Name
	return d.Name, nil
}

// directives has a file for each directive.
type directives struct{}

// exportedDirective is a directive without ids, times and people.
type exportedDirective struct {
	Name          string                      `json:"name"`
	Version       int                         `json:"version"`
	Description   string                      `json:"description,omitempty"`
	SystemPrompt  string                      `json:"system_prompt,omitempty"`
	Server        *string                     `json:"server,omitempty"`
	Model         *string                     `json:"model,omitempty"`
	Temperature   *float64                    `json:"temperature,omitempty"`
	ContextTokens *int                        `json:"context_tokens,omitempty"`
	Allow         client.DirectiveAllowInput  `json:"allow,omitzero"`
	Limits        client.DirectiveLimitsInput `json:"limits,omitzero"`
	Archived      bool                        `json:"archived,omitempty"`
}

func (directives) Documents(ctx context.Context, cl *client.Client) ([]Document, error) {
	var out []Document
	for d, err := range cl.Directives(ctx, client.DirectiveFilter{PageSize: 200}) {
		if err != nil {
			return nil, fmt.Errorf("read directives: %w", err)
		}
		out = append(out, Document{Path: "directives/" + fileName(d.Name), Body: exportedDirective{
			Name: d.Name, Version: d.Version, Description: d.Description, SystemPrompt: d.SystemPrompt, Server: d.Server, Model: d.Model,
			Temperature: d.Temperature, ContextTokens: d.ContextTokens, Archived: d.Archived,
			Allow:  client.DirectiveAllowInput{Files: d.Allow.Files, Hosts: d.Allow.Hosts, Containers: d.Allow.Containers},
			Limits: client.DirectiveLimitsInput{Tokens: orZero(d.Limits.Tokens), CallTokens: orZero(d.Limits.CallTokens), Time: d.Limits.Time},
		}})
	}
	return out, nil
}

func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
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
