package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

func webhookChecks() []check {
	return []check{
		{"Webhooks/KeepEveryField", webhookFields},
		{"Webhooks/NamesVersionsAndTenants", webhookVersions},
		{"Webhooks/JobSecretsStayUntilRotated", webhookSecrets},
		{"Outbox/NotesWhatIsWanted", outboxNotes},
		{"Outbox/NotesTheJobsOwnWebhook", outboxJobWebhook},
		{"Outbox/NotesTheRunAsItEnded", outboxRun},
		{"Outbox/NotesTheRunOfWhatIsSkipped", outboxSkipped},
		{"Outbox/NothingWithoutTheEvent", outboxAtomic},
		{"Outbox/ExpandsOnce", outboxExpand},
		{"Outbox/TakesOnceAmongMany", outboxTakeRace},
		{"Outbox/BoundsEachTarget", outboxBounds},
		{"Outbox/LostLeaseIsRepeated", outboxLease},
		{"Outbox/BreakerHoldsBack", outboxBreaker},
		{"Outbox/DisablesTheGone", outboxGone},
		{"Outbox/DisablesWhatFailsForLong", outboxFailing},
		{"Outbox/EndsWhatIsTooLate", outboxDeadline},
		{"Outbox/Redeliver", outboxRedeliver},
		{"Outbox/ListAndExpire", outboxList},
	}
}

func newEndpoint(name string, edit ...func(*webhook.Endpoint)) webhook.Endpoint {
	e := webhook.Endpoint{
		ID: id.New(id.Webhook, base), Tenant: tenant, Name: name, URL: "https://" + name + ".example/in", Events: []event.Type{webhook.All},
		MaxAttempts: 16, Enabled: true, Secrets: webhook.Secrets{Current: webhook.NewSecret(), RotatedAt: base},
		CreatedBy: "tester", Version: 1, CreatedAt: base, UpdatedAt: base,
	}
	for _, f := range edit {
		f(&e)
	}
	return e
}

func addEndpoint(t testing.TB, s store.Store, e webhook.Endpoint) webhook.Endpoint {
	t.Helper()
	e, err := s.Webhooks.Create(t.Context(), store.PutWebhook{Endpoint: e})
	if err != nil {
		t.Fatalf("create webhook: %v", err)
	}
	return e
}

// reveal replaces what comparing cannot look into.
func reveal(e webhook.Endpoint) (webhook.Endpoint, []string) {
	keys := []string{e.Secrets.Current.Reveal(), e.Secrets.Previous.Reveal()}
	e.Secrets.Current, e.Secrets.Previous = webhook.Secret{}, webhook.Secret{}
	return e, keys
}

func webhookFields(t *testing.T, s store.Store) {
	want := newEndpoint(`näme "x"`, func(e *webhook.Endpoint) {
		e.Description, e.Events = "d\n", []event.Type{event.JobQueued, event.JobRunFailed}
		e.JobTypes, e.TemplateIDs, e.Labels = []string{"command"}, []string{"tmpl_x"}, map[string]string{"k": "v"}
		e.MaxAttempts, e.Enabled, e.DisabledReason, e.DisabledAt = 3, false, webhook.ByHand, base
		e.Secrets = e.Secrets.Rotate(webhook.NewSecret(), base, time.Hour)
	})
	addEndpoint(t, s, want)
	for _, by := range []string{want.ID, want.Name} {
		got, err := s.Webhooks.Endpoint(t.Context(), tenant, by)
		if err != nil {
			t.Fatal(err)
		}
		a, keysA := reveal(want)
		b, keysB := reveal(got)
		if d := diff(a, b); d != "" || diff(keysA, keysB) != "" {
			t.Errorf("read by %s: %s", by, d) // keys are not shown
		}
	}
}

func webhookVersions(t *testing.T, s store.Store) {
	a, b := addEndpoint(t, s, newEndpoint("a")), addEndpoint(t, s, newEndpoint("b"))
	_, err := s.Webhooks.Create(t.Context(), store.PutWebhook{Endpoint: newEndpoint("a")})
	wantCode(t, err, fault.NameTaken)
	b.Version, b.Name = 2, "a"
	_, err = s.Webhooks.Update(t.Context(), store.PutWebhook{Endpoint: b})
	wantCode(t, err, fault.NameTaken)
	a.Version, a.URL = 2, "https://other.example/"
	entry := &audit.Entry{Tenant: tenant, At: base, Actor: audit.Actor{Name: "x"}, Action: audit.WebhookUpdated, Object: a.ID}
	if _, err := s.Webhooks.Update(t.Context(), store.PutWebhook{Endpoint: a, Audit: entry}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Webhooks.Update(t.Context(), store.PutWebhook{Endpoint: a})
	wantCode(t, err, fault.VersionMismatch)
	page, err := s.Webhooks.List(t.Context(), store.ListWebhooks{Tenant: tenant, Limit: 1})
	if err != nil || len(page.Endpoints) != 1 || !page.More || page.Endpoints[0].URL != a.URL {
		t.Errorf("first page: %d, %v, %v", len(page.Endpoints), page.More, err)
	}
	page, err = s.Webhooks.List(t.Context(), store.ListWebhooks{Tenant: tenant, AfterName: "a", Limit: 5})
	if err != nil || len(page.Endpoints) != 1 || page.Endpoints[0].Name != "b" {
		t.Errorf("second page: %d, %v", len(page.Endpoints), err)
	}
	_, err = s.Webhooks.Endpoint(t.Context(), "ten_other", a.ID)
	wantCode(t, err, fault.NotFound)
	wantCode(t, s.Webhooks.Delete(t.Context(), store.DeleteWebhook{Tenant: "ten_other", ID: a.ID}), fault.NotFound)
	if err := s.Webhooks.Delete(t.Context(), store.DeleteWebhook{Tenant: tenant, ID: a.ID}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Webhooks.Endpoint(t.Context(), tenant, a.ID)
	wantCode(t, err, fault.NotFound)
}

func webhookSecrets(t *testing.T, s store.Store) {
	first, second := webhook.NewSecret(), webhook.NewSecret()
	got, err := s.Webhooks.JobSecrets(t.Context(), tenant, first)
	if err != nil || got.Current != first {
		t.Fatalf("the first candidate was not taken: %v", err)
	}
	if got, err = s.Webhooks.JobSecrets(t.Context(), tenant, second); err != nil || got.Current != first {
		t.Fatalf("a later candidate was taken: %v", err)
	}
	got, err = s.Webhooks.RotateJobSecrets(t.Context(), store.RotateSecrets{Tenant: tenant, Next: second, At: base, Overlap: time.Hour})
	if err != nil || got.Current != second || got.Previous != first || !got.PreviousUntil.Equal(base.Add(time.Hour)) {
		t.Errorf("after the rotation: %v, %v", got, err)
	}
}

func notes(t testing.TB, s store.Store) []webhook.Note {
	t.Helper()
	out, err := s.Outbox.Notes(t.Context(), 1000)
	if err != nil {
		t.Fatalf("notes: %v", err)
	}
	return out
}

// outboxWaits checks what Outbox.Waits says.
func outboxWaits(t testing.TB, s store.Store, want bool) {
	t.Helper()
	if got, err := s.Outbox.Waits(t.Context()); err != nil || got != want {
		t.Errorf("the outbox waits: %t, %v", got, err)
	}
}

func noteTypes(ns []webhook.Note) []event.Type {
	var out []event.Type
	for _, n := range ns {
		out = append(out, n.Event.Type)
	}
	return out
}

func outboxNotes(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob())
	if n := notes(t, s); len(n) != 0 {
		t.Errorf("%d notes although nobody wants anything", len(n))
	}
	outboxWaits(t, s, false)
	wants := func(types ...event.Type) func(*webhook.Endpoint) {
		return func(e *webhook.Endpoint) { e.Events = types }
	}
	a := addEndpoint(t, s, newEndpoint("a", wants(event.JobQueued, event.TemplateCreated)))
	addEndpoint(t, s, newEndpoint("off", func(e *webhook.Endpoint) { e.Enabled = false }))
	j := add(t, s, newJob(named("second")))[0]
	create(t, s, newTemplate("t"))
	scale(t, s, 3)
	got := notes(t, s)
	if len(got) != 2 {
		t.Fatalf("notes: %v", noteTypes(got))
	}
	outboxWaits(t, s, true)
	for _, n := range got {
		if len(n.Subscribers) != 1 || n.Subscribers[0].ID != a.ID {
			t.Errorf("%s goes to %d endpoints", n.Event.Type, len(n.Subscribers))
		}
		if n.Event.Type != event.JobQueued {
			continue
		}
		if n.Subject.Job == nil || n.Subject.Job.Name != "second" || n.Event.JobID != j.ID || !n.Event.At.Equal(base) {
			t.Errorf("the note holds %+v", n.Subject.Job)
		}
	}
	a.Version, a.Enabled = 2, false
	if _, err := s.Webhooks.Update(t.Context(), store.PutWebhook{Endpoint: a}); err != nil {
		t.Fatal(err)
	}
	add(t, s, newJob())
	if n := notes(t, s); len(n) != 2 {
		t.Errorf("%d notes after the endpoint was disabled", len(n))
	}
}

func outboxJobWebhook(t *testing.T, s store.Store) {
	pool(t, s, 2)
	own := func(events ...string) func(*job.Job) {
		return func(j *job.Job) { j.Webhook = job.Webhook{URL: "https://job.example/", Events: events} }
	}
	j := add(t, s, newJob(own("failed")), newJob(own()))
	claimed := claim(t, s, 2)
	for _, c := range claimed {
		succeed(t, s, c)
	}
	got := notes(t, s)
	if len(got) != 1 || got[0].Event.Type != event.JobRunCompleted || got[0].Event.JobID != j[1].ID || got[0].Subject.Job.Webhook.URL == "" {
		t.Errorf("notes: %v", noteTypes(got))
	}
}

func outboxRun(t *testing.T, s store.Store) {
	pool(t, s, 1)
	addEndpoint(t, s, newEndpoint("a", func(e *webhook.Endpoint) { e.Events = []event.Type{event.JobStarted, event.JobRunCompleted} }))
	add(t, s, newJob())
	c := claimOne(t, s)
	a := run.Artifact{ID: id.New(id.Artifact, base), Tenant: tenant, RunID: c.Run.ID, Name: "out.txt", Size: 3, SHA256: "aa", MediaType: "text/plain", CreatedAt: base}
	if err := s.Artifacts.Put(t.Context(), a, c.Run.Epoch, store.ArtifactLimits{}); err != nil {
		t.Fatal(err)
	}
	f := ending(t, c, job.Succeeded{At: base.Add(time.Second)})
	f.Run.After.Result.Outputs = map[string]string{"k": "v"}
	if err := s.Jobs.Finish(t.Context(), []store.Finish{f})[0]; err != nil {
		t.Fatal(err)
	}
	byType := map[event.Type]webhook.Subject{}
	for _, n := range notes(t, s) {
		byType[n.Event.Type] = n.Subject
	}
	if started := byType[event.JobStarted]; started.Job == nil || started.Job.State != job.Running || started.Run != nil {
		t.Errorf("job.started: %+v", started)
	}
	want, err := s.Runs.Run(t.Context(), tenant, c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	ended := byType[event.JobRunCompleted]
	if ended.Run == nil || ended.Job == nil {
		t.Fatalf("job.run.completed: %+v", ended)
	}
	same(t, "run", want, *ended.Run)
	same(t, "artifacts", []run.Artifact{a}, ended.Artifacts)
}

// outboxSkipped: a job that ends without an attempt leaves a note with its run, and
// does not keep others from starting.
func outboxSkipped(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob(func(j *job.Job) {
		j.StartDeadline, j.Webhook = base.Add(-time.Second), job.Webhook{URL: "https://example.com"}
	}), newJob(named("next")))
	if c := claimOne(t, s); c.Job.Name != "next" {
		t.Errorf("started %s", c.Job.Name)
	}
	got := notes(t, s)
	if len(got) != 1 || got[0].Event.Type != event.JobRunSkipped {
		t.Fatalf("notes: %+v", got)
	}
	if r := got[0].Subject.Run; r == nil || r.State != run.Skipped || r.Reason != job.ReasonDeadline {
		t.Errorf("run: %+v", r)
	}
}

func outboxAtomic(t *testing.T, s store.Store) {
	addEndpoint(t, s, newEndpoint("a"))
	bad := key("k")
	bad.Render = func(any) (store.Reply, error) { return store.Reply{}, fmt.Errorf("boom") }
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: bad}); err == nil {
		t.Fatal("no error")
	}
	if n := notes(t, s); len(n) != 0 {
		t.Errorf("%d notes of what did not happen", len(n))
	}
}

// message makes a delivery to an endpoint.
func message(e webhook.Endpoint, edit ...func(*webhook.Delivery)) webhook.Delivery {
	d := webhook.Delivery{
		ID: id.New(id.Delivery, base), Tenant: e.Tenant, WebhookID: e.ID, Target: e.ID, Type: event.JobQueued, JobID: "job_x", Body: []byte(`{"a":"ä"}`),
		Status: webhook.Pending, MaxAttempts: 3, NextAt: base, Deadline: base.Add(72 * time.Hour), EventAt: base, CreatedAt: base,
	}
	for _, f := range edit {
		f(&d)
	}
	return d
}

func addMessage(t testing.TB, s store.Store, d webhook.Delivery) webhook.Delivery {
	t.Helper()
	d, err := s.Outbox.Add(t.Context(), store.AddDelivery{Delivery: d})
	if err != nil {
		t.Fatalf("add delivery: %v", err)
	}
	return d
}

func take(t testing.TB, s store.Store, now time.Time, limit int) store.Taken {
	t.Helper()
	got, err := s.Outbox.Take(t.Context(), store.TakeDeliveries{Now: now, Limit: limit, Lease: time.Minute, Policy: webhook.Default()})
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	return got
}

// attempt records the outcome of a claimed delivery.
func attempt(t testing.TB, s store.Store, d webhook.Delivery, a webhook.Attempt, now time.Time) error {
	t.Helper()
	p := webhook.Default()
	a.At = now
	return s.Outbox.Record(t.Context(), []store.Outcome{{
		Delivery: p.Judge(d, a, now, 0.5), OK: a.OK(), Gone: a.Code == webhook.CodeGone, Now: now, Policy: p, Random: 0.5,
	}})[0]
}

func delivery(t testing.TB, s store.Store, ref string) webhook.Delivery {
	t.Helper()
	d, err := s.Outbox.Delivery(t.Context(), tenant, ref)
	if err != nil {
		t.Fatalf("read delivery: %v", err)
	}
	return d
}

func outboxExpand(t *testing.T, s store.Store) {
	e := addEndpoint(t, s, newEndpoint("a"))
	add(t, s, newJob())
	n := notes(t, s)
	if len(n) != 1 {
		t.Fatalf("notes: %v", noteTypes(n))
	}
	var made atomic.Int32
	together(4, func(int) {
		if err := s.Outbox.Expand(t.Context(), []store.Expansion{{NoteID: n[0].ID, Deliveries: []webhook.Delivery{message(e)}}}); err != nil {
			t.Errorf("expand: %v", err)
		}
		made.Add(1)
	})
	if got := take(t, s, base, 10).Deliveries; len(got) != 1 || made.Load() != 4 {
		t.Errorf("%d deliveries of one note", len(got))
	}
	if left := notes(t, s); len(left) != 0 {
		t.Errorf("%d notes are left", len(left))
	}
}

func outboxTakeRace(t *testing.T, s store.Store) {
	const endpoints, each = 5, 8
	for i := range endpoints {
		e := addEndpoint(t, s, newEndpoint(fmt.Sprint("e", i)))
		for range each {
			addMessage(t, s, message(e))
		}
	}
	var mu sync.Mutex
	seen, under, most := map[string]int{}, map[string]int{}, 0
	together(6, func(int) {
		for {
			got, err := s.Outbox.Take(t.Context(), store.TakeDeliveries{Now: base, Limit: 3, Lease: time.Minute, Policy: webhook.Default()})
			if err != nil {
				t.Errorf("take: %v", err)
				return
			}
			mu.Lock()
			for _, c := range got.Deliveries {
				seen[c.Delivery.ID]++
				under[c.Delivery.Target]++
				most = max(most, under[c.Delivery.Target])
			}
			done := len(seen) == endpoints*each
			mu.Unlock()
			if len(got.Deliveries) == 0 && done {
				return
			}
			for _, c := range got.Deliveries {
				mu.Lock()
				under[c.Delivery.Target]--
				mu.Unlock()
				if err := attempt(t, s, c.Delivery, webhook.Attempt{Status: 204}, base); err != nil {
					t.Errorf("record: %v", err)
				}
			}
		}
	})
	for d, n := range seen {
		if n != 1 {
			t.Errorf("%s was taken %d times", d, n)
		}
	}
	if most > webhook.PerTarget {
		t.Errorf("%d were under way to one target", most)
	}
}

func outboxBounds(t *testing.T, s store.Store) {
	busy, quiet := addEndpoint(t, s, newEndpoint("busy")), addEndpoint(t, s, newEndpoint("quiet"))
	for range 10 {
		addMessage(t, s, message(busy))
	}
	addMessage(t, s, message(quiet, func(d *webhook.Delivery) { d.NextAt = base.Add(time.Second) }))
	got := take(t, s, base, 100)
	if len(got.Deliveries) != webhook.PerTarget || !got.NextAt.Equal(base.Add(time.Second)) {
		t.Fatalf("%d taken, next at %s", len(got.Deliveries), got.NextAt)
	}
	c := got.Deliveries[0]
	if c.URL != busy.URL || c.Secrets.Current != busy.Secrets.Current || string(c.Delivery.Body) != `{"a":"ä"}` {
		t.Errorf("claimed: %s %s", c.URL, c.Delivery.Body)
	}
	if got := take(t, s, base.Add(time.Second), 100).Deliveries; len(got) != 1 || got[0].Delivery.Target != quiet.ID {
		t.Errorf("one endpoint holds up the other: %d taken", len(got))
	}
	if err := attempt(t, s, c.Delivery, webhook.Attempt{Status: 200}, base); err != nil {
		t.Fatal(err)
	}
	if got := take(t, s, base.Add(time.Second), 100).Deliveries; len(got) != 1 {
		t.Errorf("%d taken for one free place", len(got))
	}
}

// outboxLease is a crash between sending and recording: the message is sent again,
// with its id and its body, and what the dead one still says is refused.
func outboxLease(t *testing.T, s store.Store) {
	e := addEndpoint(t, s, newEndpoint("a"))
	d := addMessage(t, s, message(e))
	first := take(t, s, base, 10).Deliveries
	if len(first) != 1 || len(take(t, s, base.Add(59*time.Second), 10).Deliveries) != 0 {
		t.Fatal("not claimed once")
	}
	again := take(t, s, base.Add(61*time.Second), 10).Deliveries
	if len(again) != 1 || again[0].Delivery.ID != d.ID || string(again[0].Delivery.Body) != string(d.Body) {
		t.Fatalf("taken again: %d", len(again))
	}
	wantCode(t, attempt(t, s, first[0].Delivery, webhook.Attempt{Code: "x"}, base.Add(62*time.Second)), fault.StaleLease)
	if err := attempt(t, s, again[0].Delivery, webhook.Attempt{Status: 200}, base.Add(62*time.Second)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, attempt(t, s, again[0].Delivery, webhook.Attempt{Code: "x"}, base.Add(63*time.Second)), fault.StaleLease)
	got := delivery(t, s, d.ID)
	if got.Status != webhook.Delivered || got.Attempts != 1 || len(got.Log) != 1 || got.LastStatus != 200 || got.FinishedAt.IsZero() {
		t.Errorf("recorded: %+v", got)
	}
}

func outboxBreaker(t *testing.T, s store.Store) {
	e, p := addEndpoint(t, s, newEndpoint("a")), webhook.Default()
	for range 3 * p.BreakAfter {
		addMessage(t, s, message(e))
	}
	failures := 0
	for failures < p.BreakAfter {
		for _, c := range take(t, s, base, p.BreakAfter-failures).Deliveries {
			if err := attempt(t, s, c.Delivery, webhook.Attempt{Status: 500, Code: webhook.CodeStatus}, base); err != nil {
				t.Fatal(err)
			}
			failures++
		}
	}
	stopped := take(t, s, base, 100)
	if len(stopped.Deliveries) != 0 || stopped.NextAt.IsZero() {
		t.Fatalf("%d are sent with an open breaker", len(stopped.Deliveries))
	}
	got, err := s.Webhooks.Endpoint(t.Context(), tenant, e.ID)
	if err != nil || got.Health.Failures != failures || !got.Health.FailingSince.Equal(base) || !got.Health.OpenUntil.After(base) {
		t.Errorf("health: %+v, %v", got.Health, err)
	}
	later := base.Add(p.PauseCap)
	probe := take(t, s, later, 100).Deliveries
	if len(probe) != 1 {
		t.Fatalf("%d try a broken endpoint", len(probe))
	}
	if err := attempt(t, s, probe[0].Delivery, webhook.Attempt{Status: 200}, later); err != nil {
		t.Fatal(err)
	}
	if n := len(take(t, s, later, 100).Deliveries); n != webhook.PerTarget {
		t.Errorf("%d are sent to an endpoint that works again", n)
	}
}

func outboxGone(t *testing.T, s store.Store) {
	e := addEndpoint(t, s, newEndpoint("a"))
	first, second := addMessage(t, s, message(e)), addMessage(t, s, message(e))
	for _, c := range take(t, s, base, 1).Deliveries {
		if err := attempt(t, s, c.Delivery, webhook.Attempt{Status: 410, Code: webhook.CodeGone, Final: true}, base); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Webhooks.Endpoint(t.Context(), tenant, e.ID)
	if err != nil || got.Enabled || got.DisabledReason != webhook.Gone || got.Version != 2 {
		t.Fatalf("endpoint: %+v, %v", got, err)
	}
	if n := take(t, s, base, 10); len(n.Deliveries) != 0 {
		t.Errorf("%d are sent to a disabled endpoint", len(n.Deliveries))
	}
	codes := map[string]bool{}
	for _, d := range []webhook.Delivery{delivery(t, s, first.ID), delivery(t, s, second.ID)} {
		codes[d.ErrorCode] = true
		if d.Status != webhook.Dead {
			t.Errorf("%s is %s", d.ID, d.Status)
		}
	}
	same(t, "codes", map[string]bool{webhook.CodeGone: true, webhook.CodeDisabled: true}, codes)
	_, err = s.Outbox.Redeliver(t.Context(), store.Redeliver{Tenant: tenant, ID: first.ID, Now: base, Life: time.Hour})
	wantCode(t, err, fault.WebhookDisabled)
	page, err := s.Audit.List(t.Context(), store.ListAudit{Tenant: tenant, Object: e.ID, Limit: 10})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Action != audit.WebhookDisabled {
		t.Errorf("audit: %+v, %v", page.Entries, err)
	}
	add(t, s, newJob())
	if n := notes(t, s); len(n) != 0 {
		t.Errorf("%d notes for a disabled endpoint", len(n))
	}
}

func outboxFailing(t *testing.T, s store.Store) {
	e, p := addEndpoint(t, s, newEndpoint("a")), webhook.Default()
	fail := func(now time.Time) {
		t.Helper()
		d := addMessage(t, s, message(e, func(d *webhook.Delivery) { d.NextAt, d.Deadline = now, now.Add(time.Hour) }))
		for _, c := range take(t, s, now, 1).Deliveries {
			d = c.Delivery
		}
		if err := attempt(t, s, d, webhook.Attempt{Code: "target_unreachable"}, now); err != nil {
			t.Fatal(err)
		}
	}
	for i := range p.BreakAfter {
		fail(base.Add(time.Duration(i) * time.Second))
	}
	if got, err := s.Webhooks.Endpoint(t.Context(), tenant, e.ID); err != nil || !got.Enabled {
		t.Fatalf("disabled at once: %v", err)
	}
	fail(base.Add(p.DisableAfter + time.Minute))
	got, err := s.Webhooks.Endpoint(t.Context(), tenant, e.ID)
	if err != nil || got.Enabled || got.DisabledReason != webhook.Failing {
		t.Errorf("endpoint: %+v, %v", got, err)
	}
}
