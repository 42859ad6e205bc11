package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/webhook"
)

var now = time.Unix(1614265330, 0).UTC()

// TestPublishedVector is the example of the Standard Webhooks libraries.
func TestPublishedVector(t *testing.T) {
	t.Parallel()
	s := webhook.Secrets{Current: webhook.Stored("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := s.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", now, []byte(`{"test": 2432232314}`)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	for what, other := range map[string]string{
		"another id":   s.Sign("msg_p5jXN8AQM9LWM0D4loKWxJel", now, []byte(`{"test": 2432232314}`)),
		"another time": s.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", now.Add(time.Second), []byte(`{"test": 2432232314}`)),
		"another body": s.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", now, []byte(`{"test": 2432232315}`)),
	} {
		if other == want {
			t.Errorf("%s has the same signature", what)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	old := webhook.NewSecret()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(old.Reveal(), webhook.SecretPrefix))
	if err != nil || len(key) != 32 || !strings.HasPrefix(old.Reveal(), webhook.SecretPrefix) || old == webhook.NewSecret() {
		t.Errorf("a new secret is not one: %v", err)
	}
	s := webhook.Secrets{Current: old}.Rotate(webhook.NewSecret(), now, time.Hour)
	both, one := s.Sign("x", now.Add(59*time.Minute), nil), s.Sign("x", now.Add(time.Hour), nil)
	if len(strings.Fields(both)) != 2 || len(strings.Fields(one)) != 1 {
		t.Errorf("%q during, %q after the overlap", both, one)
	}
	if at := (webhook.Secrets{Current: old}.Sign("x", now.Add(59*time.Minute), nil)); strings.Fields(both)[1] != at {
		t.Error("the second signature is not by the old secret")
	}
	if s := (webhook.Secrets{Current: old}).Rotate(webhook.NewSecret(), now, 0); s.Previous.Reveal() != "" {
		t.Error("an old secret is kept although there is no overlap")
	}
	b, err := json.Marshal(s)
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%v", []any{old}), string(b)} {
		if err != nil || strings.Contains(shown, old.Reveal()[6:]) {
			t.Errorf("a secret shows: %s, %v", shown, err)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	got, bad := webhook.ParseEvents([]string{"failed", "job.run.failed", "*", "template.created"})
	if bad >= 0 || !slices.Equal(got, []event.Type{"*", "job.run.failed", "template.created"}) {
		t.Errorf("%v, %d", got, bad)
	}
	if _, bad := webhook.ParseEvents([]string{"failed", "FAILED"}); bad != 1 {
		t.Errorf("the bad name is at %d", bad)
	}
	for _, e := range event.Catalogue() {
		if _, bad := webhook.ParseEvents([]string{string(e.Type)}); bad >= 0 {
			t.Errorf("%s cannot be chosen", e.Type)
		}
	}
	for _, c := range []struct {
		names []string
		typ   event.Type
		want  bool
	}{
		{nil, event.JobRunFailed, true},
		{nil, event.JobQueued, false},
		{[]string{"queued"}, event.JobQueued, true},
		{[]string{"queued"}, event.JobRunFailed, false},
		{[]string{"*"}, event.JobCancelled, true},
		{[]string{"*"}, event.QueuePaused, false},
	} {
		if webhook.JobWants(c.names, c.typ) != c.want {
			t.Errorf("a job with %v wants %s: %v", c.names, c.typ, !c.want)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	about := func(j *job.Job) webhook.Note {
		return webhook.Note{Event: event.Event{Type: event.JobQueued}, Subject: webhook.Subject{Job: j}}
	}
	j := &job.Job{Type: "command", TemplateID: "tmpl_1", Labels: map[string]string{"a": "b", "c": "d"}}
	progress := webhook.Note{Event: event.Event{Type: event.WorkflowProgress}, Subject: webhook.Subject{Job: j}}
	on := webhook.Endpoint{Enabled: true, Events: []event.Type{event.JobQueued}}
	for name, c := range map[string]struct {
		edit func(*webhook.Endpoint)
		note webhook.Note
		want bool
	}{
		"all":               {func(*webhook.Endpoint) {}, about(j), true},
		"any":               {func(e *webhook.Endpoint) { e.Events = []event.Type{webhook.All} }, about(j), true},
		"any, progress":     {func(e *webhook.Endpoint) { e.Events = []event.Type{webhook.All} }, progress, false},
		"progress":          {func(e *webhook.Endpoint) { e.Events = []event.Type{event.WorkflowProgress} }, progress, true},
		"disabled":          {func(e *webhook.Endpoint) { e.Enabled = false }, about(j), false},
		"other event":       {func(e *webhook.Endpoint) { e.Events = []event.Type{event.JobStarted} }, about(j), false},
		"star":              {func(e *webhook.Endpoint) { e.Events = []event.Type{webhook.All} }, about(j), true},
		"type":              {func(e *webhook.Endpoint) { e.JobTypes = []string{"http", "command"} }, about(j), true},
		"other type":        {func(e *webhook.Endpoint) { e.JobTypes = []string{"http"} }, about(j), false},
		"template":          {func(e *webhook.Endpoint) { e.TemplateIDs = []string{"tmpl_1"} }, about(j), true},
		"other template":    {func(e *webhook.Endpoint) { e.TemplateIDs = []string{"tmpl_2"} }, about(j), false},
		"labels":            {func(e *webhook.Endpoint) { e.Labels = map[string]string{"a": "b"} }, about(j), true},
		"other label":       {func(e *webhook.Endpoint) { e.Labels = map[string]string{"a": "b", "c": "x"} }, about(j), false},
		"no job":            {func(e *webhook.Endpoint) { e.Labels = map[string]string{"a": "b"} }, about(nil), false},
		"no job, no filter": {func(*webhook.Endpoint) {}, about(nil), true},
	} {
		e := on
		c.edit(&e)
		if e.Wants(c.note) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	p := webhook.Default()
	// Full jitter: each delay lies between a second and a bound that grows.
	for n, most := range map[int]time.Duration{1: 10 * time.Second, 2: 30 * time.Second, 3: 90 * time.Second, 8: 21870 * time.Second, 9: 12 * time.Hour, 15: 12 * time.Hour} {
		if low, high := p.Delay(n, 0), p.Delay(n, 0.999999999); low != time.Second || high > most || high < most-time.Second {
			t.Errorf("after %d failures: %s to %s, want up to %s", n, low, high, most)
		}
	}
	d := webhook.Delivery{MaxAttempts: 3, Deadline: now.Add(p.Life)}
	bad := webhook.Attempt{Status: 503, Code: webhook.CodeStatus, RetryAfter: 5 * time.Minute}
	one := p.Judge(d, bad, now, 0)
	if one.Status != webhook.Failed || !one.NextAt.Equal(now.Add(5*time.Minute)) || one.Attempts != 1 || len(one.Log) != 1 {
		t.Errorf("after one: %+v", one)
	}
	bad.RetryAfter = 1000 * time.Hour
	if long := p.Judge(d, bad, now, 0); !long.NextAt.Equal(now.Add(time.Hour)) {
		t.Errorf("an answer holds a message back until %s", long.NextAt)
	}
	two := p.Judge(one, bad, now, 0)
	if three := p.Judge(two, bad, now, 0); three.Status != webhook.Dead || three.FinishedAt != now || len(three.Log) != 3 {
		t.Errorf("after three: %+v", three)
	}
	if got := p.Judge(d, webhook.Attempt{Status: 200}, now, 0); got.Status != webhook.Delivered || !got.NextAt.IsZero() {
		t.Errorf("delivered: %+v", got)
	}
	if got := p.Judge(d, webhook.Attempt{Code: "x", Final: true}, now, 0); got.Status != webhook.Dead {
		t.Errorf("final: %+v", got)
	}
	if got := p.Judge(d, webhook.Attempt{Code: "x"}, d.Deadline, 0); got.Status != webhook.Dead {
		t.Errorf("at the deadline: %+v", got)
	}
	for range 60 {
		one = p.Judge(one, bad, now, 0)
	}
	if len(one.Log) != webhook.MaxLog {
		t.Errorf("%d attempts are kept", len(one.Log))
	}
	if !p.Break(p.BreakAfter-1, now, 0.5).IsZero() || p.BreakAfter > 10 {
		t.Error("the breaker opens at the wrong time")
	}
	if first, late := p.Break(p.BreakAfter, now, 0.999).Sub(now), p.Break(1000, now, 0.999).Sub(now); first > p.Pause || late > p.PauseCap || late < p.PauseCap/2 {
		t.Errorf("pauses of %s and %s", first, late)
	}
	if p.Room(webhook.Health{}) != webhook.PerTarget || p.Room(webhook.Health{Failures: p.BreakAfter}) != 1 {
		t.Error("room")
	}
	if h := (webhook.Health{Failures: 9, FailingSince: now}); p.Disable(h, now.Add(p.DisableAfter-1)) || !p.Disable(h, now.Add(p.DisableAfter)) {
		t.Error("disabled at the wrong time")
	}
}
