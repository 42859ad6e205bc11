package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/schedule"
)

// TriggerInput says what makes something fire. Each type has its own fields, and
// those of others are refused.
type TriggerInput struct {
	Type string `json:"type" enum:"CRON,INTERVAL,AT,EVENT,ON" example:"CRON"`

	Expression  string   `json:"expression,omitempty" nullable:"true" maxLength:"4000" doc:"CRON: a cron expression of at most 256 characters" example:"0 9 * * MON-FRI"`
	Expressions []string `json:"expressions,omitempty" maxItems:"20" doc:"CRON: several expressions instead, which are united"`
	Dialect     string   `json:"dialect,omitempty" enum:"standard,quartz" doc:"CRON: quartz counts weekdays from 1 = Sunday and wants 6 or 7 fields"`

	Interval        *Duration  `json:"interval,omitempty" doc:"INTERVAL: elapsed time between two, a second at least"`
	IntervalMinutes int        `json:"interval_minutes,omitempty" nullable:"true" minimum:"1" maximum:"52560000" doc:"INTERVAL: the same in minutes"`
	Anchor          *time.Time `json:"anchor,omitempty" doc:"INTERVAL: one of the times; the beginning of 1970 in UTC if absent"`
	Mode            string     `json:"mode,omitempty" enum:"fixed_rate,after_completion" doc:"INTERVAL: after_completion counts from the end of the run before"`

	At []string `json:"at,omitempty" maxItems:"1000" doc:"AT: times with an offset, or local ones such as 2026-03-29T02:30"`

	Event        string      `json:"event,omitempty" nullable:"true" maxLength:"100" doc:"EVENT: MARKET_OPEN, MARKET_CLOSE, BREAK_START, BREAK_END, or SESSION_START_OF_WEEK, SESSION_END_OF_MONTH and the like, also with QUARTER and YEAR. ON: the type of an event of this server" example:"MARKET_CLOSE"`
	Calendar     CalendarRef `json:"calendar,omitempty" doc:"EVENT: the market, if calendar beside the trigger is to be another one"`
	Offset       *Duration   `json:"offset,omitempty" doc:"EVENT: elapsed time from the event, such as -PT10M"`
	Every        *Duration   `json:"every,omitempty" doc:"EVENT with MARKET_OPEN: repeated this often up to the close. INTERVAL: another name of interval"`
	DuringBreaks bool        `json:"during_breaks,omitempty" doc:"EVENT with every: in breaks, too"`

	Subject string    `json:"subject,omitempty" maxLength:"100" doc:"ON: id of what the event must be about; anything if absent"`
	Delay   *Duration `json:"delay,omitempty" doc:"ON: time between the event and the start"`
}

// ExcludeInput takes times away.
type ExcludeInput struct {
	Dates     []string      `json:"dates,omitempty" maxItems:"1000" doc:"local dates"`
	Cron      []string      `json:"cron,omitempty" maxItems:"20" doc:"expressions: what they name is excluded; without seconds they name whole minutes"`
	Calendars []CalendarRef `json:"calendars,omitempty" maxItems:"16" doc:"calendars whose dates are excluded; the days off of one are {\"not\": ...}"`
}

// TimingInput says when something fires.
type TimingInput struct {
	Trigger      TriggerInput  `json:"trigger"`
	Timezone     string        `json:"timezone,omitempty" maxLength:"100" doc:"IANA name of the zone that local times are of; the installation's if absent" example:"Asia/Seoul"`
	Calendar     CalendarRef   `json:"calendar,omitempty" doc:"on whose dates it fires: a code, or {all_of|any_of: [...]} or {not: ...}"`
	OnNonSession string        `json:"on_non_session,omitempty" enum:"skip,next_session,previous_session" doc:"what happens on a date that the calendar does not have"`
	OnlyIn       string        `json:"only_in,omitempty" enum:"session,regular_hours,outside_hours" doc:"only inside or outside of the calendar's hours; regular_hours leaves out breaks"`
	Exclude      *ExcludeInput `json:"exclude,omitempty"`
	DSTGap       string        `json:"dst_gap,omitempty" enum:"auto,skip" doc:"what becomes of named times that a change of the clock leaves out"`
	DSTOverlap   string        `json:"dst_overlap,omitempty" enum:"auto,first,second,both" doc:"at which of two equal local times it fires"`
	StartAt      *time.Time    `json:"start_at,omitempty" doc:"not before this time"`
	EndAt        *time.Time    `json:"end_at,omitempty" doc:"before this time only"`
	Strict       bool          `json:"strict,omitempty" doc:"skip dates that the calendar does not reach"`
	AllowNever   bool          `json:"allow_never,omitempty" doc:"accept what never fires"`
}

// SchedulePreviewInput asks when something would fire.
type SchedulePreviewInput struct {
	TimingInput
	From  *time.Time `json:"from,omitempty" doc:"only times after this one; now if absent"`
	Count int        `json:"count,omitempty" minimum:"1" maximum:"1000" doc:"how many; 10 if absent"`
}

// Nominal is an instant that a trigger yields.
type Nominal struct {
	NominalAt time.Time `json:"nominal_at"`
	Local     string    `json:"local" doc:"the same as clocks in the schedule's zone show it" example:"2026-01-12T09:00:00+09:00"`
	Marks     []string  `json:"marks" nullable:"false" doc:"dst_moved, dst_repeated, session_moved, early_close, unverified"`
	Skip      *string   `json:"skip" doc:"why it does not fire: holiday, non_session, only_in, excluded, calendar_expired; null = it does"`
}

// SchedulePreview is what a trigger yields.
type SchedulePreview struct {
	Items []Nominal `json:"items" nullable:"false"`
}

// NominalOf shows a nominal.
func NominalOf(n schedule.Nominal) Nominal {
	return Nominal{NominalAt: n.At.UTC(), Local: n.Local(), Marks: n.Marks.Strings(), Skip: str(string(n.Skip))}
}
