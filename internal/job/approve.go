package job

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
)

// Request is the question whether j may run, with what would run as its content:
// an approval is for exactly that. life is how long it can be decided, 0 =
// approval.DefaultLife. The caller may change it further before approval.New.
func (j Job) Request(id string, by approval.Person, now time.Time, life time.Duration) approval.Request {
	if life == 0 {
		life = approval.DefaultLife
	}
	r := approval.Request{
		ID: id, Tenant: j.Tenant, Kind: approval.KindRunJob, Subject: approval.Subject{Type: approval.SubjectJob, ID: j.ID},
		Title: "Run " + j.Name + "?", RequestedBy: by, RequestedAt: now, ExpiresAt: now.Add(life),
		MaxReRequests: approval.DefaultReRequests, Content: j.content(),
	}
	add := func(name, label string, t approval.ValueType, value string) {
		if value != "" {
			r.Summary = append(r.Summary, approval.Field{Name: name, Label: label, Type: t, Value: value})
		}
	}
	add("job_type", "Job type", approval.Text, j.Type)
	add("template_id", "Template", approval.Text, j.TemplateID)
	if j.TemplateID != "" {
		add("template_version", "Version of the template", approval.Number, strconv.Itoa(j.TemplateVersion))
	}
	add("directive", "Directive", approval.Text, j.Directive.Name)
	add("trigger", "Trigger", approval.Text, string(j.Trigger))
	return r
}

// content is what of j decides what happens when it runs.
func (j Job) content() []byte {
	params := json.RawMessage(j.Params)
	if !json.Valid(params) {
		params = json.RawMessage("{}")
	}
	b, err := json.Marshal(struct {
		Type             string          `json:"job_type"`
		Params           json.RawMessage `json:"params"`
		TemplateID       string          `json:"template_id,omitempty"`
		TemplateVersion  int             `json:"template_version,omitempty"`
		DirectiveID      string          `json:"directive_id,omitempty"`
		DirectiveVersion int             `json:"directive_version,omitempty"`
		Locks            []string        `json:"locks,omitempty"`
	}{j.Type, params, j.TemplateID, j.TemplateVersion, j.Directive.ID, j.Directive.Version, j.Locks})
	if err != nil {
		panic("job: content: " + err.Error()) // plain values always encode
	}
	return b
}
