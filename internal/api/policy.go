package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// This file holds what a template and a job may say about when and how often a
// job starts: limits, uniqueness, start deadlines, crash policy.

// ruled completes a composed job, whose params are checked, by what the input
// says and, where it says nothing, by what the template does.
func (s *service) ruled(r *request, j job.Job, in wire.JobInput, t job.Template) (job.Job, error) {
	kind, err := s.Tasks.Find(j.Type)
	if err != nil {
		return j, err
	}
	if j.OnCrash, err = crashPolicy(r.principal, kind, in, t); err != nil {
		return j, err
	}
	own := in.Limits.Domain()
	if err := knownParams(kind, own.KeyParams, "/limits/key"); err != nil {
		return j, err
	}
	if own, err = own.Within(t.Limits); err == nil {
		err = own.Validate(j.TemplateID != "")
	}
	if err != nil {
		return j, within(err, "/limits")
	}
	if j.Limits, err = own.For(j); err != nil {
		return j, err
	}
	u, err := s.uniqueRule(r, in, t)
	if err != nil {
		return j, err
	}
	if u != nil {
		if j.UniqueKey, err = u.Key(j); err != nil {
			return j, err
		}
	}
	now := s.now()
	var late *wire.Moment
	switch {
	case in.StartDeadline != nil:
		late = in.StartDeadline
	case t.StartDeadline > 0:
		m := wire.Moment(wire.Duration(t.StartDeadline).String())
		late = &m
	}
	j.StartDeadline, err = deadline(late, j.NotBefore, now)
	return j, err
}

func (s *service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// deadline reads a start deadline. A duration counts from when the job may start.
func deadline(m *wire.Moment, notBefore, now time.Time) (time.Time, error) {
	if m == nil || *m == "" {
		return time.Time{}, nil
	}
	from := now
	if notBefore.After(now) {
		from = notBefore
	}
	at, err := m.Time(from)
	if err != nil {
		return at, fault.New(fault.InvalidInput, "start_deadline cannot be read").
			At("/start_deadline", "format", "must be a time such as 2026-01-31T12:00:00Z, or a duration such as PT1H")
	}
	return at, checkDeadline(at, from)
}

func checkDeadline(at, from time.Time) error {
	if !at.IsZero() && !at.After(from) {
		return fault.New(fault.InvalidInput, "the job could never start: its start deadline is not later than now and run_at").
			At("/start_deadline", "out_of_range", "must be later than now and run_at")
	}
	return nil
}

// crashPolicy is the crash policy of a job. Where a person has to look at what a
// crash left behind, only who may write templates can decide otherwise.
func crashPolicy(p access.Principal, kind task.Task, in wire.JobInput, t job.Template) (job.CrashPolicy, error) {
	under := t.OnCrash
	if under == "" {
		under = kind.OnCrash()
	}
	own, err := wire.Crash(in.CrashPolicy, in.RetryOnRestart)
	if durable(kind) && err == nil {
		return job.CrashResume, noCrashPolicy(own)
	}
	if err != nil || own == "" {
		return under, err
	}
	if under == job.CrashAsk && own != job.CrashAsk && !p.May(access.TemplatesWrite) {
		return own, fault.From(p.Require(access.TemplatesWrite)).
			At("/crash_policy", "forbidden", "is ask, so that a person looks at what a crash left behind")
	}
	return own, nil
}

// durable reports whether runs of a job type go on after a crash, whatever anybody
// says.
func durable(kind task.Task) bool {
	_, is := kind.(task.Durable)
	return is
}

// noCrashPolicy refuses a crash policy for a durable job type.
func noCrashPolicy(own job.CrashPolicy) error {
	if own == "" {
		return nil
	}
	return fault.New(fault.InvalidInput, "runs of this job type go on after a crash of the server").
		At("/crash_policy", "not_allowed", "must be absent, and retry_on_restart too")
}

// uniqueRule is the rule in force; nil = the job may have equals.
func (s *service) uniqueRule(r *request, in wire.JobInput, t job.Template) (*job.Unique, error) {
	if in.Unique == nil {
		return t.Unique, nil
	}
	kind, err := s.Tasks.Find(t.Type)
	if err != nil {
		return nil, err
	}
	u := in.Unique.Domain()
	if err := u.Validate(); err != nil {
		return nil, within(err, "/unique")
	}
	if u.Return && !r.principal.May(access.JobsRead) {
		return nil, fault.From(r.principal.Require(access.JobsRead)).At("/unique/on_conflict", "forbidden", "shows a job")
	}
	return u, knownParams(kind, u.By, "/unique/by")
}

// uniqueness is what the store looks for; nil = nothing.
func (s *service) uniqueness(r *request, in wire.JobInput, t job.Template) (*store.Unique, error) {
	u, err := s.uniqueRule(r, in, t)
	if err != nil || u == nil {
		return nil, err
	}
	out := &store.Unique{States: u.Counts(), Return: u.Return && r.principal.May(access.JobsRead)}
	if u.Period > 0 {
		out.Since = s.now().Add(-u.Period)
	}
	return out, nil
}

// uniqueAgain is what the store looks for when the params of a job from a template
// change; nil = nothing.
func (s *service) uniqueAgain(r *request, j job.Job) (*store.Unique, error) {
	t, err := s.Store.Templates.Version(r.Context(), r.tenant(), j.TemplateID, j.TemplateVersion)
	if err != nil {
		return nil, err
	}
	return s.uniqueness(r, wire.JobInput{}, t)
}

// knownParams refuses pointers to params that the job type does not have: a
// misspelled name would make all jobs equal.
func knownParams(kind task.Task, pointers []string, at string) error {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Additional json.RawMessage            `json:"additionalProperties"`
	}
	if err := json.Unmarshal(kind.Schema(), &schema); err != nil {
		return fmt.Errorf("read schema of %s: %w", kind.Type(), err)
	}
	if string(schema.Additional) != "false" {
		return nil // not a closed list
	}
	for i, p := range pointers {
		first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(first)
		if _, ok := schema.Properties[name]; ok {
			continue
		}
		detail := "is not a param of job type " + kind.Type()
		if near := strict.Closest(name, slices.Clone(sortedKeys(schema.Properties))); near != "" {
			detail += "; did you mean " + near + "?"
		}
		return fault.Newf(fault.InvalidInput, "%q is not a param of job type %s", clip(name), kind.Type()).At(at+"/"+itoa(i), "unknown_value", detail)
	}
	return nil
}

// ruleTemplate writes into t what the input says about limits, uniqueness, start
// deadline and crash policy.
func ruleTemplate(t *job.Template, kind task.Task, in wire.JobTemplateInput) error {
	t.Limits = in.Limits.Domain()
	if len(t.Limits.KeyParams) > 0 {
		t.Limits.MaxPerKey = max(t.Limits.MaxPerKey, 1)
	}
	if err := firstOf(within(t.Limits.Validate(true), "/limits"), knownParams(kind, t.Limits.KeyParams, "/limits/key")); err != nil {
		return err
	}
	if t.Unique = in.Unique.Domain(); t.Unique != nil {
		if err := firstOf(within(t.Unique.Validate(), "/unique"), knownParams(kind, t.Unique.By, "/unique/by")); err != nil {
			return err
		}
	}
	if t.StartDeadline = in.StartDeadline.Or(0); in.StartDeadline != nil && t.StartDeadline < time.Millisecond {
		return fault.New(fault.InvalidInput, "start_deadline must be longer than a millisecond").At("/start_deadline", "out_of_range", "must be at least PT0.001S")
	}
	var err error
	if t.OnCrash, err = wire.Crash(in.CrashPolicy, in.RetryOnRestart); err == nil && durable(kind) {
		return noCrashPolicy(t.OnCrash)
	}
	return err
}

// oneCrashPolicy lets a merge patch that names one of crash_policy and
// retry_on_restart overrule the other, which came from what is stored.
func oneCrashPolicy(body []byte, in *wire.JobTemplateInput) {
	var patch map[string]json.RawMessage
	if json.Unmarshal(body, &patch) != nil {
		return // the schema has refused it
	}
	_, policy := patch["crash_policy"]
	_, restart := patch["retry_on_restart"]
	if policy && !restart {
		in.RetryOnRestart = nil
	}
	if restart && !policy {
		in.CrashPolicy = ""
	}
}

// edited is the event of a merge patch of a waiting job.
func (s *service) edited(r *request, j job.Job, now time.Time) (job.Edited, error) {
	is := wire.JobPatch{
		Params: wire.Object(j.Params),
		Name:   &j.Name, Priority: &j.Priority, Labels: j.Labels, Timeout: wire.DurationOf(j.Timeout), StartDeadline: wire.MomentOf(j.StartDeadline),
	}
	if !j.NotBefore.IsZero() {
		is.RunAt = &j.NotBefore
	}
	in, err := patched(s, r, is)
	if err != nil {
		return job.Edited{}, err
	}
	if in.Priority == nil {
		return job.Edited{}, fault.New(fault.InvalidInput, "a job cannot be without priority").At("/priority", "wrong_type", "must be a whole number from 0 to 9")
	}
	if in.Name == nil {
		return job.Edited{}, fault.New(fault.InvalidInput, "a job cannot be without name").At("/name", "wrong_type", "must be text")
	}
	if in.Labels == nil {
		in.Labels = map[string]string{}
	}
	if err := firstOf(checkLabels(in.Labels), checkTimeout(in.Timeout)); err != nil {
		return job.Edited{}, err
	}
	var notBefore, late time.Time
	if in.RunAt != nil {
		notBefore = in.RunAt.UTC()
	}
	switch changed := in.StartDeadline != nil && (is.StartDeadline == nil || *in.StartDeadline != *is.StartDeadline); {
	case changed && j.Attempt > 0:
		return job.Edited{}, fault.New(fault.InvalidInput, "the job has started before, so no start deadline counts any more").
			At("/start_deadline", "not_allowed", "must be absent: the job has started before")
	case changed:
		late, err = deadline(in.StartDeadline, notBefore, now)
	case in.StartDeadline != nil:
		if late = j.StartDeadline; notBefore.After(j.NotBefore) && j.Attempt == 0 {
			err = checkDeadline(late, notBefore)
		}
	}
	if err != nil {
		return job.Edited{}, err
	}
	work, err := s.rework(r, j)
	timeout := in.Timeout.Or(0)
	return job.Edited{
		Work: work,
		At:   now, Name: in.Name, Timeout: &timeout, Priority: in.Priority, Labels: in.Labels, NotBefore: &notBefore, StartDeadline: &late,
	}, err
}

// notUnique says where the equal job is.
func notUnique(err error) error {
	if !fault.Is(err, fault.NotUnique) {
		return err
	}
	f := fault.From(err)
	other := f.Fields[0].Detail
	return &elsewhere{
		error:    f.WithHint("see it at /api/jobs/" + other + `; with "on_conflict": "return" in unique you get it instead of this answer`),
		location: "/api/jobs/" + other,
	}
}
