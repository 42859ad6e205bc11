package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/almanac"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/task"
)

// planned is a bundle with a planner that ticks when a test says so.
type planned struct {
	*bundle
	planner *planner.Planner
}

// withPlanner is setup with a planner as the server has it.
func withPlanner(t *testing.T, change ...func(*api.Options)) *planned {
	t.Helper()
	p := &planned{}
	p.bundle = setup(t, append(change, func(o *api.Options) {
		composer, err := api.NewComposer(api.Options{Store: o.Store, Tasks: task.NewRegistry(echo{}), Clock: o.Clock})
		if err != nil {
			t.Fatal(err)
		}
		calendars := almanac.New(almanac.Options{Store: o.Store.Calendars})
		p.planner = planner.New(planner.Options{
			Store: o.Store.Schedules, By: "host:1:boot", OwnClock: true, Clock: o.Clock,
			Compile: func(ctx context.Context, s agenda.Schedule) (planner.Compiled, error) {
				set, err := calendars.Of(ctx, s.Tenant)
				if err != nil {
					return planner.Compiled{}, err
				}
				var in wire.TimingInput
				if err := json.Unmarshal(s.Trigger, &in); err != nil {
					return planner.Compiled{}, err
				}
				zone, err := schedule.LoadZone(s.Zone)
				if err != nil {
					return planner.Compiled{}, err
				}
				trigger, err := in.Compile(set, zone, s.ID)
				return planner.Compiled{Trigger: trigger}, err
			},
			Compose: func(ctx context.Context, s agenda.Schedule) (job.Job, error) {
				body, err := s.Target.Input()
				if err != nil {
					return job.Job{}, err
				}
				return composer.Compose(ctx, access.Principal{Name: s.CreatedBy, Tenant: s.Tenant, Roles: []access.Role{access.Admin}}, body)
			},
		})
		o.Planner = p.planner
	})...)
	want(t, p.call("POST", "/api/job-templates", `{"name":"hello","job_type":"echo","params":{"text":"hi"}}`), 201, "")
	return p
}

// tick moves the clock and lets the planner decide.
func (p *planned) tick(by time.Duration) {
	p.t.Helper()
	p.clock.Advance(by)
	for range 100 {
		more, err := p.planner.Tick(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		if !more {
			return
		}
	}
	p.t.Fatal("the planner does not come to an end")
}

func (p *planned) add(body string) map[string]any {
	p.t.Helper()
	return want(p.t, p.call("POST", "/api/schedules", body), 201, "").json(p.t)
}

func fieldsOf(m map[string]any, keys ...string) map[string]any {
	out := map[string]any{}
	for _, k := range keys {
		out[k] = m[k]
	}
	return out
}

// TestScheduleForms: whatever the form, the answer is canonical.
func TestScheduleForms(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	for body, expect := range map[string]map[string]any{
		`{"template_id":"hello","cron":"0 0 * * *","timezone":"UTC","enabled":true}`: {
			"trigger": map[string]any{"type": "CRON", "expression": "0 0 * * *"}, "timezone": "UTC", "next_run_at": "2026-02-01T00:00:00Z",
		},
		`{"name":"a","job_key":"hello","schedule_type":"interval","interval_minutes":5,"cron":null,"timezone":"Asia/Seoul","enabled":true}`: {
			"trigger": map[string]any{"type": "INTERVAL", "interval": "PT5M"}, "timezone": "Asia/Seoul", "next_run_at": "2026-01-31T12:05:00Z",
		},
		`{"name":"b","job_key":"echo","params":{"text":"x"},"schedule_type":"cron","interval_minutes":null,"cron":"30 9 * * MON-FRI","timezone":"Asia/Seoul"}`: {
			"trigger": map[string]any{"type": "CRON", "expression": "30 9 * * MON-FRI"}, "timezone": "Asia/Seoul", "next_run_at": "2026-02-02T00:30:00Z",
			"job": map[string]any{"job_type": "echo", "params": map[string]any{"text": "x"}}, "template_id": nil,
		},
		`{"name":"c","template_id":"hello","calendar":"XKRX","trigger":{"type":"EVENT","event":"MARKET_OPEN","expression":null,"interval_minutes":null},
			"execution_mode":"APPROVAL_REQUIRED","constraints":{"market_hours_only":true,"skip_holidays":true,"min_interval_hours":1.5}}`: {
			"trigger": map[string]any{"type": "EVENT", "event": "MARKET_OPEN"}, "timezone": "UTC", "next_run_at": "2026-02-02T00:00:00Z",
			"execution_mode": "APPROVAL_REQUIRED", "min_interval": "PT1H30M", "calendar": "XKRX",
		},
		`{"name":"d","template_id":"hello","calendar":"XNYS","trigger":{"type":"INTERVAL","interval_minutes":30},"constraints":{"market_hours_only":true,"min_interval_hours":null}}`: {
			"trigger": map[string]any{"type": "INTERVAL", "interval": "PT30M"}, "only_in": "regular_hours", "next_run_at": "2026-02-02T14:30:00Z",
		},
		`{"name":"e","template_id":"hello","trigger":{"type":"CRON","expression":"@every 90s"}}`: {
			"trigger": map[string]any{"type": "INTERVAL", "interval": "PT1M30S"}, "next_run_at": "2026-01-31T12:01:30Z",
		},
		`{"name":"f","template_id":"hello","trigger":{"type":"CRON","expression":"0 0 12 ? * 2-6","dialect":"quartz"}}`: {
			"trigger": map[string]any{"type": "CRON", "expression": "0 0 12 * * 1-5"}, "next_run_at": "2026-02-02T12:00:00Z",
		},
		`{"name":"g","template_id":"hello","cron":"CRON_TZ=Europe/Paris 0 9 * * *"}`: {
			"trigger": map[string]any{"type": "CRON", "expression": "0 9 * * *"}, "timezone": "Europe/Paris", "next_run_at": "2026-02-01T08:00:00Z",
		},
		`{"name":"h","template_id":"hello","trigger":{"type":"AT","at":["2026-03-01T09:00:00+09:00","2026-03-29T02:30"]},"timezone":"Europe/Paris"}`: {
			"trigger": map[string]any{"type": "AT", "at": []any{"2026-03-01T00:00:00Z", "2026-03-29T02:30"}}, "next_run_at": "2026-03-01T00:00:00Z",
		},
	} {
		got := p.add(body)
		keys := make([]string, 0, len(expect))
		for k := range expect {
			keys = append(keys, k)
		}
		if d := cmp.Diff(expect, fieldsOf(got, keys...)); d != "" {
			t.Errorf("%s:\n%s", body, d)
		}
		id := fmt.Sprint(got["schedule_id"])
		read := want(t, p.call("GET", "/api/schedules/"+id, ""), 200, "").json(t)
		if d := cmp.Diff(got, read); d != "" {
			t.Errorf("read again %s:\n%s", body, d)
		}
		// The canonical form makes the same.
		v := want(t, p.call("GET", "/api/schedules/"+id+"/versions/1", ""), 200, "").json(t)
		def, _ := v["definition"].(map[string]any)
		def["name"] = fmt.Sprint("copy of ", got["name"])
		text, err := json.Marshal(def)
		if err != nil {
			t.Fatal(err)
		}
		again := p.add(string(text))
		for _, k := range append(keys, "overlap", "missed", "grace", "catch_up_window", "template_id", "job", "params", "strict", "on_non_session") {
			if d := cmp.Diff(got[k], again[k]); d != "" {
				t.Errorf("the copy of %s has another %s: %s", body, k, d)
			}
		}
	}
}

// TestScheduleOptions: every option comes back under its name.
func TestScheduleOptions(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	options := `"description":"d","overlap":"queue_all","max_queued":7,"max_parallel":3,"missed":"all","grace":"PT2S","catch_up_window":"PT0S","max_catch_up":9,
		"min_interval":"PT1M","min_interval_from":"end","jitter":"PT10S","offset":"PT3S","start_deadline":"PT4S","pause_on_failure":5,"max_runs":6,
		"calendar":{"any_of":["XNYS","XKRX"]},"on_non_session":"next_session","only_in":"session","exclude":{"dates":["2026-12-24"],"cron":["* 12 * * *"],"calendars":[{"not":"weekdays"}]},
		"dst_gap":"skip","dst_overlap":"both","start_at":"2026-02-01T00:00:00Z","end_at":"2027-02-01T00:00:00Z","strict":true,"labels":{"team":"red"},"execution_mode":"AUTO"`
	got := p.add(`{"name":"all","template_id":"hello","params":{"times":2},"trigger":{"type":"CRON","expressions":["H 1 * * *","30 15 * * *"]},"timezone":"America/New_York",` + options + `}`)
	var expect map[string]any
	if err := json.Unmarshal([]byte("{"+options+"}"), &expect); err != nil {
		t.Fatal(err)
	}
	for k, v := range expect {
		if d := cmp.Diff(v, got[k]); d != "" {
			t.Errorf("%s: %s", k, d)
		}
	}
	resolved, _ := got["resolved_expressions"].([]any)
	if len(resolved) != 2 || strings.Contains(fmt.Sprint(resolved[0]), "H") || resolved[1] != "30 15 * * *" {
		t.Errorf("resolved %v", resolved)
	}
	if got["summary"] == "" || got["state"] != "active" || got["run_count"] != 0.0 || got["version"] != 1.0 {
		t.Errorf("%v", fieldsOf(got, "summary", "state", "run_count", "version"))
	}
}

// TestScheduleRefused: what is wrong is told with its place.
func TestScheduleRefused(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	p.add(`{"name":"taken","template_id":"hello","cron":"0 0 * * *"}`)
	long := strings.Repeat("a", 101)
	for body, expect := range map[string]string{
		`{"template_id":"hello"}`:                                                                                      "422 /trigger",
		`{"template_id":"hello","cron":"0 0 30 2 *"}`:                                                                  "422 /trigger/expression",
		`{"template_id":"hello","cron":"* * *"}`:                                                                       "422 /trigger/expression",
		`{"template_id":"hello","cron":"0 0 * * *","timezone":"Mars/Base"}`:                                            "422 /timezone",
		`{"template_id":"hello","trigger":{"type":"EVENT","event":"MARKET_OPEN"}}`:                                     "422 /calendar",
		`{"template_id":"hello","calendar":"XXXX","cron":"0 0 * * *"}`:                                                 "422 /calendar",
		`{"template_id":"none","cron":"0 0 * * *"}`:                                                                    "404 /template_id",
		`{"job_key":"none","cron":"0 0 * * *"}`:                                                                        "404 /job_key",
		`{"cron":"0 0 * * *"}`:                                                                                         "422 /template_id",
		`{"template_id":"hello","job":{"job_type":"echo"},"cron":"0 0 * * *"}`:                                         "422 /template_id",
		`{"job":{"job_type":"echo","params":{"text":3}},"cron":"0 0 * * *"}`:                                           "422 /job/params/text",
		`{"job":{"job_type":"none"},"cron":"0 0 * * *"}`:                                                               "422 /job/job_type",
		`{"template_id":"hello","params":{"colour":1},"cron":"0 0 * * *"}`:                                             "422 /params/colour",
		`{"template_id":"hello","cron":"0 0 * * *","trigger":{"type":"INTERVAL","interval":"PT5M"}}`:                   "422 /cron",
		`{"template_id":"hello","cron":"0 0 * * *","interval_minutes":5}`:                                              "422 /interval_minutes",
		`{"template_id":"hello","schedule_type":"cron","interval_minutes":5}`:                                          "422 /cron",
		`{"template_id":"hello","trigger":{"type":"INTERVAL","expression":"0 0 * * *"}}`:                               "422 /trigger/expression",
		`{"template_id":"hello","trigger":{"type":"INTERVAL","interval":"PT0.5S"}}`:                                    "422 /trigger/interval",
		`{"container_id":"pf_1","trigger":{"type":"CRON","expression":"0 9 * * *"}}`:                                   "422 /container_id",
		`{"workflow_id":"wf_1","cron":"0 9 * * *"}`:                                                                    "422 /job_type",
		`{"template_id":"hello","cron":"0 9 * * *","constraints":{"skip_holidays":true}}`:                              "422 /calendar",
		`{"template_id":"hello","cron":"0 9 * * *","grace":"PT0.5S"}`:                                                  "422 /grace",
		`{"template_id":"hello","cron":"0 9 * * *","jitter":"PT0.0000001S"}`:                                           "422 /jitter",
		`{"template_id":"hello","cron":"0 9 * * *","overlap":"maybe"}`:                                                 "422 /overlap",
		`{"template_id":"hello","cron":"0 9 * * *","maxRuns":3}`:                                                       "422 /maxRuns",
		`{"template_id":"hello","cron":"0 9 * * *","max_runs":0}`:                                                      "422 /max_runs",
		`{"template_id":"hello","cron":"0 9 * * *","backfill_from":"2024-01-01T00:00:00Z"}`:                            "422 /backfill_from",
		`{"template_id":"hello","trigger":{"type":"ON","event":"workflow.completed"}}`:                                 "422 /trigger/event",
		`{"name":"taken","template_id":"hello","cron":"0 9 * * *"}`:                                                    "409 /name",
		`{"name":"sched_01jh0000000000000000000000","template_id":"hello","cron":"0 9 * * *"}`:                         "422 /name",
		`{"name":"a/b","template_id":"hello","cron":"0 9 * * *"}`:                                                      "422 /name",
		`{"name":"` + long + `","template_id":"hello","cron":"0 9 * * *"}`:                                             "422 /name",
		`{"name":"n","name":"m","template_id":"hello","cron":"0 9 * * *"}`:                                             "400 /name",
		`{"template_id":"hello","trigger":{"type":"AT","at":["2020-01-01T00:00:00Z"]}}`:                                "422 /trigger/at",
		`{"template_id":"job_01jh0000000000000000000000","cron":"0 9 * * *"}`:                                          "400 /template_id",
		`{"template_id":"hello","cron":"0 9 * * *","start_at":"2026-03-01T00:00:00Z","end_at":"2026-02-01T00:00:00Z"}`: "422 /end_at",
	} {
		a := p.call("POST", "/api/schedules", body)
		status, pointer, _ := strings.Cut(expect, " ")
		if fmt.Sprint(a.StatusCode) != status || !strings.Contains(string(a.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %d %s, want %s", body, a.StatusCode, a.body, expect)
		}
	}
	if n := len(list(t, p.call("GET", "/api/schedules", ""))); n != 1 {
		t.Errorf("%d schedules after refusals", n)
	}
	v := p.add(`{"template_id":"hello","cron":"0 0 30 2 *","allow_never":true}`)
	if !strings.Contains(fmt.Sprint(v["warnings"]), "never_fires") || v["next_run_at"] != nil {
		t.Errorf("%v", v)
	}
}

// TestScheduleRights: schedules run code, so they are as hard to get as jobs.
func TestScheduleRights(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	inline := `{"name":"inline","job":{"job_type":"echo","params":{"text":"x"}},"cron":"0 0 * * *"}`
	want(t, p.as(access.Operator, "POST", "/api/schedules", `{"template_id":"hello","cron":"0 0 * * *"}`), 403, "forbidden")
	want(t, p.as(access.Viewer, "POST", "/api/schedules", inline), 403, "forbidden")
	id := want(t, p.as(access.Author, "POST", "/api/schedules", inline), 201, "").text(t, "schedule_id")
	path := "/api/schedules/" + id
	want(t, p.as(access.Operator, "POST", path+"/run-now", ""), 201, "")
	want(t, p.as(access.Operator, "POST", path+"/pause", `{"reason":"lunch"}`), 200, "")
	want(t, p.as(access.Operator, "POST", path+"/enable", ""), 200, "")
	want(t, p.as(access.Operator, "PATCH", path, `{"cron":"0 1 * * *"}`), 403, "forbidden")
	want(t, p.as(access.Viewer, "POST", path+"/run-now", ""), 403, "forbidden")
	want(t, p.as("stranger", "GET", path, ""), 404, "not_found")
	want(t, p.as("stranger", "POST", path+"/run-now", ""), 404, "not_found")
	want(t, p.as("stranger", "DELETE", path, ""), 404, "not_found")
	// A token for some templates, and one without the right to write templates.
	token := func(body string) string {
		return want(t, p.call("POST", "/api/tokens", body), 201, "").text(t, "token")
	}
	only := token(`{"name":"only","roles":["author"],"templates":["hel*"]}`)
	narrow := token(`{"name":"narrow","roles":["author"],"scopes":["schedules:write","jobs:write"]}`)
	bare := token(`{"name":"bare","roles":["author"],"scopes":["schedules:write"]}`)
	with := func(tok, method, target, body string) answer {
		return p.as("", method, target, body, "Authorization", "Bearer "+tok)
	}
	want(t, with(only, "POST", "/api/schedules", `{"name":"mine","template_id":"hello","cron":"0 0 * * *"}`), 201, "")
	want(t, with(only, "POST", "/api/schedules", strings.Replace(inline, "inline", "x", 1)), 403, "forbidden")
	want(t, with(only, "PATCH", path, `{"cron":"0 1 * * *"}`), 403, "forbidden")
	want(t, with(only, "PATCH", path, `{"template_id":"hello"}`), 403, "forbidden")
	want(t, with(only, "POST", path+"/run-now", ``), 403, "forbidden")
	want(t, with(only, "DELETE", path, ``), 403, "forbidden")
	want(t, with(only, "POST", "/api/schedules/mine/pause", ``), 200, "")
	want(t, with(narrow, "POST", "/api/schedules", `{"name":"n","template_id":"hello","cron":"0 0 * * *"}`), 201, "")
	want(t, with(narrow, "POST", "/api/schedules", strings.Replace(inline, "inline", "y", 1)), 403, "forbidden")
	want(t, with(narrow, "POST", "/api/schedules", `{"name":"z","template_id":"hello","params":{"model":"m"},"cron":"0 0 * * *"}`), 403, "forbidden")
	want(t, with(bare, "POST", "/api/schedules", `{"name":"o","template_id":"hello","cron":"0 0 * * *"}`), 403, "forbidden")
	want(t, p.call("GET", "/api/schedules/job_01jh0000000000000000000000", ""), 400, "wrong_id_type")
	want(t, p.call("GET", "/api/schedules/%00", ""), 404, "not_found")
	want(t, p.call("GET", "/api/schedules/%ff", ""), 404, "not_found")
}

func legacyZone(zone *time.Location) func(*api.Options) {
	return func(o *api.Options) { o.LegacyZone = zone }
}
