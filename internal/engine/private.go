package engine

import (
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"unicode"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
)

// unsaid is the message of a failure of a node that works with what a language model
// said: errors repeat what they are about, in pieces that nobody recognises. The code
// stays.
const unsaid = "the message is not stored, because the node works with what a language model said"

// message is the text of a failure as it may be stored.
func (t *turn) message(text string, private bool) string {
	if private {
		return unsaid
	}
	return short(t.mask.Text(text))
}

// hush makes failures that the graph itself has found fit to be stored: conditions and
// outcomes that cannot be computed.
func (t *turn) hush(before workflow.State) {
	for id, n := range t.state.Nodes {
		if n.Status != workflow.NodeFailed || n.Error == nil || before.Status(id) == workflow.NodeFailed {
			continue
		}
		step := t.g.Step(id)
		if step == nil {
			continue
		}
		said := n.Error.Message
		if fit := t.message(said, t.tainted(step.Reads())); fit != said {
			t.replace(id, said, fit)
		}
	}
}

// replace puts another message in the place of a node's one, wherever the state has it.
func (t *turn) replace(id, old, message string) {
	n := t.state.Nodes[id]
	failure := *n.Error
	failure.Message, n.Error = message, &failure
	t.state.Nodes[id] = n
	for _, at := range []**workflow.Failure{&t.state.Error, &t.state.HandlerError} {
		if f := *at; f != nil && f.NodeID == id && f.Message == old {
			*at = &failure
		}
	}
	for i, f := range t.state.UndoErrors {
		if f.NodeID == id && f.Message == old {
			t.state.UndoErrors[i].Message = message
		}
	}
	if t.state.Reason == old {
		t.state.Reason = message
	}
	if e, ok := t.state.Outputs[id]["error"].(map[string]any); ok && e["message"] == old {
		e["message"] = message
	}
}

// heard reports whether a node of the body works with what a language model said in
// it.
func (d *driver) heard(s workflow.State, step *workflow.Step) bool {
	if step == nil {
		return true // nobody knows
	}
	for _, r := range step.Reads() {
		if s.Nodes[r.Path[1]].Ephemeral {
			return true
		}
	}
	return d.w.private
}

// saidTo is what the log of a node of the body must not have.
func (d *driver) saidTo(s workflow.State, step *workflow.Step) []string {
	if !d.heard(s, step) {
		return nil
	}
	return append(saidIn(s, nil), d.w.said...)
}

// reveals reports whether a text has a secret of the run in it.
func (t *turn) reveals(text string) bool { return t.mask.Text(text) != text }

// discloses reports whether a value of JSON has a secret of the run in it.
func (t *turn) discloses(v any) bool {
	switch v := v.(type) {
	case string:
		return t.reveals(v)
	case []any:
		return slices.ContainsFunc(v, t.discloses)
	case map[string]any:
		for k, x := range v {
			if t.reveals(k) || t.discloses(x) {
				return true
			}
		}
	}
	return false
}

// errSecretStored refuses what would write a secret down.
var errSecretStored = errors.New("it would store a secret input in the clear")

// storable refuses a config that would be stored with a secret in it. What a
// subworkflow and a job are given is looked at when it is known which of it is
// encrypted, see node.Submission.Reveals.
func (t *turn) storable(step *workflow.Step, config map[string]any) error {
	if !step.Kind.Stores || step.Kind.Name() == "subworkflow" || step.Kind.Name() == "action/job" || !t.discloses(config) {
		return nil
	}
	return node.Fatal("not_stored", errSecretStored)
}

// secretTexts are the texts of a secret input.
func secretTexts(v any, out []string) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			out = append(out, v)
		}
	case []any:
		for _, x := range v {
			out = secretTexts(x, out)
		}
	case map[string]any:
		for _, x := range v {
			out = secretTexts(x, out)
		}
	case nil, bool:
	default:
		out = append(out, text(v))
	}
	return out
}

// Recognising pieces of what was said.
const (
	// window is how many letters and digits in a row are the same by no accident.
	window = 24
	// stride is the distance of the windows that are remembered: runs of window+stride
	// are always found.
	stride = 8
)

// pieces recognises what was said in texts that have only a part of it, or have it in
// another spelling: with other white space, escaped for JSON or a URL.
type pieces struct {
	seed  maphash.Seed
	known map[uint64]struct{}
	short []string
}

func newPieces(said []string) *pieces {
	p := &pieces{seed: maphash.MakeSeed(), known: map[uint64]struct{}{}}
	for _, s := range said {
		letters := plainLetters(s)
		if len(letters) < window+stride {
			p.short = append(p.short, s)
		}
		for i := 0; i+window <= len(letters); i += stride {
			p.known[maphash.String(p.seed, letters[i:i+window])] = struct{}{}
		}
	}
	return p
}

// in reports whether s has something of what was said.
func (p *pieces) in(s string) bool {
	for _, x := range p.short {
		if strings.Contains(s, x) || len(s) >= leastSaid && strings.Contains(x, s) {
			return true
		}
	}
	if len(p.known) == 0 {
		return false
	}
	letters := plainLetters(s)
	for i := 0; i+window <= len(letters); i++ {
		if _, found := p.known[maphash.String(p.seed, letters[i:i+window])]; found {
			return true
		}
	}
	return false
}

// plainLetters are the letters and digits of s, in lower case.
func plainLetters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
