package planner

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// This file asks people about the jobs of schedules that need an approval.

// start adds a job to a decision, with the request without which it must not run,
// if the schedule wants one. by is who wants the job to run.
func start(item *store.Decided, j job.Job, s agenda.Schedule, d agenda.Decision, by string) error {
	if s.Mode == agenda.ModeApproval {
		r, err := question(j, s, d, by, item.Now)
		if err != nil {
			return err
		}
		item.Approvals = append(item.Approvals, r)
	}
	item.Jobs = append(item.Jobs, j)
	return nil
}

// asked is what a person approves: exactly what will run. Fields may be added.
type asked struct {
	ScheduleID      string        `json:"schedule_id"`
	ScheduleVersion int           `json:"schedule_version"`
	NominalAt       time.Time     `json:"nominal_at"`
	Source          agenda.Source `json:"source"`
	Job             askedJob      `json:"job"`
}

type askedJob struct {
	Name            string          `json:"name"`
	Type            string          `json:"job_type"`
	TemplateID      string          `json:"template_id,omitempty"`
	TemplateVersion int             `json:"template_version,omitempty"`
	Params          json.RawMessage `json:"params,omitempty"`
	// What the directive says is a part of what runs: its version must not change
	// behind an approval.
	DirectiveID      string   `json:"directive_id,omitempty"`
	DirectiveVersion int      `json:"directive_version,omitempty"`
	Locks            []string `json:"locks,omitempty"`
	Priority         int      `json:"priority"`
	TimeoutMS        int64    `json:"timeout_ms,omitempty"`
}

// question asks whether a job of a schedule may run. It can be answered until the
// job may not start any more.
func question(j job.Job, s agenda.Schedule, d agenda.Decision, by string, now time.Time) (approval.Request, error) {
	content, err := json.Marshal(asked{
		ScheduleID: s.ID, ScheduleVersion: s.Version, NominalAt: d.Nominal, Source: d.Source, Job: askedJob{
			Name: j.Name, Type: j.Type, TemplateID: j.TemplateID, TemplateVersion: j.TemplateVersion, Params: j.Params, Locks: j.Locks,
			DirectiveID: j.Directive.ID, DirectiveVersion: j.Directive.Version,
			Priority: j.Priority, TimeoutMS: j.Timeout.Milliseconds(),
		},
	})
	if err != nil {
		return approval.Request{}, fmt.Errorf("write what is to be approved: %w", err)
	}
	r := approval.Request{
		ID: id.New(id.Approval, now), Tenant: s.Tenant, Kind: approval.KindRunJob, Subject: approval.Subject{Type: approval.SubjectJob, ID: j.ID},
		Title: short("Run " + cmp.Or(j.Name, j.Type) + " of the schedule " + s.Name), Content: content,
		Summary: []approval.Field{
			{Name: "schedule", Label: "Schedule", Type: approval.Text, Value: s.Name},
			{Name: "nominal_at", Label: "Planned for", Type: approval.Time, Value: d.Nominal.UTC().Format(time.RFC3339Nano)},
			{Name: "source", Label: "Because of", Type: approval.Text, Value: string(d.Source)},
			{Name: "job_type", Label: "Job type", Type: approval.Text, Value: j.Type},
		},
		// Whoever wrote the current version decides what runs, too.
		RequestedBy: approval.Person{Name: cmp.Or(by, "schedule"), MadeBy: s.ChangedBy}, RequestedAt: now,
		MaxReRequests: approval.DefaultReRequests,
	}
	if !j.StartDeadline.IsZero() && j.StartDeadline.Sub(now) < approval.DefaultLife {
		r.ExpiresAt = now.Add(max(j.StartDeadline.Sub(now), approval.MinLife))
	}
	return approval.New(r)
}

// maxTitle is a little below what approvals allow, in bytes.
const maxTitle = 400

func short(s string) string {
	for i := range s {
		if i > maxTitle {
			return s[:i] + "..."
		}
	}
	return s
}

// alone notes which jobs stand in the way of a new one.
func (p *Planner) alone(ctx context.Context, s agenda.Schedule, item *store.Decided, j job.Job) error {
	if j.UniqueKey == "" || p.o.Unique == nil {
		return nil
	}
	u, err := p.o.Unique(ctx, s)
	if err != nil || u == nil {
		return err
	}
	if item.Unique == nil {
		item.Unique = map[string]store.Unique{}
	}
	item.Unique[j.ID] = *u
	return nil
}
