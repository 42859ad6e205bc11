package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/store"
)

// WorkersPatch sets the worker count.
type WorkersPatch struct {
	Count int `json:"count" minimum:"0" maximum:"1024" doc:"number of slots of the installation; shrinking never stops a running job" example:"4"`
}

// Slot is the right to execute one thing now.
type Slot struct {
	Slot       int        `json:"slot" doc:"number for people, from 1"`
	State      string     `json:"state" enum:"idle,busy,surplus" doc:"surplus: busy, and gone when its job ends, because the count was lowered"`
	JobID      *string    `json:"job_id"`
	RunID      *string    `json:"run_id"`
	Name       *string    `json:"name" doc:"the job's; null for a job of another tenant"`
	JobType    *string    `json:"job_type"`
	InstanceID *string    `json:"instance_id"`
	Since      *time.Time `json:"since"`
}

// Instance is one live server process.
type Instance struct {
	InstanceID string    `json:"instance_id" example:"inst_01jh0000000000000000000000"`
	Hostname   string    `json:"hostname"`
	Pid        int       `json:"pid"`
	Version    string    `json:"version"`
	StartedAt  time.Time `json:"started_at"`
	LeaseUntil time.Time `json:"lease_until" doc:"it counts as dead when this has passed"`
}

// Workers is the slots and who fills them.
type Workers struct {
	Count     int        `json:"count" doc:"number of slots"`
	Running   int        `json:"running" doc:"slots in use"`
	Slots     []Slot     `json:"slots"`
	Instances []Instance `json:"instances"`
	UpdatedAt *time.Time `json:"updated_at" doc:"when the count was last changed"`
}

// JobCounts are numbers of jobs by status.
type JobCounts struct {
	Queued    int `json:"queued"`
	Running   int `json:"running"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
	Skipped   int `json:"skipped"`
	Cancelled int `json:"cancelled"`
}

// OtherTenants is what anybody may know of the jobs of others.
type OtherTenants struct {
	Queued  int `json:"queued"`
	Running int `json:"running"`
}

// Scheduler is the state of the queue and of the server.
type Scheduler struct {
	State        string       `json:"state" enum:"running,paused"`
	Paused       bool         `json:"paused" doc:"running jobs finish, none starts"`
	PausedBy     *string      `json:"paused_by" doc:"null for other tenants than the default one"`
	PausedReason *string      `json:"paused_reason" doc:"null for other tenants than the default one"`
	Workers      int          `json:"workers" doc:"number of slots"`
	Running      int          `json:"running" doc:"jobs that execute now"`
	Queued       int          `json:"queued" doc:"jobs that wait"`
	Jobs         JobCounts    `json:"jobs"`
	OtherTenants OtherTenants `json:"other_tenants" doc:"how many jobs of other tenants share the queue and the slots"`
	Instances    []Instance   `json:"instances"`
	InstanceID   string       `json:"instance_id" doc:"the server process that answered"`
	Engine       string       `json:"engine" doc:"the database" example:"sqlite 3.50.4"`
	Version      string       `json:"version"`
	StartedAt    time.Time    `json:"started_at"`
	UptimeMs     int64        `json:"uptime_ms"`
	Time         time.Time    `json:"time" doc:"the server's clock"`
}

// Usage is what the artifacts of a tenant take.
type Usage struct {
	ArtifactBytes       int64  `json:"artifact_bytes" doc:"sum of the sizes of all artifacts, as if each had its own content"`
	ArtifactCount       int64  `json:"artifact_count"`
	ArtifactQuotaBytes  *int64 `json:"artifact_quota_bytes" doc:"what they may take; null for no limit"`
	ArtifactRunMaxBytes *int64 `json:"artifact_run_max_bytes" doc:"what those of one run may take; null for no limit"`
}

// JobType is a kind of work that this server can do.
type JobType struct {
	JobType      string `json:"job_type" example:"command"`
	ParamsSchema Object `json:"params_schema" doc:"JSON Schema (2020-12) of params"`
	CrashPolicy  string `json:"crash_policy" enum:"fail,retry,ask,resume" doc:"what a crash of the server does to a running job of this type, unless the job says otherwise"`
	Enabled      bool   `json:"enabled" doc:"whether this server takes jobs of this type"`
	Hint         string `json:"hint" doc:"how an administrator enables the type; empty when it is enabled"`
}

// JobTypeList is all job types.
type JobTypeList struct {
	Items      []JobType `json:"items"`
	NextCursor *string   `json:"next_cursor" doc:"always null: the list is complete"`
}

// Health is the answer of a living server.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

// Readiness says whether a server can take work.
type Readiness struct {
	Status string           `json:"status" enum:"ok,degraded,failing" doc:"the worst of the checks; degraded: it serves, but not everything works as it should"`
	Checks []ReadinessCheck `json:"checks"`
}

// ReadinessCheck is one thing that was looked at.
type ReadinessCheck struct {
	Name      string     `json:"name" example:"database"`
	Status    string     `json:"status" enum:"ok,degraded,failing"`
	Note      *string    `json:"note" doc:"a word, such as paused or low"`
	Detail    *string    `json:"detail" doc:"what is wrong; only for callers with the scope system:read"`
	CheckedAt *time.Time `json:"checked_at" doc:"when it was last looked at"`
}

// ReadinessOf shows a report; without details it tells nothing about the
// installation.
func ReadinessOf(r health.Report, details bool) Readiness {
	out := Readiness{Status: string(r.Status), Checks: []ReadinessCheck{}}
	for _, c := range r.Checks {
		v := ReadinessCheck{Name: c.Name, Status: string(c.Status)}
		if c.Note != "" {
			v.Note = &c.Note
		}
		if details && c.Detail != "" {
			v.Detail = &c.Detail
		}
		if !c.At.IsZero() {
			at := c.At.UTC().Truncate(time.Millisecond)
			v.CheckedAt = &at
		}
		out.Checks = append(out.Checks, v)
	}
	return out
}

// Explanation describes a problem code.
type Explanation struct {
	Type   string `json:"type" example:"/problems/not_found"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Remedy string `json:"remedy" doc:"what to do about it"`
}

// InstancesOf shows instances.
func InstancesOf(in []store.Instance) []Instance {
	out := make([]Instance, 0, len(in))
	for _, i := range in {
		out = append(out, Instance{
			InstanceID: i.ID, Hostname: i.Hostname, Pid: i.Pid, Version: i.Version,
			StartedAt: i.StartedAt.UTC(), LeaseUntil: i.LeaseUntil.UTC(),
		})
	}
	return out
}
