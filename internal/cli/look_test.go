package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/client"
)

const flowRunID = "wfrun_01jh0000000000000000000000"

// lookAnswer is the part of the fake server for what look.go shows, and for the version
// that a workflow uses, which is 2.
func lookAnswer(w http.ResponseWriter, what, query string) bool {
	var out any
	switch what {
	case "POST /demo":
		out = client.Demo{Templates: []string{"demo-hello", "demo-nap"}, Jobs: []string{jobID}, Workflows: []string{"demo_pipeline"}}
	case "DELETE /demo":
		w.WriteHeader(http.StatusNoContent)
		return true
	case "GET /storage":
		out = client.Storage{DatabaseBytes: 5 << 20, LogBytes: 4096, Engine: "sqlite 3", ArtifactBytes: 3 << 30, ArtifactCount: 7, ArtifactQuotaBytes: new(int64(10 << 30))}
	case "GET /legacy/usage":
		out = client.LegacyUsage{Since: now.Add(-29 * 24 * time.Hour), Complete: true, Items: []client.LegacyUse{
			{Tenant: "default", Client: "night\x1b[31m", Operation: "GET /jobs/{job_id}", Count: 1200, LastUsedAt: now, Successor: new("/api/jobs/{job_id}")},
			{Tenant: "default", Client: "ana", Operation: "GET /queue/status", Count: 3, LastUsedAt: now.Add(-time.Hour)},
		}}
	case "GET /config":
		out = client.ConfigList{Items: []client.ConfigSetting{
			{Key: "workers", Value: "2", Origin: "flag --workers", Hot: true, Change: new("PATCH /api/workers")},
			{Key: "data", Value: "/var/lib/\x1b[31mrunsheet", Origin: "file /etc/runsheet.yaml:3:1"},
		}}
	case "GET /jobs/" + jobID + "/events":
		out = client.JobEventList{Items: []client.Event{
			{Seq: 7, Type: "job.queued", At: now.Add(-time.Hour), JobID: jobID, Data: map[string]string{}},
			{Seq: 9, Type: "job.started", At: now, JobID: jobID, RunID: runID, Data: map[string]string{"slot": "1", "name": "\x1b[31mred"}},
		}}
	case "GET /schedule-fires":
		cut := strings.Contains(query, "from=")
		out = client.ScheduleFires{
			Items: []client.ScheduleFireAt{
				{ScheduleID: scheduleID, NominalAt: now, Local: "2026-01-31T21:00:00+09:00", Marks: []string{"unverified"}},
				{ScheduleID: "sched_2", NominalAt: now.Add(time.Hour), Local: "2026-01-31T13:00:00Z", Skip: new("holiday")},
			},
			Schedules: []client.ScheduleOfFires{{ScheduleID: scheduleID, Name: "report", Truncated: cut}, {ScheduleID: "sched_2", Name: "nightly"}}, Complete: !cut,
		}
	case "GET /workflow-runs/" + flowRunID + "/nodes/upload/items":
		out = client.WorkflowItemList{Total: 2, Items: []client.WorkflowItem{
			{Index: 0, Status: "completed"}, {Index: 1, Status: "failed", Code: new("http_status"), Message: new("the server answered \x1b[31m500")},
		}}
	case "GET /workflow-runs/" + flowRunID + "/nodes/upload/attempts":
		at := func(second int) *time.Time { return new(now.Add(time.Duration(second) * time.Second)) }
		out = client.WorkflowNodeAttemptList{Items: []client.WorkflowNodeAttempt{
			{NodeID: "upload", Number: 1, Epoch: 1, Status: "READY", Lost: new("crash"), Instance: new("inst_1"), StartedAt: at(0), EndedAt: at(40)},
			{NodeID: "upload", Number: 2, Epoch: 2, Status: "FAILED", Lost: new("shutdown"), Instance: new("inst_2"), StartedAt: at(40), EndedAt: at(50), Error: &client.WorkflowFailure{Code: "interrupted", Message: "the server stopped in the middle of it"}},
			{NodeID: "upload", Number: 3, Epoch: 3, Status: "COMPLETED", Instance: new("inst_2"), StartedAt: at(60), EndedAt: at(61), Outcome: new("success")},
		}}
	case "GET /workflow-runs/" + flowRunID:
		out = client.WorkflowRunDocument{
			WorkflowRunID: flowRunID, WorkflowID: "etl", Version: 2, Status: "COMPLETED", JobID: jobID,
			Inputs: json.RawMessage(`{"day":"monday","token":"***"}`), Outputs: json.RawMessage(`{"rows":3}`),
			Progress: client.WorkflowRunProgress{Ended: 1, Total: 1}, Nodes: []client.WorkflowRunNode{{NodeID: "a", Type: new("data"), Status: "COMPLETED"}},
		}
	case "POST /workflows/etl/rollback":
		out = client.WorkflowRolledBack{Success: true, WorkflowID: "etl", RolledBackToVersion: 1, PreviousVersion: new(2)}
	case "GET /workflows/etl/versions":
		out = client.WorkflowVersionList{Items: []client.WorkflowVersion{
			{WorkflowID: "etl", Version: 2, Active: true, CreatedBy: "ana", CreatedAt: now.Add(-time.Hour), Message: "retry", Tags: []string{}},
			{WorkflowID: "etl", Version: 1, CreatedBy: "ana", CreatedAt: now.Add(-time.Hour), Tags: []string{"2026-q1", "stable"}},
		}}
	case "GET /workflows/etl/versions/stable":
		out = client.WorkflowVersion{WorkflowID: "etl", Version: 1, Tags: []string{"stable"}, Definition: json.RawMessage(`{"workflow_id":"etl"}`)}
	case "GET /workflows/etl/diff":
		out = client.WorkflowDiff{WorkflowID: "etl", From: 1, To: 2, Text: "-a: 1\n+a: 2\n"}
	case "PUT /workflows/etl/tags/stable":
		out = client.WorkflowTag{WorkflowID: "etl", Tag: "stable", Version: 2, PreviousVersion: new(1)}
	case "PUT /workflows/etl/tags/fresh":
		out = client.WorkflowTag{WorkflowID: "etl", Tag: "fresh", Version: 1}
	case "DELETE /workflows/etl/tags/stable":
		w.WriteHeader(http.StatusNoContent)
		return true
	case "POST /workflows/etl/activate":
		out = client.WorkflowMoved{Success: true, WorkflowID: "etl", Version: 2, PreviousVersion: new(2)}
	default:
		return false
	}
	_ = json.NewEncoder(w).Encode(out)
	return true
}

func TestLookGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"demo_start":             "demo start",
		"demo_start_q":           "demo start -q",
		"demo_remove":            "demo remove --yes",
		"demo_remove_asks":       "demo remove",
		"storage":                "storage",
		"storage_json":           "storage --json=database_bytes,artifact_run_max_bytes",
		"config_effective":       "config effective",
		"legacy_usage":           "legacy usage",
		"legacy_usage_json":      "legacy usage --json=client,count,successor",
		"legacy_usage_help":      "legacy usage --help",
		"job_events":             "job events " + jobID,
		"job_events_limit":       "job events --limit 1 --json=seq,type " + jobID,
		"schedule_fires":         "schedule fires",
		"schedule_fires_help":    "schedule fires --help",
		"schedule_fires_cut":     "schedule fires --from 2026-02-01T00:00:00Z --json=name,nominal_at",
		"schedule_fires_wrong":   "schedule fires --to 2026-02-01",
		"workflow_items":         "workflow items " + flowRunID + " upload --status failed",
		"workflow_attempts":      "workflow attempts " + flowRunID + " upload",
		"workflow_attempts_help": "workflow attempts --help",
		"workflow_show":          "workflow show " + flowRunID,
		"workflow_rollback":      "workflow rollback etl 1",
		"workflow_rollback_is":   "workflow rollback etl 2",
		"workflow_activate_is":   "workflow activate etl v2",
		"workflow_versions":      "workflow versions etl",
		"workflow_rollback_tag":  "workflow rollback etl --to stable",
		"workflow_rollback_two":  "workflow rollback etl 1 --to stable",
		"workflow_tag_help":      "workflow tag --help",
		"workflow_tag":           "workflow tag etl v2 stable",
		"workflow_tag_of_tag":    "workflow tag etl stable fresh",
		"workflow_tag_delete":    "workflow tag etl --delete stable",
		"workflow_tag_usage":     "workflow tag etl 2",
		"workflow_tag_wrong":     "workflow tag etl 0 stable",
		"workflow_items_of_job":  "workflow items " + jobID + " upload",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// TestLookAsks: what the flags say reaches the API under its names.
func TestLookAsks(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"schedule fires --from 2026-02-01T09:00:00+09:00 --to 2026-02-03T00:00:00Z --schedule a,b": "GET /api/schedule-fires?from=2026-02-01T00%3A00%3A00Z&schedule_id=a%2Cb&to=2026-02-03T00%3A00%3A00Z",
		"schedule fires": "GET /api/schedule-fires",
		"workflow items " + flowRunID + " upload --status failed --limit 7": "GET /api/workflow-runs/" + flowRunID + "/nodes/upload/items?limit=7&status=failed",
		"workflow diff etl --from stable --to v2":                           "GET /api/workflows/etl/diff?from=stable&to=2",
		"workflow export etl --version stable":                              "GET /api/workflows/etl/versions/stable",
		"demo start":                                                        "POST /api/demo",
		"demo remove --yes":                                                 "DELETE /api/demo",
		"config effective":                                                  "GET /api/config",
		"legacy usage":                                                      "GET /api/legacy/usage",
	} {
		f := serve(t, "QUEUED")
		if _, talk, code := f.invoke(t.Context(), t, "", strings.Fields(args)...); code != exitOK || len(f.requests) != 1 || f.requests[0] != want {
			t.Errorf("%s: exit %d, asked %q: %s", args, code, f.requests, talk)
		}
	}
}
