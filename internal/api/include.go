package api

import (
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/forecast"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/timetable"
)

// This file has what lists show on demand beside their items (include=...): each
// costs a bounded number of statements, whatever the number of items.

// Bounds of what is shown on demand.
const (
	latestResults  = 20     // runs of one workflow or schedule
	latestSent     = 100    // deliveries of one webhook
	latestOfFlow   = 10_000 // runs of one workflow, to count those of versions
	maxHistogram   = 200_000
	maxTypical     = 40 // kinds of runs
	typicalRuns    = 50 // runs of one kind
	nextNominals   = 3
	defaultBucket  = 3600
	maxBucket      = 31 * 24 * 3600
	scheduleBatch  = 500
	maxWalkedPages = 20
)

func includeParam(what ...string) param {
	p := listParam("include", "also show", what...)
	p.Doc = "also show these; a comma separates them"
	return p
}

// includes reports whether the request asks for something beside the items.
func (r *request) includes(what string) bool { return slices.Contains(r.query["include"], what) }

// includeRuns adds to a page of runs what was asked for.
func (s *service) includeRuns(r *request, p store.ListRuns, page []run.Run, out *wire.RunList) error {
	if r.includes("histogram") {
		bucket := time.Duration(r.query.number("bucket", defaultBucket)) * time.Second
		bars, complete, err := s.Store.Views.RunsByTime(r.Context(), store.RunsByTime{Filter: p, Bucket: bucket, Most: maxHistogram})
		if err != nil {
			return err
		}
		out.Histogram = histogram(bars, bucket, complete)
	}
	if !r.includes("typical") {
		return nil
	}
	seen := map[store.Kind]bool{}
	var kinds []store.Kind
	note := func(k store.Kind) {
		if !seen[k] && len(kinds) < maxTypical {
			seen[k], kinds = true, append(kinds, k)
		}
	}
	for _, v := range page {
		note(store.Kind{JobType: v.JobType, TemplateID: v.TemplateID})
	}
	for _, v := range page {
		note(store.Kind{JobType: v.JobType})
	}
	var err error
	out.Typical, err = s.typical(r, kinds)
	return err
}

// typical is how long runs of the kinds take, without those of which nothing is known.
func (s *service) typical(r *request, kinds []store.Kind) ([]wire.TypicalDuration, error) {
	found, err := s.typicalOf(r, kinds)
	out := []wire.TypicalDuration{}
	for _, k := range kinds {
		if t, ok := found[k]; ok {
			out = append(out, t)
		}
	}
	return out, err
}

func (s *service) typicalOf(r *request, kinds []store.Kind) (map[store.Kind]wire.TypicalDuration, error) {
	found, err := s.Store.Runs.Durations(r.Context(), store.Durations{Kinds: kinds, Last: typicalRuns})
	if err != nil {
		return nil, err
	}
	took := map[store.Kind][]time.Duration{}
	for _, d := range found {
		took[d.Kind] = append(took[d.Kind], d.Took)
	}
	out := map[store.Kind]wire.TypicalDuration{}
	for k, list := range took {
		span := forecast.Learn(list)
		out[k] = wire.TypicalDuration{
			JobType: k.JobType, TemplateID: filled(k.TemplateID), MedianMs: span.Median.Milliseconds(), P90Ms: span.P90.Milliseconds(), Runs: span.Count,
		}
	}
	return out, nil
}

func histogram(bars []store.RunBar, bucket time.Duration, complete bool) *wire.RunHistogram {
	out := &wire.RunHistogram{BucketMs: bucket.Milliseconds(), Bars: []wire.RunBar{}, Complete: complete}
	for _, b := range bars {
		last := len(out.Bars) - 1
		if last < 0 || !out.Bars[last].At.Equal(b.At) {
			out.Bars = append(out.Bars, wire.RunBar{At: b.At.UTC()})
			last++
		}
		switch b.State {
		case run.Active:
			out.Bars[last].Active = b.Count
		case run.Completed:
			out.Bars[last].Completed = b.Count
		case run.Failed:
			out.Bars[last].Failed = b.Count
		case run.Skipped:
			out.Bars[last].Skipped = b.Count
		}
	}
	return out
}

// includeWorkflows adds to a page of workflows what was asked for, as far as the caller
// may read it.
func (s *service) includeWorkflows(r *request, items []wire.Workflow) error {
	ids := make([]string, len(items))
	for i, w := range items {
		ids[i] = w.WorkflowID
	}
	if r.includes("results") {
		found, err := s.Store.Views.WorkflowResults(r.Context(), store.AskResults{Tenant: r.tenant(), IDs: ids, Last: latestResults})
		if err != nil {
			return err
		}
		for i, id := range ids {
			items[i].Results = wire.WorkflowResultsOf(found[id])
		}
	}
	if r.includes("approvals") && r.principal.May(access.ApprovalsRead) {
		waiting, err := s.Store.Views.WaitingApprovals(r.Context(), r.tenant())
		if err != nil {
			return err
		}
		for i, id := range ids {
			items[i].PendingApprovals = new(waiting[id])
		}
	}
	if !r.includes("next") || !r.principal.May(access.SchedulesRead) {
		return nil
	}
	return s.eachSchedule(r, []agenda.Status{agenda.Active}, func(x agenda.Schedule) {
		at := slices.Index(ids, x.Target.WorkflowID)
		if x.Target.WorkflowID == "" {
			at = slices.IndexFunc(ids, func(id string) bool { return starts(x.Target, id) })
		}
		if at < 0 || x.State.Next.IsZero() {
			return
		}
		if w := &items[at]; w.NextRunAt == nil || x.State.Next.Before(*w.NextRunAt) {
			w.NextRunAt, w.NextScheduleID = new(x.State.Next.UTC()), &x.ID
		}
	})
}

// eachSchedule walks over the tenant's schedules, up to 10,000, by name.
func (s *service) eachSchedule(r *request, statuses []agenda.Status, each func(agenda.Schedule)) error {
	p := store.ListSchedules{Tenant: r.tenant(), Statuses: statuses, Limit: scheduleBatch}
	for range maxWalkedPages {
		page, err := s.Store.Schedules.List(r.Context(), p)
		if err != nil {
			return err
		}
		for _, x := range page.Schedules {
			each(x)
			p.AfterName = x.Name
		}
		if !page.More {
			return nil
		}
	}
	return nil
}

// includeSchedules adds to a page of schedules what was asked for.
func (s *service) includeSchedules(r *request, find timetable.Finder, page []agenda.Schedule, items []wire.Schedule) error {
	if r.includes("results") {
		ids := make([]string, len(page))
		for i, x := range page {
			ids[i] = x.ID
		}
		found, err := s.Store.Views.ScheduleResults(r.Context(), store.AskResults{Tenant: r.tenant(), IDs: ids, Last: latestResults})
		if err != nil {
			return err
		}
		for i, id := range ids {
			items[i].Results = wire.ScheduleResultsOf(found[id])
		}
	}
	if !r.includes("next") {
		return nil
	}
	stop, done, err := s.lookAhead(r)
	if err != nil {
		return err
	}
	defer done()
	for i, x := range page {
		if x.State.Status != agenda.Active {
			continue
		}
		if list, err := s.nominals(x, find, s.Clock.Now(), nextNominals+1, stop); err == nil {
			items[i].Next = wire.NominalsOf(list, shown(x), nextNominals)
		}
	}
	return r.Context().Err()
}

// nominals are those of a schedule behind an instant, with those that are skipped.
func (s *service) nominals(x agenda.Schedule, find timetable.Finder, from time.Time, count int, stop func() bool) ([]schedule.Nominal, error) {
	t, err := wire.StoredTiming(x.Definition)
	if err != nil {
		return nil, err
	}
	trigger, err := t.Compile(find, s.Zone, x.ID)
	if err != nil {
		return nil, err
	}
	return timetable.Preview(trigger, from, count, stop)
}

func shown(x agenda.Schedule) func(schedule.Nominal, time.Time) wire.ScheduleNominal {
	return func(n schedule.Nominal, following time.Time) wire.ScheduleNominal {
		return wire.ScheduleNominalOf(x, n, following)
	}
}

// includeRates adds to a page of webhooks how their latest deliveries went.
func (s *service) includeRates(r *request, items []wire.Webhook) error {
	if !r.includes("rate") {
		return nil
	}
	p := store.AskResults{Tenant: r.tenant(), Last: latestSent}
	for _, w := range items {
		p.IDs = append(p.IDs, w.WebhookID)
	}
	found, err := s.Store.Views.DeliveryResults(r.Context(), p)
	for i, id := range p.IDs {
		t := found[id]
		items[i].Rate = &wire.DeliveryRate{
			Deliveries: t.Delivered + t.Failed + t.Dead + t.Pending, Delivered: t.Delivered, Failed: t.Failed, Dead: t.Dead, Pending: t.Pending,
		}
	}
	return err
}

// maxWaiters is how many waiting jobs are looked at for those that need a lock.
const maxWaiters = 1000

// includeWaiters adds to locks who waits for them, in order.
func (s *service) includeWaiters(r *request, items []wire.Lock) error {
	if !r.includes("waiters") || len(items) == 0 {
		return nil
	}
	at := map[string]int{}
	for i, l := range items {
		at[l.Name] = i
		items[i].Waiters = []wire.LockWaiter{}
	}
	add := func(locks []string, w wire.LockWaiter) {
		for _, name := range locks {
			if i, ok := at[name]; ok {
				items[i].Waiters = append(items[i].Waiters, w)
			}
		}
	}
	direct, err := s.Store.Direct.Waiting(r.Context())
	if err != nil {
		return err
	}
	for _, d := range direct {
		w := wire.LockWaiter{Kind: "direct", OtherTenant: d.Tenant != r.tenant()}
		if !w.OtherTenant {
			w.RunID, w.Name = &d.RunID, &d.Kind
		}
		add(d.Locks, w)
	}
	front, err := s.Store.Order.Front(r.Context(), maxWaiters)
	if err != nil {
		return err
	}
	for i, j := range front.Jobs {
		w := wire.LockWaiter{Kind: "job", OtherTenant: j.Tenant != r.tenant(), Position: new(i)}
		if !w.OtherTenant {
			w.JobID, w.Name = &j.ID, &j.Name
		}
		add(j.Locks, w)
	}
	return nil
}
