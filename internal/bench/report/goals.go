package report

// Goal is what a figure shall be. The goals are those of a machine with two processors
// and one local disk.
type Goal struct {
	Value float64 `json:"value"`
	// AtMost: the figure shall not exceed it; otherwise it shall not stay below.
	AtMost bool `json:"at_most"`
	// Size is how many jobs, schedules or viewers there must be for the goal to be
	// reached; with fewer it can only be missed. 0 = any number.
	Size int `json:"size"`
}

// SQLite and PostgreSQL are the engines.
const (
	SQLite     = "sqlite"
	PostgreSQL = "postgresql"
)

// Million and HundredThousand are the sizes that goals are about.
const (
	Million         = 1_000_000
	HundredThousand = 100_000
)

// Names of figures without a number in them.
const (
	StartP50       = "start_p50_ms"
	StartP95       = "start_p95_ms"
	StartP99       = "start_p99_ms"
	Drain          = "drain_jobs_per_s"
	Insert         = "insert_jobs_per_s"
	InsertP50      = "insert_p50_ms"
	InsertP95      = "insert_p95_ms"
	InsertP99      = "insert_p99_ms"
	Bulk           = "bulk_jobs_per_s"
	QueuedPosition = "queued_position_us"
	QueuedMove     = "queued_move_ms"
	QueuedPage     = "queued_page_ms"
	PositionGrowth = "queued_position_growth_times"
	MoveGrowth     = "queued_move_growth_times"
	PageGrowth     = "queued_page_growth_times"
	QueuedIndex    = "queued_index_bytes_per_job"
	QueuedReady    = "queued_ready_ms"
	SchedulesTick  = "schedules_tick_us"
	SchedulesDue   = "schedules_due_ms"
	SchedulesRate  = "schedules_due_per_s"
	ColdStart      = "cold_start_ms"
	FinishedReady  = "finished_ready_ms"
	FinishedMemory = "finished_memory_growth_times"
	IdleRSS        = "idle_rss_bytes"
	IdleCPU        = "idle_cpu_percent"
)

// both are the goals that do not depend on the engine.
var both = map[string]Goal{
	Bulk:           {Value: 80_000},
	QueuedPosition: {Value: 5, AtMost: true, Size: Million},
	QueuedMove:     {Value: 0.4, AtMost: true, Size: Million},
	QueuedPage:     {Value: 0.5, AtMost: true, Size: Million},
	PositionGrowth: {Value: 2, AtMost: true, Size: Million},
	MoveGrowth:     {Value: 2, AtMost: true, Size: Million},
	PageGrowth:     {Value: 2, AtMost: true, Size: Million},
	QueuedIndex:    {Value: 250, AtMost: true, Size: Million},
	QueuedReady:    {Value: 5000, AtMost: true, Size: Million},
	SchedulesTick:  {Value: 50, AtMost: true, Size: HundredThousand},
	SchedulesDue:   {Value: 5000, AtMost: true, Size: HundredThousand},
	FinishedReady:  {Value: 1000, AtMost: true, Size: Million},
	FinishedMemory: {Value: 1.1, AtMost: true, Size: Million},
	ColdStart:      {Value: 100, AtMost: true},
	IdleRSS:        {Value: 40e6, AtMost: true},
	IdleCPU:        {Value: 0.1, AtMost: true},

	"viewers_10_p99_ms":   {Value: 5, AtMost: true},
	"viewers_1000_p99_ms": {Value: 35, AtMost: true},
}

// own are those that do.
var own = map[string]map[string]Goal{
	SQLite: {
		StartP50: {Value: 0.5, AtMost: true}, StartP99: {Value: 2, AtMost: true},
		Drain: {Value: 20_000}, Insert: {Value: 15_000}, InsertP99: {Value: 10, AtMost: true},
		"steps_1_per_s": {Value: 4000}, "steps_32_per_s": {Value: 20_000},
		"steps_apart_1_per_s": {Value: 4000}, "steps_apart_32_per_s": {Value: 20_000},
	},
	PostgreSQL: {
		StartP50: {Value: 1, AtMost: true}, Drain: {Value: 30_000},
		"steps_1_per_s": {Value: 2500}, "steps_32_per_s": {Value: 12_000},
		"steps_apart_1_per_s": {Value: 2500}, "steps_apart_32_per_s": {Value: 12_000},
	},
}

func goalOf(engine, name string) *Goal {
	if g, ok := own[engine][name]; ok {
		return &g
	}
	if g, ok := both[name]; ok {
		return &g
	}
	return nil
}
