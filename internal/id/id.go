// Package id makes and checks the identifiers of everything Runsheet stores.
//
// An id is a prefix that names the kind, an underscore, and 26 lower-case
// Crockford base-32 characters that carry the 128 bits of a UUIDv7 (RFC 9562):
// 48 bits of Unix milliseconds, then random bits. Ids of one kind therefore
// sort by creation time, to the millisecond. The order in which jobs run never
// depends on them.
package id

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Kind is a prefix: what an id identifies.
type Kind string

// The kinds of ids. The text is part of the API and never changes.
const (
	Template  Kind = "tmpl"
	Job       Kind = "job"
	Run       Kind = "run"
	Artifact  Kind = "art"
	Event     Kind = "evt"
	Tenant    Kind = "ten"
	Token     Kind = "tok"
	User      Kind = "usr"
	Session   Kind = "ses"
	Instance  Kind = "inst"
	Request   Kind = "req"
	Group     Kind = "group"
	Schedule  Kind = "sched"
	Directive Kind = "dir"
	Workflow  Kind = "wf"
	// WorkflowRun is a run of a workflow, Checkpoint one of its steps.
	WorkflowRun Kind = "wfrun"
	Checkpoint  Kind = "ckpt"
	Webhook     Kind = "hook"
	Delivery    Kind = "dlv"
	Approval    Kind = "appr"
	Execution   Kind = "exec"
)

const (
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	bodyLen  = 26
)

// New returns a fresh id of kind k with the creation time at. It panics only
// when the operating system has no randomness to give.
func New(k Kind, at time.Time) string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("id: no randomness: " + err.Error())
	}
	ms := uint64(at.UnixMilli())
	binary.BigEndian.PutUint16(b[0:2], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[2:6], uint32(ms))
	b[6] = b[6]&0x0f | 0x70 // version 7
	b[8] = b[8]&0x3f | 0x80 // variant 10
	return string(k) + "_" + encode(b)
}

// Derive returns the id of kind k that always is the same for the same well-formed
// base and parts: whoever makes something twice, after a crash, finds the first one.
// It has the time of base, another id.
func Derive(k Kind, base string, parts ...string) string {
	h := sha256.New()
	for _, p := range append([]string{string(k), base}, parts...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p) // a hash takes everything
	}
	b := [16]byte(h.Sum(nil))
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	body := encode(b)
	const timeLen = 10 // 48 bits behind two that are always 0
	if _, from, ok := strings.Cut(base, "_"); ok && len(from) == bodyLen {
		body = from[:timeLen] + body[timeLen:]
	} else {
		body = "0" + body[1:]
	}
	return string(k) + "_" + body
}

// Check returns nil when s is a well-formed id of kind k, and a fault with
// code wrong_id_type otherwise.
func Check(k Kind, s string) error {
	prefix, body, found := strings.Cut(s, "_")
	if !found || prefix != string(k) {
		return fault.Newf(fault.WrongIDType, "%q is not the id of a %s: it must begin with %q", clip(s), k.Noun(), string(k)+"_")
	}
	if len(body) != bodyLen || body[0] > '7' {
		return fault.Newf(fault.WrongIDType, "%q is not a well-formed id: %q must be followed by %d characters", clip(s), string(k)+"_", bodyLen)
	}
	for i := range len(body) {
		if strings.IndexByte(alphabet, body[i]) < 0 {
			return fault.Newf(fault.WrongIDType, "%q is not a well-formed id: character %q is not allowed", clip(s), body[i])
		}
	}
	return nil
}

// Noun is the word for k in a sentence, "job" for Job.
func (k Kind) Noun() string {
	if n, ok := nouns[k]; ok {
		return n
	}
	return string(k)
}

// nouns is read-only.
var nouns = map[Kind]string{
	Template: "template", Artifact: "artifact", Event: "event", Tenant: "tenant", Token: "token", User: "user", Session: "session",
	Instance: "instance", Request: "request", Schedule: "schedule", Directive: "directive", Workflow: "workflow",
	Webhook: "webhook", Delivery: "delivery", Approval: "approval", Execution: "execution", WorkflowRun: "workflow run", Checkpoint: "checkpoint",
}

// encode writes 128 bits as 26 base-32 characters, most significant first, so
// that text order equals byte order.
func encode(b [16]byte) string {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var out [bodyLen]byte
	for i := bodyLen - 1; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
