package ask

import (
	"encoding/json"
	"slices"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
)

// Model completes params that met their schema with the model to ask: the one that
// they name, else the directive's, else byDefault. If there is none, the error is
// a fault at /model. It is the part of task.Guided that all types with models
// share.
func Model(params json.RawMessage, d *directive.Snapshot, byDefault string) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if len(params) > 0 {
		if err := json.Unmarshal(params, &fields); err != nil {
			return nil, fault.FromJSON(err, "params are not an object")
		}
	}
	if fields == nil { // null
		fields = map[string]json.RawMessage{}
	}
	if named(fields) != "" {
		return params, nil
	}
	model := byDefault
	if d != nil && d.Content.Model != "" {
		model = d.Content.Model
	}
	if model == "" {
		return nil, fault.New(fault.InvalidInput, "no model is named, and the server has no default").
			At("/model", "required", "name a model of the LLM server").
			WithHint("Set model in params or in the directive, or llm.model (RUNSHEET_LLM_MODEL) on the server.")
	}
	raw, err := json.Marshal(model)
	if err != nil {
		return nil, err
	}
	fields["model"] = raw
	return json.Marshal(fields)
}

// Locks are the locks of params that Model has completed: "model:" with the model,
// and what extra gives for it; extra may be nil. They are sorted, each once.
func Locks(params json.RawMessage, extra func(model string) []string) []string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(params, &fields) != nil {
		return nil
	}
	model := named(fields)
	if model == "" {
		return nil
	}
	locks := []string{llm.LockName(model)}
	if extra != nil {
		locks = append(locks, extra(model)...)
	}
	slices.Sort(locks)
	return slices.Compact(locks)
}

func named(fields map[string]json.RawMessage) string {
	var model string
	if json.Unmarshal(fields["model"], &model) != nil {
		return ""
	}
	return model
}
