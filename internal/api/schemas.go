package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/task"
)

// schemas are the compiled schemas of request bodies, by type. What the
// document promises is what is checked.
type schemas struct {
	of map[reflect.Type]func() (*strict.Schema, error)
	// params are the schemas of the job types.
	params map[string]*strict.Schema
}

func formats() strict.Formats {
	return strict.Formats{
		"date-time": strict.Time,
		"duration": func(s string) error {
			_, err := wire.ParseDuration(s)
			return err
		},
		"moment": func(s string) error {
			if strict.Time(s) == nil {
				return nil
			}
			if _, err := wire.ParseDuration(s); err != nil {
				return errors.New("must be a time such as 2026-01-31T12:00:00Z, or a duration such as PT1H")
			}
			return nil
		},
	}
}

// newSchemas takes those of the bodies from the document when a request first needs one:
// most programs that make an API need few of them.
func newSchemas(doc func() *huma.OpenAPI, table []*operation, tasks *task.Registry) (*schemas, error) {
	parsed := sync.OnceValues(func() (any, error) {
		raw, err := json.Marshal(map[string]any{"components": map[string]any{"schemas": doc().Components.Schemas.Map()}})
		if err != nil {
			return nil, err
		}
		return strict.Parse(raw)
	})
	out := &schemas{of: map[reflect.Type]func() (*strict.Schema, error){}}
	for _, op := range table {
		if op.Body == nil {
			continue
		}
		t := reflect.TypeOf(op.Body)
		if out.of[t] != nil {
			continue
		}
		out.of[t] = sync.OnceValues(func() (*strict.Schema, error) {
			all, err := parsed()
			if err != nil {
				return nil, err
			}
			return strict.Compile(all, "#/components/schemas/"+t.Name(), formats())
		})
	}
	out.of[nil] = sync.OnceValues(func() (*strict.Schema, error) {
		return strict.Compile(map[string]any{"type": "object", "additionalProperties": false}, "", nil)
	})
	var err error
	out.params, err = paramSchemas(tasks)
	return out, err
}

// paramSchemas compiles the schemas of the job types' params.
func paramSchemas(tasks *task.Registry) (map[string]*strict.Schema, error) {
	out := map[string]*strict.Schema{}
	for _, name := range tasks.Types() {
		kind, err := tasks.Find(name)
		if err != nil {
			return nil, err
		}
		sch, err := strict.Parse(kind.Schema())
		if err != nil {
			return nil, err
		}
		if out[name], err = strict.Compile(sch, "", nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keysOf refuses keys of a merge patch that the body's type does not have: a
// null there would otherwise vanish without a word.
func (s *schemas) keysOf(body, patch any) error {
	sch, err := s.of[reflect.TypeOf(body)]()
	if err != nil {
		return err
	}
	return sch.CheckKeys(patch)
}

// check checks doc against the schema of body's type; a nil body takes {} only.
func (s *schemas) check(body, doc any) error {
	sch, err := s.of[reflect.TypeOf(body)]()
	if err != nil {
		return err
	}
	return sch.Check(doc, "")
}

// checkEach checks the elements of a body that is a list.
func (s *schemas) checkEach(op *operation, list []any) error {
	if len(list) == 0 || len(list) > op.Many {
		return fault.Newf(fault.InvalidInput, "the list has %d items, and 1 to %d are allowed", len(list), op.Many).
			At("", "out_of_range", "must have 1 to "+itoa(op.Many)+" items")
	}
	sch, err := s.of[reflect.TypeOf(op.Body)]()
	if err != nil {
		return err
	}
	for i, item := range list {
		if err := sch.Check(item, "/"+itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
