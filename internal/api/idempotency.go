package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// keyLife is how long the answer of a request with an Idempotency-Key is kept.
const keyLife = 24 * time.Hour

// settleTime is added to the time that a waiting request may take before its
// key stops counting as in flight.
const settleTime = 5 * time.Second

// beginKey reads the Idempotency-Key of a POST. It returns *store.Replay when
// the request was done before, so that a repetition is answered before anything
// that may have changed since is looked at.
func (s *service) beginKey(r *request) error {
	values := r.Header.Values("Idempotency-Key")
	if r.Method != http.MethodPost || len(values) == 0 {
		return nil
	}
	if r.op.Pure {
		return nil // it changes nothing, so it may be repeated with and without
	}
	if r.op.Secret || r.op.Public {
		// Nothing of it must be stored, and to do it twice does no harm.
		return fault.New(fault.InvalidHeader, "this operation takes no Idempotency-Key").
			At("header/Idempotency-Key", "not_allowed", "it is about a secret, and nothing of that is stored")
	}
	text := values[0]
	if len(values) > 1 || !printable(text) || len(text) > 255 {
		return fault.New(fault.InvalidHeader, "the Idempotency-Key cannot be used").
			At("header/Idempotency-Key", "format", "must be given once, with 1 to 255 printable ASCII characters")
	}
	h := sha256.New()
	if r.op.Private {
		h = s.keyed()
	}
	for _, part := range []string{r.Method, r.URL.Path, r.URL.RawQuery, string(r.body)} {
		size := len(part)
		h.Write([]byte{byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)})
		h.Write([]byte(part))
	}
	now := s.Clock.Now()
	r.key = &store.Key{
		Tenant: r.tenant(), Owner: r.principal.Owner(), Text: text,
		Hash: hex.EncodeToString(h.Sum(nil)), Now: now, Expires: now.Add(keyLife),
	}
	err := s.Store.Keys.Find(r.Context(), *r.key)
	if again, ok := errors.AsType[*store.Replay](err); ok && r.op.Private {
		r.earlier = again
		return nil
	}
	return err
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return s != ""
}

// keyed returns the key for a store method whose result render turns into the
// answer; nil without a key.
func keyed[T any](r *request, render func(T) reply) *store.Key {
	if r.key == nil {
		return nil
	}
	k := *r.key
	if r.wait > 0 {
		k.InFlightUntil = k.Now.Add(r.wait + settleTime)
	}
	k.Render = func(result any) (store.Reply, error) {
		v, ok := result.(T)
		if !ok {
			return store.Reply{}, fault.Newf(fault.InternalError, "the store rendered %T", result)
		}
		return encode(render(v))
	}
	return &k
}

// settle stores the final answer of a request that waited.
func (s *service) settle(r *request, out reply) error {
	if r.key == nil || r.wait == 0 {
		return nil
	}
	enc, err := encode(out)
	if err != nil {
		return err
	}
	// The answer must be kept also when the caller has gone while waiting.
	return s.Store.Keys.Complete(withoutCancel(r.Context()), *r.key, enc)
}
