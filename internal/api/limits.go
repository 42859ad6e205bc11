package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) limitRoutes() []operation {
	limits := []answer{{Status: http.StatusOK, Doc: "the limits and what runs", Body: wire.Limits{}}}
	rules := []answer{{Status: http.StatusOK, Doc: "the rules", Body: wire.Rules{}}}
	return []operation{
		{
			ID: "get_limits", Method: http.MethodGet, Path: "/api/limits", Scope: access.SystemRead, Tag: "queue",
			Summary: "Show how many jobs may run at a time", Answers: limits, Handle: s.getLimits,
		},
		{
			ID: "patch_limits", Method: http.MethodPatch, Path: "/api/limits", Scope: access.WorkersWrite, Tag: "queue",
			Summary: "Change how many jobs may run at a time",
			Doc:     "Limits take effect at once; a lower one stops no running job. Names of job types, templates and tenants must exist; null removes a limit.",
			Body:    wire.LimitsPatch{}, Patch: true, Matches: true, Answers: limits, Handle: s.patchLimits,
		},
		{
			ID: "get_settings", Method: http.MethodGet, Path: "/api/settings", Scope: access.SystemRead, Tag: "queue",
			Summary: "Show the rules by which the queue decides", Answers: rules, Handle: s.getSettings,
		},
		{
			ID: "patch_settings", Method: http.MethodPatch, Path: "/api/settings", Scope: access.SettingsWrite, Tag: "queue",
			Summary: "Change the rules by which the queue decides", Doc: "They are stored and take effect at once; null restores a default.",
			Body: wire.RulesPatch{}, Patch: true, Matches: true, Answers: rules, Handle: s.patchSettings,
		},
	}
}

// setRules changes the rules of the queue. shown is the representation that
// If-Match is about.
func (s *service) setRules(r *request, what audit.Action, shown func(store.Settings) (any, error), edit func(job.Rules) (job.Rules, error)) (store.Settings, error) {
	return again(func() (store.Settings, error) {
		set, err := s.Store.Queue.Settings(r.Context())
		if err != nil {
			return set, err
		}
		if r.ifMatch != nil {
			now, err := shown(set)
			if err != nil {
				return set, err
			}
			if err := r.match(etag(set.Version), now); err != nil {
				return set, err
			}
		}
		rules, err := edit(set.Rules)
		if err != nil {
			return set, err
		}
		entry, err := s.record(r, change{Action: what, Before: set.Rules, After: rules, Detail: rulesChanged(set.Rules, rules)})
		if err != nil {
			return set, err
		}
		return s.Store.Queue.SetRules(r.Context(), store.SetRules{
			Rules: rules, IfVersion: set.Version, Tenant: r.tenant(), At: s.Clock.Now().UTC().Truncate(time.Millisecond), Audit: entry,
		})
	})
}

// rulesChanged names what differs, for the record.
func rulesChanged(before, after job.Rules) map[string]string {
	out := map[string]string{}
	a, b := fieldsOf(wire.LimitsPatchOf(before)), fieldsOf(wire.LimitsPatchOf(after))
	maps.Copy(a, fieldsOf(wire.RulesPatchOf(before)))
	maps.Copy(b, fieldsOf(wire.RulesPatchOf(after)))
	for name := range b {
		if string(a[name]) != string(b[name]) {
			out[name] = clip(string(b[name]))
		}
	}
	for name := range a {
		if _, still := b[name]; !still {
			out[name] = "none"
		}
	}
	return out
}

func fieldsOf(v any) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic("api: fields: " + err.Error()) // plain values always encode
	}
	return out
}

func (s *service) getSettings(r *request) (reply, error) {
	set, err := s.Store.Queue.Settings(r.Context())
	return reply{Status: http.StatusOK, ETag: etag(set.Version), Body: wire.RulesOf(set)}, err
}

func (s *service) patchSettings(r *request) (reply, error) {
	set, err := s.setRules(r, audit.RulesUpdated, func(set store.Settings) (any, error) { return wire.RulesOf(set), nil },
		func(rules job.Rules) (job.Rules, error) {
			in, err := patched(s, r, wire.RulesPatchOf(rules))
			if err != nil {
				return rules, err
			}
			return in.Rules(rules), firstOf(
				inBounds("/max_overtake_age", in.MaxOvertakeAge, job.MaxOvertakeAgeBound),
				inBounds("/direct_wait_timeout", in.DirectWaitTimeout, job.MaxDirectTimeout))
		})
	return reply{Status: http.StatusOK, ETag: etag(set.Version), Body: wire.RulesOf(set)}, err
}

// inBounds checks a duration, which must be at least a millisecond.
func inBounds(at string, d *wire.Duration, most time.Duration) error {
	if d == nil || time.Duration(*d) >= time.Millisecond && time.Duration(*d) <= most {
		return nil
	}
	return fault.New(fault.InvalidInput, "the duration is out of bounds").
		At(at, "out_of_range", "must be from PT0.001S to "+wire.Duration(most).String())
}

func (s *service) getLimits(r *request) (reply, error) {
	set, err := s.Store.Queue.Settings(r.Context())
	if err != nil {
		return reply{}, err
	}
	v, err := s.limits(r, set)
	return reply{Status: http.StatusOK, ETag: etag(set.Version), Body: v}, err
}

// limits shows the limits and what runs. They belong to the installation: other
// tenants than the default one see of names and numbers only their own.
func (s *service) limits(r *request, set store.Settings) (wire.Limits, error) {
	sit, err := s.Store.Jobs.Situation(r.Context(), nil)
	if err != nil {
		return wire.Limits{}, err
	}
	rules, all := set.Rules, r.tenant() == access.DefaultTenant
	out := wire.Limits{
		MaxGlobal: rules.MaxGlobal, MaxPerJob: map[string]int{}, MaxPerTemplate: map[string]int{}, MaxPerTenant: map[string]int{},
		Running: wire.LimitCounts{PerJob: map[string]int{}, PerTemplate: map[string]int{}, PerTenant: map[string]int{}},
	}
	if !set.UpdatedAt.IsZero() {
		at := set.UpdatedAt.UTC()
		out.UpdatedAt = &at
	}
	maps.Copy(out.MaxPerJob, rules.MaxPerJob)
	for name, n := range rules.MaxPerTenant {
		if all || name == r.tenant() {
			out.MaxPerTenant[name] = n
		}
	}
	if all {
		maps.Copy(out.MaxPerTemplate, rules.MaxPerTemplate)
	}
	for _, o := range sit.Snapshot.Running {
		if !all && o.Needs.Tenant != r.tenant() {
			continue
		}
		out.Running.Global++
		out.Running.PerTenant[o.Needs.Tenant]++
		if o.Needs.Type != "" {
			out.Running.PerJob[o.Needs.Type]++
		}
		if o.Needs.TemplateID != "" {
			out.Running.PerTemplate[o.Needs.TemplateID]++
		}
	}
	return out, nil
}

func (s *service) patchLimits(r *request) (reply, error) {
	if err := s.nameLimits(r); err != nil {
		return reply{}, err
	}
	shown := func(set store.Settings) (any, error) { return s.limits(r, set) }
	set, err := s.setRules(r, audit.LimitsUpdated, shown, func(rules job.Rules) (job.Rules, error) {
		in, err := patched(s, r, wire.LimitsPatchOf(rules))
		if err != nil {
			return rules, err
		}
		rules.MaxGlobal = in.MaxGlobal
		for _, m := range []struct {
			at     string
			of     *map[string]int
			to     map[string]int
			exists func(*request, string) error
		}{
			{"/max_per_job", &rules.MaxPerJob, in.MaxPerJob, s.jobTypeExists},
			{"/max_per_template", &rules.MaxPerTemplate, in.MaxPerTemplate, s.templateExists},
			{"/max_per_tenant", &rules.MaxPerTenant, in.MaxPerTenant, s.tenantExists},
		} {
			if err := checkLimits(r, m.at, *m.of, m.to, m.exists); err != nil {
				return rules, err
			}
			if *m.of = m.to; len(m.to) == 0 {
				*m.of = nil
			}
		}
		return rules, nil
	})
	if err != nil {
		return reply{}, err
	}
	v, err := s.limits(r, set)
	return reply{Status: http.StatusOK, ETag: etag(set.Version), Body: v}, err
}

// maxLimits is how many limits of one kind there may be.
const maxLimits = 1000

// checkLimits checks the limits of one kind. What was there before may name
// what is gone since.
func checkLimits(r *request, at string, before, after map[string]int, exists func(*request, string) error) error {
	if len(after) > maxLimits {
		return fault.Newf(fault.InvalidInput, "at most %d limits of a kind", maxLimits).At(at, "too_long", "too many limits")
	}
	for _, name := range sortedKeys(after) {
		here := at + "/" + strict.Escape(name)
		if n := after[name]; n < 0 || n > job.MaxLimit {
			return fault.New(fault.InvalidInput, "a limit is out of bounds").At(here, "out_of_range", "must be from 0 to "+itoa(job.MaxLimit))
		}
		if _, old := before[name]; old {
			continue
		}
		if err := exists(r, name); err != nil {
			return fault.From(err).At(here, "unknown_value", "does not exist")
		}
	}
	return nil
}

func (s *service) jobTypeExists(_ *request, name string) error {
	if slices.Contains(s.Tasks.Types(), name) {
		return nil
	}
	return fault.Newf(fault.InvalidInput, "there is no job type %s", clip(name))
}

func (s *service) templateExists(r *request, name string) error {
	if id.Check(id.Template, name) != nil {
		return fault.Newf(fault.InvalidInput, "there is no template %s", clip(name))
	}
	_, err := s.Store.Templates.Template(r.Context(), r.tenant(), name)
	return missingIsInvalid(err, "there is no template ", name)
}

func (s *service) tenantExists(r *request, name string) error {
	if name == access.DefaultTenant {
		return nil
	}
	_, err := s.Store.Tenants.Tenant(r.Context(), name)
	return missingIsInvalid(err, "there is no tenant ", name)
}

// missingIsInvalid is for names in a body: they are wrong input, not a missing
// resource.
func missingIsInvalid(err error, text, name string) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.InvalidInput, text+clip(name))
	}
	return err
}

// nameLimits puts ids in the place of names of templates and tenants, by which
// people may write a patch.
func (s *service) nameLimits(r *request) error {
	doc, err := object(r.body)
	if err != nil {
		return err
	}
	patch, ok := doc.(map[string]any)
	if !ok {
		return nil // refused later, with the pointer
	}
	for field, find := range map[string]func(name string) (string, error){
		"max_per_template": func(name string) (string, error) {
			if looksLikeID(name) {
				return name, nil
			}
			t, err := s.Store.Templates.Template(r.Context(), r.tenant(), name)
			return t.ID, err
		},
		"max_per_tenant": func(name string) (string, error) {
			t, err := s.Store.Tenants.Tenant(r.Context(), name)
			return t.ID, err
		},
	} {
		entries, ok := patch[field].(map[string]any)
		if !ok {
			continue
		}
		named := map[string]any{}
		for _, name := range sortedKeys(entries) {
			ref, err := find(name)
			if fault.Is(err, fault.NotFound) {
				ref, err = name, nil // gone, or refused later
			}
			if err != nil {
				return err
			}
			if _, twice := named[ref]; twice {
				return fault.Newf(fault.InvalidInput, "%s is named twice", clip(name)).At("/"+field+"/"+strict.Escape(name), "duplicate", "is named twice")
			}
			named[ref] = entries[name]
		}
		patch[field] = named
	}
	r.body, err = json.Marshal(patch)
	return err
}
