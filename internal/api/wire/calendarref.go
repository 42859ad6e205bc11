package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
)

// CalendarRef names a calendar: its code, or an object with all_of, any_of or
// not. Empty and null are none.
type CalendarRef json.RawMessage

// Schema implements huma.SchemaProvider.
func (CalendarRef) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		AnyOf:    []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeObject, AdditionalProperties: true}, {Type: "null"}},
		Examples: []any{"XNYS", map[string]any{"all_of": []string{"XKRX", "XNYS"}}},
	}
}

// MarshalJSON writes the reference as it is; an empty one is null.
func (c CalendarRef) MarshalJSON() ([]byte, error) {
	if len(c) == 0 {
		return []byte("null"), nil
	}
	return c, nil
}

// UnmarshalJSON keeps a copy of the text.
func (c *CalendarRef) UnmarshalJSON(b []byte) error {
	*c = append((*c)[:0], b...)
	return nil
}

// IsZero reports whether no calendar is named.
func (c CalendarRef) IsZero() bool {
	return len(c) == 0 || bytes.Equal(bytes.TrimSpace(c), []byte("null"))
}

// maxNames bounds the calendars of one reference: each of them is asked for each
// date.
const maxNames = 32

// Spec reads the reference; the zero Spec when none is named. Errors are faults
// with a pointer that begins with at.
func (c CalendarRef) Spec(at string) (calendar.Spec, error) {
	if c.IsZero() {
		return calendar.Spec{}, nil
	}
	var doc any
	if err := json.Unmarshal(c, &doc); err != nil {
		return calendar.Spec{}, fault.FromJSON(err, "the calendar is not well-formed")
	}
	names := 0
	return calendarSpec(doc, at, &names)
}

func calendarSpec(doc any, at string, names *int) (calendar.Spec, error) {
	wrong := func(detail string) error {
		return fault.New(fault.InvalidInput, "the calendar cannot be used: "+detail).At(at, "invalid", detail)
	}
	if *names++; *names > maxNames {
		return calendar.Spec{}, wrong(fmt.Sprintf("it is made of more than %d", maxNames))
	}
	switch v := doc.(type) {
	case string:
		if v == "" {
			return calendar.Spec{}, wrong("its code is empty")
		}
		return calendar.Spec{Code: v}, nil
	case map[string]any:
		if len(v) != 1 {
			return calendar.Spec{}, wrong("it must have exactly one of all_of, any_of, not")
		}
		key := slices.Collect(maps.Keys(v))[0]
		at += "/" + key
		switch key {
		case "not":
			member, err := calendarSpec(v[key], at, names)
			return calendar.Spec{Not: &member}, err
		case "all_of", "any_of":
			list, ok := v[key].([]any)
			if !ok || len(list) == 0 {
				return calendar.Spec{}, wrong(key + " must be a list of calendars")
			}
			members := make([]calendar.Spec, 0, len(list))
			for i, item := range list {
				m, err := calendarSpec(item, fmt.Sprintf("%s/%d", at, i), names)
				if err != nil {
					return calendar.Spec{}, err
				}
				members = append(members, m)
			}
			if key == "all_of" {
				return calendar.Spec{AllOf: members}, nil
			}
			return calendar.Spec{AnyOf: members}, nil
		}
		return calendar.Spec{}, wrong(fmt.Sprintf("%q is none of all_of, any_of, not", key))
	}
	return calendar.Spec{}, wrong("it must be a code or an object")
}
