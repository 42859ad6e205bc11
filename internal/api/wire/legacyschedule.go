package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
)

// LegacyScheduleInput makes a schedule.
type LegacyScheduleInput struct {
	Name           string `json:"name" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x20\\x7f/]([^\\x00-\\x1f\\x7f/]*[^\\x00-\\x20\\x7f/])?$"`
	JobType        string `json:"job_type" minLength:"1" maxLength:"60"`
	JobParams      Object `json:"job_params,omitempty" nullable:"true"`
	CronExpression string `json:"cron_expression" minLength:"1" maxLength:"256" example:"0 9 * * *"`
	Timezone       string `json:"timezone,omitempty" nullable:"true" maxLength:"100" doc:"legacy.timezone of the configuration if absent"`
	Enabled        *bool  `json:"enabled,omitempty" nullable:"true" doc:"true if absent"`
}

// LegacyScheduleChange changes a schedule. What is absent or null stays.
type LegacyScheduleChange struct {
	Name           string `json:"name,omitempty" nullable:"true" maxLength:"100" pattern:"^[^\\x00-\\x20\\x7f/]([^\\x00-\\x1f\\x7f/]*[^\\x00-\\x20\\x7f/])?$"`
	JobType        string `json:"job_type,omitempty" nullable:"true" maxLength:"60"`
	JobParams      Object `json:"job_params,omitempty" nullable:"true"`
	CronExpression string `json:"cron_expression,omitempty" nullable:"true" maxLength:"256"`
	Timezone       string `json:"timezone,omitempty" nullable:"true" maxLength:"100"`
	Enabled        *bool  `json:"enabled,omitempty" nullable:"true"`
}

// LegacyScheduleMade is the answer to a new schedule.
type LegacyScheduleMade struct {
	ScheduleID string  `json:"schedule_id"`
	Name       string  `json:"name"`
	NextRunAt  *string `json:"next_run_at" doc:"with the offset of its zone" example:"2026-01-19T09:00:00+09:00"`
}

// LegacyScheduleChanged is the answer to a change.
type LegacyScheduleChanged struct {
	ScheduleID string  `json:"schedule_id"`
	Enabled    bool    `json:"enabled"`
	NextRunAt  *string `json:"next_run_at"`
}

// LegacySchedule is one in the list.
type LegacySchedule struct {
	ScheduleID     string  `json:"schedule_id"`
	Name           string  `json:"name"`
	CronExpression *string `json:"cron_expression" doc:"null if its trigger is of another kind"`
	Enabled        bool    `json:"enabled"`
	LastRunAt      *string `json:"last_run_at"`
	NextRunAt      *string `json:"next_run_at"`
}

// LegacyScheduleList is all schedules.
type LegacyScheduleList struct {
	Schedules []LegacySchedule `json:"schedules"`
	Total     int              `json:"total"`
}

// Schedule is the same in the words of the API.
func (in LegacyScheduleInput) Schedule() ScheduleInput {
	return ScheduleInput{
		Name: in.Name, Job: &ScheduleJobInput{JobType: in.JobType, Params: given(in.JobParams)}, Cron: in.CronExpression,
		Timezone: in.Timezone, Enabled: in.Enabled,
	}
}

// given is o without a null.
func given(o Object) Object {
	if string(o) == "null" {
		return nil
	}
	return o
}

// Apply writes the change into what a schedule is.
func (in LegacyScheduleChange) Apply(to ScheduleInput) ScheduleInput {
	if in.Name != "" {
		to.Name = in.Name
	}
	if params := given(in.JobParams); in.JobType != "" || params != nil {
		j := ScheduleJobInput{}
		if to.Job != nil {
			j = *to.Job
		}
		if in.JobType != "" {
			j.JobType, j.TemplateID, to.TemplateID = in.JobType, "", ""
			if to.Job == nil {
				to.Params = nil
			}
		}
		switch {
		case to.TemplateID != "":
			to.Params = params
		case params != nil:
			j.Params = params
		}
		if to.TemplateID == "" {
			to.Job = &j
		}
	}
	if in.CronExpression != "" {
		to.Trigger, to.Cron = nil, in.CronExpression
	}
	if in.Timezone != "" {
		to.Timezone = in.Timezone
	}
	if in.Enabled != nil {
		to.Enabled = in.Enabled
	}
	return to
}

// LegacyScheduleOf shows s, of which w is the view, with times in its zone.
func LegacyScheduleOf(s agenda.Schedule, w Schedule) LegacySchedule {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		zone = time.UTC
	}
	at := func(t *time.Time) *string {
		if t == nil {
			return nil
		}
		text := t.In(zone).Format("2006-01-02T15:04:05-07:00")
		return &text
	}
	return LegacySchedule{
		ScheduleID: s.ID, Name: s.Name, CronExpression: str(w.Trigger.Expression), Enabled: w.Enabled,
		LastRunAt: at(w.LastRunAt), NextRunAt: at(w.NextRunAt),
	}
}
