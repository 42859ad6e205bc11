// Package wire holds the shapes of the public API: what a job, a run or a
// problem looks like in JSON. The OpenAPI document and the client's types are
// generated from these structs, so a field is described here and nowhere else.
//
// Inputs and outputs are separate types: an output always has all its fields,
// with null where there is no value; an input leaves out what it does not set.
// The package converts from the domain but decides nothing.
package wire

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Object is a JSON object whose keys the API does not know.
type Object json.RawMessage

// Schema implements huma.SchemaProvider.
func (Object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// MarshalJSON writes the object as it is; an empty value is {}.
func (o Object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// UnmarshalJSON keeps a copy of the text.
func (o *Object) UnmarshalJSON(b []byte) error {
	*o = append((*o)[:0], b...)
	return nil
}

func str(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func labels(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// Error is why a run or a job ended badly.
type Error struct {
	Code    string `json:"code" doc:"stable, for programs" example:"exit_nonzero"`
	Message string `json:"message" doc:"for people"`
}

// Problem is an error answer, RFC 9457.
type Problem struct {
	Type      string  `json:"type" doc:"resolves to an explanation" example:"/problems/not_found"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Instance  string  `json:"instance" doc:"the request id, for the server's log"`
	Code      string  `json:"code" doc:"stable, for programs" example:"not_found"`
	RequestID string  `json:"request_id"`
	Errors    []Place `json:"errors,omitempty" doc:"the places in the request that are wrong"`
	Hint      string  `json:"hint,omitempty" doc:"what to do in this very case"`
	// Current is the stored representation, with 412 and lock_held.
	Current Object `json:"current,omitempty" doc:"the current representation, with status 412; the lock, with lock_held"`
}

// Place is one wrong place in a request.
type Place struct {
	Pointer string `json:"pointer" doc:"JSON pointer into the body, or query/name, header/name, path/name" example:"/params/argv"`
	Code    string `json:"code" example:"required"`
	Detail  string `json:"detail"`
}
