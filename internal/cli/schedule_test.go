package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/crontab"
	"github.com/runsheet/runsheet/internal/schedule"
)

const scheduleID = "sched_01jh0000000000000000000000"

func aSchedule(name string) client.Schedule {
	s := client.Schedule{
		ScheduleID: scheduleID, Name: name, Version: 3, TemplateID: new("tmpl_1"), Params: json.RawMessage(`{}`),
		Trigger: client.TriggerInput{Type: "CRON", Expression: "0 9 * * MON-FRI"}, Timezone: "Asia/Seoul", Calendar: json.RawMessage(`"XKRX"`),
		Summary: "at 09:00 on Monday to Friday \x1b[31m(Asia/Seoul)", State: "active", Enabled: true, Overlap: "skip", CatchUpWindow: "PT24H",
		NextRunAt: new(now.Add(36 * time.Hour)), LastRunAt: new(now.Add(-time.Hour)), LastStatus: new("COMPLETED"), RunCount: 7,
		SkipNext: []time.Time{now.Add(36 * time.Hour)}, SkippedCounts: map[string]int64{"holiday": 2}, ExecutionMode: "AUTO",
		Warnings:  []client.ScheduleWarning{{Code: "calendar_expires", Detail: "the calendar ends soon"}},
		CreatedBy: "ann", CreatedAt: now.Add(-48 * time.Hour), UpdatedAt: now.Add(-time.Hour),
	}
	if name == "flow" {
		s.TemplateID, s.WorkflowID, s.Params, s.Inputs = nil, new("etl"), nil, json.RawMessage(`{"day":1}`)
	}
	if name == "inline" {
		s.TemplateID, s.Job, s.Params = nil, &client.ScheduleJobInput{JobType: "command", Params: json.RawMessage(`{"argv":["/bin/x"]}`)}, nil
	}
	return s
}

// scheduleAnswer is the part of the fake server for schedules. A schedule whose name
// begins with old- was imported before.
func scheduleAnswer(w http.ResponseWriter, what string) bool {
	path, found := strings.CutPrefix(what[strings.Index(what, "/"):], "/schedules")
	method, _, _ := strings.Cut(what, " ")
	if !found {
		return false
	}
	var out any
	name, verb, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch method + " " + verb {
	case "GET ":
		switch {
		case name == "":
			out = client.ScheduleList{Items: []client.Schedule{aSchedule("report"), aSchedule("inline")}}
		case strings.HasPrefix(name, "new"):
			return false
		case strings.HasPrefix(name, "old-"):
			s := aSchedule(name)
			s.Labels = map[string]string{lineLabel: strings.TrimPrefix(name, "old-")}
			out = s
		default:
			out = aSchedule(name)
		}
	case "POST ":
		w.WriteHeader(http.StatusCreated)
		out = aSchedule("made")
	case "PATCH ", "POST pause", "POST resume", "POST skip-next":
		out = aSchedule(name)
	case "DELETE ":
		w.WriteHeader(http.StatusNoContent)
		return true
	case "GET next":
		out = client.ScheduleNext{Items: []client.ScheduleNominal{
			{NominalAt: now.Add(36 * time.Hour), DueAt: new(now.Add(36*time.Hour + time.Minute)), Local: "2026-02-02T09:00:00+09:00", Marks: []string{}},
			{NominalAt: now.Add(60 * time.Hour), Local: "2026-02-03T09:00:00+09:00", Marks: []string{"unverified"}, Skip: new("holiday")},
		}}
	case "GET history":
		out = client.ScheduleHistory{Items: []client.ScheduleEntry{
			{Kind: "run", NominalAt: now, Local: "2026-01-31T21:00:00+09:00", Count: 1, Source: new("schedule"), Status: "COMPLETED", JobID: new(jobID)},
			{Kind: "skip", NominalAt: now.Add(-time.Hour), Local: "2026-01-31T20:00:00+09:00", Count: 4, Status: "SKIPPED", Reason: new("paused")},
		}}
	case "GET versions":
		out = client.ScheduleVersionList{Items: []client.ScheduleVersion{{ScheduleID: scheduleID, Version: 1, CreatedAt: now, CreatedBy: "ann", Summary: "every day"}}}
	case "GET versions/1":
		out = client.ScheduleVersion{ScheduleID: scheduleID, Version: 1, CreatedAt: now, CreatedBy: "ann", Summary: "every day", Definition: client.ScheduleInput{Name: name}}
	case "POST run-now":
		w.WriteHeader(http.StatusCreated)
		out = job("QUEUED")
	case "POST backfill":
		out = client.Backfill{ScheduleID: scheduleID, DryRun: true, Count: 1, Items: []client.BackfillItem{{NominalAt: now, Local: "2026-01-31T21:00:00+09:00"}}}
	default:
		return false
	}
	_ = json.NewEncoder(w).Encode(out)
	return true
}

func TestScheduleGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"schedules_help":          "schedule --help",
		"schedule_add_help":       "schedule add --help",
		"schedule_add":            "schedule add report --every 15m --template nightly",
		"schedule_add_when":       "schedule add report --template nightly",
		"schedule_add_two":        "schedule add report --every 1h --at 2026-01-01T00:00 --template nightly",
		"schedule_add_what":       "schedule add report --every 15m",
		"schedule_add_inputs":     "schedule add report --every 15m --template nightly --input x=1",
		"schedule_add_input_of":   "schedule add report --every 15m --input x=1",
		"schedule_edit_flow":      "schedule edit flow --priority low",
		"schedule_ls":             "schedule ls",
		"schedule_ls_fields":      "schedule ls --json=name,state",
		"schedule_get":            "schedule get report",
		"schedule_get_inline":     "schedule get inline --json=job,template_id",
		"schedule_get_version":    "schedule get report --version 1",
		"schedule_edit":           "schedule edit report --every 1h -q",
		"schedule_edit_nothing":   "schedule edit report",
		"schedule_edit_part":      "schedule edit report --offset -10m",
		"schedule_rm_asks":        "schedule rm report",
		"schedule_rm":             "schedule rm report --yes",
		"schedule_next_server":    "schedule next report --count 2",
		"schedule_next_both":      "schedule next report --every 1h",
		"schedule_run_now":        "schedule run-now report --overlap allow --force",
		"schedule_pause":          "schedule pause report --reason lunch -q",
		"schedule_enable":         "schedule enable report --catch-up -q",
		"schedule_skip_next":      "schedule skip-next report --count 2 -q",
		"schedule_history":        "schedule history report --kind skip --reason paused --from 2026-01-01T00:00:00Z",
		"schedule_history_wrong":  "schedule history report --from yesterday",
		"schedule_versions":       "schedule versions report",
		"schedule_backfill":       "schedule backfill report --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --dry-run",
		"schedule_backfill_asks":  "schedule backfill report --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z",
		"schedule_backfill_usage": "schedule backfill report --from 2026-01-01T00:00:00Z",
		"schedule_missing":        "schedule get new",
		"import_help":             "import crontab --help",
		"import_absent":           "import crontab /no/such/file",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// TestScheduleSends: what the flags say reaches the API under its names.
func TestScheduleSends(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(file, []byte("name: from-file\ncron: 0 9 * * *\njob:\n  job_type: command\n  params: {argv: [/bin/x]}\nmax_runs: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args          string
		request, body string
	}{
		{
			"schedule add a --cron 0_9_*_*_* --timezone Asia/Seoul --template nightly --param x=1 --overlap queue_one --max-runs 5 --spread 10m --label a=b --disabled", "POST /api/schedules",
			`{"name":"a","template_id":"nightly","params":{"x":1},"trigger":{"type":"CRON","expression":"0 9 * * *"},"timezone":"Asia/Seoul","overlap":"queue_one","max_runs":5,"offset":"10m","labels":{"a":"b"},"enabled":false}`,
		},
		{
			"schedule add a --event MARKET_CLOSE --offset -10m --calendar XNYS --exclude 2026-12-24 --execution-mode APPROVAL_REQUIRED --lock gpu --priority high -- /bin/x y", "POST /api/schedules",
			`{"name":"a","job":{"job_type":"command","params":{"argv":["/bin/x","y"]},"priority":2,"locks":["gpu"]},"trigger":{"type":"EVENT","event":"MARKET_CLOSE","offset":"-PT10M"},"calendar":"XNYS","exclude":{"dates":["2026-12-24"]},"execution_mode":"APPROVAL_REQUIRED"}`,
		},
		{
			"schedule add a --on job.run.completed --subject job_1 --delay 5m --template t --timeout 5m", "POST /api/schedules",
			`{"name":"a","job":{"template_id":"t","timeout":"5m"},"trigger":{"type":"ON","event":"job.run.completed","subject":"job_1","delay":"PT5M"}}`,
		},
		{
			"schedule add a --every 1h --after-completion --job {\"job_type\":\"story\"}", "POST /api/schedules",
			`{"name":"a","job":{"job_type":"story"},"trigger":{"type":"INTERVAL","interval":"PT1H","mode":"after_completion"}}`,
		},
		{
			"schedule add -f " + file + " --max-runs 4", "POST /api/schedules",
			`{"name":"from-file","cron":"0 9 * * *","job":{"job_type":"command","params":{"argv":["/bin/x"]}},"max_runs":4}`,
		},
		{"schedule edit report --param x=2 --unset jitter --strict=false", "PATCH /api/schedules/report", `{"params":{"x":2},"jitter":null,"strict":false}`},
		{"schedule edit inline --param x=2", "PATCH /api/schedules/inline", `{"job":{"params":{"x":2}}}`},
		{"schedule edit inline --template t", "PATCH /api/schedules/inline", `{"template_id":"t","job":null}`},
		{"schedule edit report --rename b -- /bin/x", "PATCH /api/schedules/report", `{"name":"b","template_id":null,"params":null,"job":{"job_type":"command","params":{"argv":["/bin/x"]}}}`},
		{"schedule edit report --priority low", "PATCH /api/schedules/report", `{"template_id":null,"params":null,"job":{"template_id":"tmpl_1","priority":8}}`},
		{
			"schedule add a --every 1h --workflow etl --input day=monday --input n=3", "POST /api/schedules",
			`{"name":"a","workflow_id":"etl","inputs":{"day":"monday","n":3},"trigger":{"type":"INTERVAL","interval":"PT1H"}}`,
		},
		{
			"schedule add a --every 1h --workflow etl", "POST /api/schedules",
			`{"name":"a","workflow_id":"etl","trigger":{"type":"INTERVAL","interval":"PT1H"}}`,
		},
		{"schedule edit flow --inputs {\"day\":2}", "PATCH /api/schedules/flow", `{"inputs":{"day":2}}`},
		{"schedule edit flow --template t", "PATCH /api/schedules/flow", `{"template_id":"t","workflow_id":null,"inputs":null}`},
		{"schedule edit report --workflow etl", "PATCH /api/schedules/report", `{"workflow_id":"etl","template_id":null,"params":null}`},
		{"schedule edit inline --workflow etl --input x=1", "PATCH /api/schedules/inline", `{"workflow_id":"etl","inputs":{"x":1},"job":null}`},
		{"schedule disable report --reason x", "POST /api/schedules/report/pause", `{"reason":"x"}`},
		{"schedule resume report --catch-up", "POST /api/schedules/report/resume", `{"catch_up":true}`},
		{"schedule run-now report --force", "POST /api/schedules/report/run-now", `{"force":true}`},
		{
			"schedule backfill report --from 2026-01-01T00:00:00Z --to 2026-01-02T00:00:00Z --order desc --max 5 --yes", "POST /api/schedules/report/backfill",
			`{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","order":"desc","max":5}`,
		},
	} {
		f := serve(t, "FAILED")
		args := strings.Fields(c.args)
		for i := range args {
			if strings.HasPrefix(args[i], "0_") {
				args[i] = strings.ReplaceAll(args[i], "_", " ")
			}
		}
		_, talk, code := f.invoke(t.Context(), t, "", args...)
		if code != exitOK || len(f.requests) == 0 {
			t.Errorf("%s: exit %d: %s", c.args, code, talk)
			continue
		}
		n := len(f.requests) - 1
		var got, want any
		if err := json.Unmarshal([]byte(f.bodies[n]), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.body), &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" || f.requests[n] != c.request {
			t.Errorf("%s: %s\n%s", c.args, f.requests[n], d)
		}
	}
}

// TestScheduleWaitForApproval: without a limit nobody can tell how long it takes.
func TestScheduleWaitForApproval(t *testing.T) {
	t.Parallel()
	f := serve(t, "APPROVAL")
	_, talk, code := f.invoke(t.Context(), t, "", "schedule", "run-now", "report", "--wait")
	if code != exitApproval || !strings.Contains(talk, "waits for an approval") || !strings.Contains(talk, "runsheet approval show appr_1") {
		t.Errorf("exit %d: %s", code, talk)
	}
	if _, talk, code = f.invoke(t.Context(), t, "", "schedule", "run-now", "report", "--wait=1s"); code != exitApproval {
		t.Errorf("with a limit: exit %d: %s", code, talk)
	}
}

const table = `# nightly dump
15 2 * * * /opt/jobs/dump.sh
CRON_TZ=Asia/Seoul
MAILTO=ann
0 9 * * MON-FRI cat%hello
@reboot root-thing
0 25 * * * broken
0 0 30 2 * never
`

// importRun imports the table with more arguments.
func importRun(t *testing.T, f *fake, args ...string) (items []imported, talk string, code int) {
	t.Helper()
	out, talk, code := f.invoke(t.Context(), t, table, append([]string{"import", "crontab", "-", "--timezone", "Europe/Berlin", "--json"}, args...)...)
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&items); err != nil && err != io.EOF {
		t.Fatalf("%v: %s", err, out)
	}
	return items, talk, code
}

func statuses(items []imported) string {
	var out []string
	for _, i := range items {
		out = append(out, i.Name+" "+i.Status)
	}
	return strings.Join(out, ", ")
}

func TestImportIsDryAtFirst(t *testing.T) {
	t.Parallel()
	f := serve(t, "FAILED")
	items, talk, code := importRun(t, f, "--prefix", "new-")
	if got := statuses(items); got != "new-dump new, new-cat new, new-root-thing new, new-never new,  unreadable" || code != exitFailed {
		t.Errorf("exit %d: %s", code, got)
	}
	for _, r := range f.requests {
		if !strings.HasPrefix(r, "GET ") {
			t.Error(r)
		}
	}
	if !strings.Contains(talk, "line 4, column 1: nothing is mailed") || !strings.Contains(talk, "1 of 5 could not") {
		t.Error(talk)
	}
	cat := items[1]
	if cat.Summary != "at 09:00 on Monday to Friday (Asia/Seoul)" || !cat.NextRunAt.Equal(time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)) || cat.Line != 5 {
		t.Errorf("%+v", cat)
	}
	in := cat.Schedule
	if *in.Enabled || in.Timezone != "Asia/Seoul" || in.Trigger.Expression != "0 9 * * MON-FRI" || in.Job.JobType != "command" ||
		plain(in.Job.Params) != `{"argv":["/bin/sh","-c","cat"],"stdin":"hello\n"}` || in.Overlap != "allow" || in.Missed != "skip" {
		t.Errorf("%+v", in)
	}
	if items[0].Schedule.Description != "nightly dump" || items[0].Timezone != "Europe/Berlin" {
		t.Errorf("%+v", items[0])
	}
	if !items[3].Schedule.AllowNever || items[3].NextRunAt != nil || !strings.Contains(strings.Join(items[3].Warnings, ""), "never") {
		t.Errorf("%+v", items[3])
	}
	if *items[4].Error != "line 7, column 3: 25 is not an hour; write 0-23" {
		t.Error(*items[4].Error)
	}
}

// TestImportNeedsNoServerToLook: without --yes.
func TestImportNeedsNoServerToLook(t *testing.T) {
	t.Parallel()
	f := serve(t, "FAILED")
	f.Close()
	items, talk, _ := importRun(t, f)
	if got := statuses(items); !strings.HasPrefix(got, "dump new, ") || !strings.Contains(talk, "the server was not asked") {
		t.Errorf("%s\n%s", got, talk)
	}
	if _, _, code := importRun(t, f, "--yes"); code != exitUnreachable {
		t.Errorf("exit %d", code)
	}
}

// TestImportMakesWhatIsNotThere: nothing that is there is touched.
func TestImportMakesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	f := serve(t, "FAILED")
	items, _, _ := importRun(t, f, "--yes", "--prefix", "new-")
	if got := statuses(items); got != "new-dump created, new-cat created, new-root-thing created, new-never created,  unreadable" {
		t.Error(got)
	}
	var in client.ScheduleInput
	if err := json.Unmarshal([]byte(f.bodies[1]), &in); err != nil || f.requests[1] != "POST /api/schedules" {
		t.Fatalf("%v: %s", err, f.requests[1])
	}
	items[0].Schedule.Job.Params = json.RawMessage(compact(items[0].Schedule.Job.Params)) // the output is indented
	if d := cmp.Diff(*items[0].Schedule, in); d != "" {
		t.Error(d)
	}
	f = serve(t, "FAILED")
	items, _, _ = importRun(t, f, "--yes", "--prefix", "taken-")
	if got := statuses(items[:2]); got != "taken-dump taken, taken-cat taken" || strings.Contains(strings.Join(f.requests, " "), "POST") {
		t.Errorf("%s, %v", got, f.requests)
	}
	f = serve(t, "FAILED")
	if items, _, _ = importRun(t, f, "--yes", "--prefix", "old-"); statuses(items[:1]) != "old-dump differs" || strings.Contains(strings.Join(f.requests, " "), "P") {
		t.Errorf("%s, %v", statuses(items), f.requests)
	}
	f = serve(t, "FAILED")
	if items, _, _ = importRun(t, f, "--yes", "--update", "--prefix", "old-"); statuses(items[:1]) != "old-dump updated" || f.requests[1] != "PATCH /api/schedules/old-dump" {
		t.Errorf("%s, %v", statuses(items), f.requests)
	}
	same := *items[0].Schedule
	i := imported{Name: "old-" + same.Labels[lineLabel], Schedule: &same}
	cl, err := client.New(client.Options{URL: f.URL, Token: "rst_x"})
	if err != nil {
		t.Fatal(err)
	}
	a := &app{Options: Options{Env: func(string) (string, bool) { return "", false }, Clock: clocktest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}}
	if err := a.compareWith(t.Context(), cl, &i); err != nil || i.Status != "unchanged" {
		t.Errorf("%s, %v", i.Status, err)
	}
}

// TestImportChosenMinute: a minute that the schedule's id chooses is not shown before there
// is one, and then it is the one at which the schedule fires.
func TestImportChosenMinute(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := &app{Options: Options{Env: func(string) (string, bool) { return "", false }, Clock: clocktest.New(now)}}
	table := crontab.Parse("0~59 3 * * * /bin/true\n5 3 * * * /bin/true\n", crontab.Options{})
	items := (&cronFlags{file: "-", zone: "UTC"}).plan(a, table)
	if i := items[0]; i.NextRunAt != nil || i.Summary != "H(0-59) 3 * * *" || i.Schedule.AllowNever {
		t.Errorf("before there is a schedule: %+v", i)
	}
	if i := items[1]; i.NextRunAt == nil || i.NextRunAt.Minute() != 5 || i.chosen() {
		t.Errorf("a minute that was said: %+v", i)
	}
	for _, id := range []string{"sch_1", "sch_2", "sch_3"} {
		e, err := schedule.Parse(table.Entries[0].Expression, schedule.Options{HashSeed: id, Zone: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		i := items[0]
		if _, err := i.when(a, id); err != nil || i.NextRunAt == nil || e.Cron.String() != fmt.Sprintf("%d 3 * * *", i.NextRunAt.Minute()) {
			t.Errorf("%s: next %v, resolved %s, %v", id, i.NextRunAt, e.Cron, err)
		}
	}
}

func TestImportZone(t *testing.T) {
	t.Parallel()
	a := &app{Options: Options{Env: func(string) (string, bool) { return ":Asia/Seoul", true }}}
	if got := a.localZone(); got != "Asia/Seoul" {
		t.Error(got)
	}
	f := cronFlags{file: "/etc/cron.d/x", zone: "Mars/Olympus"}
	if err := f.settle(a); err == nil || !f.system {
		t.Errorf("%v, system %v", err, f.system)
	}
}
