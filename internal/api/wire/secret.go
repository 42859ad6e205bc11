package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/secret"
)

// SecretGrant allows uses of a secret.
type SecretGrant struct {
	WorkflowID string   `json:"workflow_id" minLength:"1" maxLength:"200" doc:"id of a workflow; * and ? stand for anything" example:"nightly-*"`
	Kinds      []string `json:"kinds" minItems:"1" maxItems:"100" doc:"kinds of nodes; * and ? stand for anything" example:"[\"action/api_call\"]"`
	Hosts      []string `json:"hosts,omitempty" maxItems:"100" doc:"where the nodes may send to: host, host:port, *.suffix or *; none for kinds without a target, such as action/command" example:"[\"api.example.com\"]"`
}

// SecretInput sets a secret. What is absent stays as it is.
type SecretInput struct {
	Value       *string       `json:"value,omitempty" minLength:"1" maxLength:"32768" doc:"kept encrypted and never shown; required for a new secret"`
	Grants      []SecretGrant `json:"grants,omitempty" maxItems:"100" doc:"who may use it; takes the place of all grants that it has. Without one nobody can"`
	Description *string       `json:"description,omitempty" maxLength:"2000"`
}

// Secret is what is known of a secret. Its value is never shown.
type Secret struct {
	Name         string        `json:"name" example:"BLOG_TOKEN"`
	Description  string        `json:"description"`
	Grants       []SecretGrant `json:"grants"`
	Version      int64         `json:"version" doc:"grows with every change; the ETag"`
	ValueVersion int64         `json:"value_version" doc:"how many values it has had"`
	ValueSetAt   time.Time     `json:"value_set_at"`
	CreatedBy    string        `json:"created_by"`
	CreatedAt    time.Time     `json:"created_at"`
	UpdatedBy    string        `json:"updated_by"`
	UpdatedAt    time.Time     `json:"updated_at"`
	LastUsedAt   *time.Time    `json:"last_used_at" doc:"exact to a minute; null = never"`
	Warnings     []string      `json:"warnings" nullable:"true" doc:"what to know about a value that was just set; null otherwise"`
}

// SecretList is one page of secrets.
type SecretList struct {
	Items      []Secret `json:"items"`
	NextCursor *string  `json:"next_cursor"`
}

// SecretOf shows s.
func SecretOf(s secret.Secret) Secret {
	out := Secret{
		Name: s.Name, Description: s.Description, Grants: []SecretGrant{}, Version: s.Version, ValueVersion: s.ValueVersion, ValueSetAt: s.ValueAt,
		CreatedBy: s.CreatedBy, CreatedAt: s.CreatedAt, UpdatedBy: s.UpdatedBy, UpdatedAt: s.UpdatedAt, LastUsedAt: instant(s.LastUsedAt),
	}
	for _, g := range s.Grants {
		out.Grants = append(out.Grants, SecretGrant{g.WorkflowID, list(g.Kinds), list(g.Hosts)})
	}
	return out
}

// GrantsOf reads grants.
func GrantsOf(in []SecretGrant) []secret.Grant {
	var out []secret.Grant
	for _, g := range in {
		out = append(out, secret.Grant{WorkflowID: g.WorkflowID, Kinds: g.Kinds, Hosts: g.Hosts})
	}
	return out
}
