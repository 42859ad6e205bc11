package checkpoint

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/runsheet/runsheet/internal/workflow"
)

// kept is a snapshot as Redis has it: the document, and what is needed beside it
// to go on from there.
type kept struct {
	Document
	Epoch  int64     `json:"epoch"`
	NodeID string    `json:"node_id"`
	Tenant string    `json:"tenant"`
	At     time.Time `json:"timestamp"`
	// State lacks what the document has: outputs, context and maps.
	State workflow.State `json:"state"`
}

// errForeign is the error of a value that is not ours, or is damaged.
var errForeign = errors.New("the value was not written by this installation, or it is damaged")

// The first field of a value is a proof that we wrote all that follows.
const proofHead, proofTail = `{"sum":"`, `",`

// encode writes a snapshot for Redis.
func encode(s Snapshot, key []byte) ([]byte, error) {
	k := kept{Document: s.Document(), Epoch: s.Epoch, NodeID: s.NodeID, Tenant: s.Tenant, At: s.At.UTC(), State: s.State}
	k.State.Outputs, k.State.Context, k.State.Maps = nil, nil, nil
	text, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	rest := text[1:]
	out := make([]byte, 0, len(proofHead)+2*sha256.Size+len(proofTail)+len(rest))
	out = append(out, proofHead...)
	out = append(out, proof(rest, key)...)
	out = append(out, proofTail...)
	return append(out, rest...), nil
}

// decode reads what encode wrote.
func decode(text, key []byte) (Snapshot, error) {
	tail, ok := bytes.CutPrefix(text, []byte(proofHead))
	if !ok || len(tail) < 2*sha256.Size+len(proofTail) {
		return Snapshot{}, errForeign
	}
	sum, tail := tail[:2*sha256.Size], tail[2*sha256.Size:]
	rest, ok := bytes.CutPrefix(tail, []byte(proofTail))
	if !ok || !hmac.Equal(sum, proof(rest, key)) {
		return Snapshot{}, errForeign
	}
	dec := json.NewDecoder(bytes.NewReader(append([]byte{'{'}, rest...)))
	dec.UseNumber()
	var k kept
	if err := dec.Decode(&k); err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{
		ID: k.CheckpointID, Tenant: k.Tenant, RunID: k.RunID, WorkflowID: k.WorkflowID, Version: k.Version,
		NodeID: k.NodeID, Seq: k.Seq, Epoch: k.Epoch, At: k.At, State: k.State,
	}
	s.State.Outputs, s.State.Context, s.State.Maps = map[string]map[string]any{}, plain(k.Context).(map[string]any), k.Maps
	for id, o := range k.Outputs {
		s.State.Outputs[id], _ = plain(o).(map[string]any)
	}
	if s.State.Nodes == nil {
		s.State.Nodes = map[string]workflow.NodeState{}
	}
	return s, nil
}

func proof(text, key []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte("runsheet checkpoint\n")) // never fails
	_, _ = h.Write(text)
	return hex.AppendEncode(nil, h.Sum(nil))
}

// plain makes numbers what expressions know: int64 where it fits, else float64.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // what cannot be one was not written by encode
		return f
	case map[string]any:
		for k, x := range v {
			v[k] = plain(x)
		}
		return v
	case []any:
		for i, x := range v {
			v[i] = plain(x)
		}
	}
	return v
}
