package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/engine"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/secret"
)

// kept is everything that a run has written down: steps, log, outputs, artifacts.
func (w *world) kept(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, s := range w.memory.Steps() {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b.Write(w.log.Bytes())
	for k, v := range w.outputs {
		b.WriteString(k + v)
	}
	for k, v := range w.artifacts {
		b.WriteString(k)
		b.Write(v)
	}
	return b.String()
}

// TestNothingSaidIsKept: whichever way an answer takes through errors, conditions,
// lists, names and reasons, nothing of it is written down.
func TestNothingSaidIsKept(t *testing.T) {
	t.Parallel()
	say := "nodes:\n  - {node_id: say, type: action, action_type: say}\n"
	for name, text := range map[string]string{
		"expression":    "  - {node_id: n, type: data, data_type: set, config: {values: {x: \"{{int(split(outputs.say.text, ' of ')[0])}}\"}}}\n",
		"condition":     "  - {node_id: n, when: \"int(outputs.say.text) > 3\", type: data, data_type: set, config: {values: {x: 1}}}\n",
		"error of node": "  - {node_id: n, type: action, action_type: effect, config: {value: \"{{outputs.say.text}}\"}}\n",
		"reason":        "  - {node_id: n, type: stop, config: {status: SKIPPED, reason: \"{{outputs.say.text}}\"}}\n",
		"lock":          "  - {node_id: n, resources: [\"x:{{outputs.say.text}}\"], type: data, data_type: set, config: {values: {x: 1}}}\n",
		"event":         "  - {node_id: n, type: wait, wait_type: event, config: {name: \"{{outputs.say.text}}\"}}\n",
		"list":          "  - node_id: n\n    type: map\n    config:\n      items: \"{{split(outputs.say.text, ' ')}}\"\n      nodes: [{node_id: b, type: data, data_type: set, config: {values: {x: 1}}}]\n",
		"item": "  - node_id: n\n    type: map\n    config:\n      items: \"{{[1]}}\"\n      on_item_error: collect\n" +
			"      nodes: [{node_id: b, type: action, action_type: effect, config: {value: \"{{outputs.say.text}}\"}}]\n",
		"log of an item": "  - node_id: n\n    type: map\n    config:\n      items: \"{{[1]}}\"\n" +
			"      nodes: [{node_id: own, type: action, action_type: say}, {node_id: c, type: action, action_type: effect, config: {value: \"{{outputs.own.text}}\"}}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, say+text, nil)
			w.fail = func(key string, _ int) error {
				if strings.Contains(key, ":n") || strings.Contains(key, ":b") {
					return node.Fatal("http_422", errors.New("status 422: you sent THE  marker\\nof what"))
				}
				return nil
			}
			_ = w.play() // however it ends
			all := w.kept(t)
			if !strings.Contains(all, "say") {
				t.Fatal("nothing is kept at all")
			}
			if strings.Contains(strings.ToLower(all), "marker") {
				t.Errorf("kept: %s", all)
			}
		})
	}
}

// sealed gives secret inputs by their names.
type sealed map[string]string

func (sealed) Value(context.Context, string, string, secret.Use) (string, error) {
	return "", errors.New("no secret")
}

func (s sealed) Open(_ context.Context, _, aad, _ string) ([]byte, error) {
	return []byte(s[aad[strings.LastIndex(aad, "/")+1:]]), nil
}

// veil implements engine.Mask.
type veil struct{ values []string }

func (v *veil) Add(values ...string) { v.values = append(v.values, values...) }

func (v *veil) Text(s string) string {
	for _, x := range v.values {
		if len(x) >= 8 {
			s = strings.ReplaceAll(s, x, "***")
		}
	}
	return s
}

// TestSecretInputsAreNotKept: a secret input is written down nowhere, whatever a
// document makes of it.
func TestSecretInputsAreNotKept(t *testing.T) {
	t.Parallel()
	head := "inputs: {key: {type: string, secret: true}, set: {type: object, secret: true}}\n"
	set := "nodes:\n  - {node_id: n, type: data, data_type: set, config: {values: {x: \"{{inputs.key}}\"}}}\n"
	for name, text := range map[string]string{
		"result":         set,
		"named output":   "nodes:\n  - {node_id: n, type: data, data_type: set, config: {values: {x: 1}}, outputs: {y: inputs.key, z: inputs.set.deep}}\n",
		"run output":     set + "outputs: {y: \"{{inputs.key}}\", z: \"{{inputs.set}}\"}\n",
		"reason":         "nodes:\n  - {node_id: n, type: stop, config: {status: SKIPPED, reason: \"{{inputs.key}}\"}}\n",
		"lock":           "nodes:\n  - {node_id: n, resources: [\"x:{{inputs.key}}\"], type: data, data_type: set, config: {values: {x: 1}}}\n",
		"event":          "nodes:\n  - {node_id: n, type: wait, wait_type: event, config: {name: \"{{inputs.set.deep}}\"}}\n",
		"error":          "nodes:\n  - {node_id: n, type: data, data_type: set, config: {values: {x: \"{{int(inputs.key)}}\"}}}\n",
		"condition":      "nodes:\n  - {node_id: n, when: int(inputs.key) > 3, type: data, data_type: set, config: {values: {x: 1}}}\n",
		"error of a run": set + "outputs: {y: \"{{int(inputs.key)}}\"}\n",
		"list":           "nodes:\n  - node_id: n\n    type: map\n    config:\n      items: \"{{[inputs.key]}}\"\n      nodes: [{node_id: b, type: data, data_type: set, config: {values: {x: 1}}}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, head+text, nil)
			w.mask = func() engine.Mask { return &veil{} }
			w.params = []byte(`{"workflow_id":"w","sealed":{"key":"c1","set":"c2"}}`)
			w.secrets = sealed{"key": `"the-marker-1"`, "set": `{"deep":"the-marker-2"}`}
			_ = w.play() // however it ends
			all := w.kept(t)
			if !strings.Contains(all, `"n"`) && !strings.Contains(all, "n:") {
				t.Fatal("nothing is kept at all")
			}
			if strings.Contains(all, "the-marker") {
				t.Errorf("kept: %s", all)
			}
		})
	}
}
