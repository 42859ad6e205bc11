package metrics

// Def describes one metric. Together the Defs are all that this program adds to
// the standard metrics of the Go runtime and the process.
type Def struct {
	// Name ends with the unit: _seconds, _bytes, _total (a count that only grows),
	// or none for plain numbers.
	Name string
	Kind Kind
	Help string
	// Labels have values from closed sets, which Values explains in the same order:
	// never text from users, never ids. Names of models are bounded in number.
	Labels, Values []string
	// Buckets of a histogram: upper bounds in the metric's unit.
	Buckets []float64
}

// Kind is what a metric's value does.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // only grows, from 0 at each start of the process
	Gauge     Kind = "gauge"     // goes up and down
	Histogram Kind = "histogram" // counts observations by size
)

// Values of labels that several metrics have.
const (
	jobTypes   = "a job type of this server, or `other`"
	routes     = "the route's pattern, such as `/api/jobs/{job_id}`, or `none` where nothing is served"
	llmServers = "name of a server in the configuration, or `other`"
	llmModels  = "a model that has answered, or `other`"
	methods    = "`GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD`, or `other`"
)

// The metrics. The variables are read-only.
var (
	buildInfo = Def{
		Name: "runsheet_build_info", Kind: Gauge, Help: "Always 1; the labels tell which program runs.",
		Labels: []string{"version", "go_version"}, Values: []string{"of Runsheet", "of the Go compiler"},
	}

	jobs = Def{
		Name: "runsheet_jobs", Kind: Gauge, Help: "Jobs in the queue or executing, over all tenants and instances.",
		Labels: []string{"state"}, Values: []string{"`QUEUED`, `RUNNING`"},
	}
	jobsQueued = Def{
		Name: "runsheet_jobs_queued", Kind: Gauge, Help: "Waiting jobs by what they wait for.",
		Labels: []string{"waiting"}, Values: []string{"`ready` for a slot or a lock, `delayed` until a time, `held` for a person"},
	}
	oldestSeconds = Def{
		Name: "runsheet_queue_oldest_seconds", Kind: Gauge,
		Help: "How long the longest waiting of the jobs that could start has waited; 0 = none waits. Only the first 64 places of each priority are looked at.",
	}
	paused        = Def{Name: "runsheet_queue_paused", Kind: Gauge, Help: "1 while the queue is paused, else 0."}
	slots         = Def{Name: "runsheet_slots", Kind: Gauge, Help: "The worker count of the installation."}
	slotsBusy     = Def{Name: "runsheet_slots_busy", Kind: Gauge, Help: "Slots in use in the installation; more than runsheet_slots after the count was lowered."}
	instances     = Def{Name: "runsheet_instances", Kind: Gauge, Help: "Server processes with a living lease."}
	attempts      = Def{Name: "runsheet_attempts_active", Kind: Gauge, Help: "Attempts that this process executes now."}
	surveyAge     = Def{Name: "runsheet_survey_age_seconds", Kind: Gauge, Help: "Age of the numbers that come from the database; they are read at most every 5 seconds. It grows while the database does not answer."}
	surveyErrors  = Def{Name: "runsheet_survey_errors_total", Kind: Counter, Help: "Times that the database could not be asked for these numbers."}
	eventsLast    = Def{Name: "runsheet_events_last_sequence", Kind: Gauge, Help: "Highest sequence number in the log of events; its rate is that of events."}
	eventsLagging = Def{Name: "runsheet_events_unnumbered", Kind: Gauge, Help: "Events that are committed but that no reader can see yet, at most 10000; always 0 on SQLite. It is the lag of the log of events."}

	directWaiting  = Def{Name: "runsheet_direct_waiting", Kind: Gauge, Help: "Direct requests that wait for a slot at this process."}
	directRequests = Def{
		Name: "runsheet_direct_requests_total", Kind: Counter, Help: "Direct requests of this process, by what became of them.",
		Labels: []string{"outcome"}, Values: []string{
			"`served`: it ran, well or badly; `timeout`: no slot in time; `full`: too many waited; `left`: the caller went before it ran; " +
				"`refused`: the server stopped, or had no database or lease",
		},
	}

	claims = Def{
		Name: "runsheet_claims_total", Kind: Counter, Help: "Attempts of this process to take jobs from the queue.",
		Labels: []string{"outcome"}, Values: []string{"`started` at least one job, `nothing` to start, `error`"},
	}
	starts = Def{
		Name: "runsheet_starts_total", Kind: Counter, Help: "Execution attempts that this process took from the queue.",
		Labels: []string{"job_type"}, Values: []string{jobTypes},
	}
	queueWait = Def{
		Name: "runsheet_queue_wait_seconds", Kind: Histogram, Help: "Time from entering the queue to the start, of each attempt.",
		Labels: []string{"job_type"}, Values: []string{jobTypes},
		Buckets: []float64{0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600},
	}
	runs = Def{
		Name: "runsheet_runs_total", Kind: Counter, Help: "Ended execution attempts.",
		Labels: []string{"job_type", "result"}, Values: []string{jobTypes, "`COMPLETED`, `FAILED`, `SKIPPED`"},
	}
	runSeconds = Def{
		Name: "runsheet_run_duration_seconds", Kind: Histogram, Help: "Time from the start of an attempt to its end.",
		Labels: []string{"job_type", "result"}, Values: []string{jobTypes, "`COMPLETED`, `FAILED`, `SKIPPED`"},
		Buckets: []float64{0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600},
	}
	jobsFinished = Def{
		Name: "runsheet_jobs_finished_total", Kind: Counter, Help: "Jobs whose last attempt ended in this process. A job that is cancelled while it waits is not among them.",
		Labels: []string{"job_type", "state"}, Values: []string{jobTypes, "`COMPLETED`, `FAILED`, `SKIPPED`, `CANCELLED`"},
	}
	retries = Def{
		Name: "runsheet_retries_total", Kind: Counter, Help: "Failed attempts after which the job waits for another one.",
		Labels: []string{"job_type"}, Values: []string{jobTypes},
	}
	interrupted = Def{
		Name: "runsheet_interrupted_total", Kind: Counter, Help: "Attempts that ended with their server rather than by themselves.",
		Labels: []string{"job_type", "by"}, Values: []string{jobTypes, "`crash`: found and ended after their server was gone (rescued); `stop`: given back when their server stopped"},
	}
	fenced = Def{
		Name: "runsheet_stale_writes_refused_total", Kind: Counter, Help: "Writes of attempts that had lost their lease; each was refused. Not counted: instances that want to rescue one attempt at once.",
		Labels: []string{"method"}, Values: []string{"`finish`, `report`, `save_checkpoint`, `put`"},
	}

	storeSeconds = Def{
		Name: "runsheet_store_duration_seconds", Kind: Histogram, Help: "Time of one operation on the database, waiting included.",
		Labels: []string{"role", "method"}, Values: []string{"part of the store, such as `jobs`", "operation of that part, such as `claim`"},
		Buckets: []float64{0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10},
	}
	storeErrors = Def{
		Name: "runsheet_store_errors_total", Kind: Counter, Help: "Operations on the database that returned an error. Many are answers, such as `not_found`; watch `storage_busy`, `storage_unavailable`, `storage_full` and `internal_error`.",
		Labels: []string{"role", "method", "code"},
		Values: []string{"as above", "as above", "a problem code, or `cancelled` or `deadline` when the caller gave up"},
	}
	batchRequests = Def{
		Name: "runsheet_sqlite_batch_requests", Kind: Histogram, Help: "Writes that shared one durable transaction. SQLite only.",
		Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128},
	}
	databaseBytes = Def{Name: "runsheet_database_bytes", Kind: Gauge, Help: "Size of the database."}
	walBytes      = Def{Name: "runsheet_sqlite_wal_bytes", Kind: Gauge, Help: "Size of the database's write-ahead log file. 0 on PostgreSQL."}
	heldSeconds   = Def{Name: "runsheet_postgres_oldest_transaction_seconds", Kind: Gauge, Help: "For how long the oldest transaction of the database has been open that keeps PostgreSQL from removing old rows, 0 = there is none. Those of other roles are seen by members of `pg_read_all_stats` only. 0 on SQLite."}
	notifyUsed    = Def{Name: "runsheet_postgres_notify_queue_ratio", Kind: Gauge, Help: "Used part of PostgreSQL's queue of notifications, 0 to 1. When it is full, no transaction that notifies can commit. 0 on SQLite."}
	freeBytes     = Def{Name: "runsheet_data_free_bytes", Kind: Gauge, Help: "Bytes that this server may still write to the file system of the data folder."}
	totalBytes    = Def{Name: "runsheet_data_size_bytes", Kind: Gauge, Help: "Size of the file system of the data folder."}
	putBytes      = Def{Name: "runsheet_artifacts_put_bytes_total", Kind: Counter, Help: "Bytes of artifacts that this process stored, content that was there already included."}
	putCount      = Def{
		Name: "runsheet_artifacts_put_total", Kind: Counter, Help: "Artifacts that this process stored.",
		Labels: []string{"outcome"}, Values: []string{"`ok`, `error`"},
	}

	httpRequests = Def{
		Name: "runsheet_http_requests_total", Kind: Counter, Help: "Answered requests. Streams and waits count when they end.",
		Labels: []string{"route", "method", "status"}, Values: []string{routes, methods, "class of the status: `2xx`, `3xx`, `4xx`, `5xx`; `cut` when the answer was broken off"},
	}
	httpSeconds = Def{
		Name: "runsheet_http_request_duration_seconds", Kind: Histogram, Help: "Time from the head of a request to the end of its answer. Followed logs and waits last as long as they are wanted.",
		Labels: []string{"route", "method"}, Values: []string{routes, methods},
		Buckets: []float64{0.005, 0.025, 0.1, 0.5, 2.5, 10, 60},
	}
	httpInFlight = Def{Name: "runsheet_http_requests_in_flight", Kind: Gauge, Help: "Requests under way, streams and waits included."}
	httpRefused  = Def{
		Name: "runsheet_http_refused_total", Kind: Counter, Help: "Requests refused before anybody looked at what they ask for.",
		Labels: []string{"reason"}, Values: []string{"`host` (unknown name), `origin` (another site's page), `busy` (too many under way), `lasting` (too many streams and waits), `bodies` (too many large bodies)"},
	}
	httpConnections = Def{
		Name: "runsheet_http_connections", Kind: Gauge, Help: "Open connections to the API.",
		Labels: []string{"state"}, Values: []string{"`new` (nothing asked yet), `active`, `idle`"},
	}
	httpBytes = Def{Name: "runsheet_http_sent_bytes_total", Kind: Counter, Help: "Bytes of answers before compression, without their heads."}

	webhookAttempts = Def{
		Name: "runsheet_webhook_attempts_total", Kind: Counter, Help: "Attempts of this process to deliver a message to a webhook.",
		Labels: []string{"outcome"}, Values: []string{"`delivered`, `failed` (will be tried again), `dead` (given up)"},
	}
	webhookSeconds = Def{
		Name: "runsheet_webhook_attempt_seconds", Kind: Histogram, Help: "How long these attempts took.",
		Buckets: []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15},
	}
	webhookBacklog = Def{
		Name: "runsheet_webhook_backlog", Kind: Gauge, Help: "Messages to webhooks that are not delivered yet, over all tenants and instances; counted at most every 15 seconds, up to 10000.",
		Labels: []string{"stage"}, Values: []string{"`outbox` (events that were not looked at yet), `open` (deliveries to be sent or sent again)"},
	}

	llmCalls = Def{
		Name: "runsheet_llm_calls_total", Kind: Counter, Help: "Questions of this process to language models, by how they ended.",
		Labels: []string{"server", "model", "outcome"}, Values: []string{llmServers, llmModels, "`ok`, a problem code such as `llm_busy`, `cancelled` or `deadline`"},
	}
	llmSeconds = Def{
		Name: "runsheet_llm_call_duration_seconds", Kind: Histogram, Help: "Time from the question to the end of the answer, with waiting and repetitions.",
		Labels: []string{"server", "model"}, Values: []string{llmServers, llmModels},
		Buckets: []float64{0.25, 1, 5, 15, 60, 300, 900, 3600},
	}
	llmTokens = Def{
		Name: "runsheet_llm_tokens_total", Kind: Counter, Help: "Tokens as the servers counted them, of answers that came whole.",
		Labels: []string{"server", "model", "kind"}, Values: []string{llmServers, llmModels, "`prompt`, `completion`"},
	}
	llmUncounted = Def{
		Name: "runsheet_llm_calls_uncounted_total", Kind: Counter, Help: "Whole answers with which the server told no counts, or not both. Their tokens are missing above.",
		Labels: []string{"server", "model"}, Values: []string{llmServers, llmModels},
	}

	schedules = Def{
		Name: "runsheet_schedules", Kind: Gauge, Help: "Schedules of all tenants.",
		Labels: []string{"status"}, Values: []string{"`active`, `paused`, `finished`"},
	}
	scheduleClaims = Def{
		Name: "runsheet_schedule_claims_total", Kind: Counter, Help: "Schedules that this process claimed because something was due.",
	}
	scheduleFires = Def{
		Name: "runsheet_schedule_fires_total", Kind: Counter, Help: "Nominals of schedules that this process made jobs of.",
		Labels: []string{"source"}, Values: []string{"`schedule`, `catch_up`, `backfill`, `manual`, `event`"},
	}
	scheduleSkips = Def{
		Name: "runsheet_schedule_skips_total", Kind: Counter, Help: "Nominals of schedules that this process skipped.",
		Labels: []string{"reason"}, Values: []string{"a reason of the history, such as `overlap` or `missed`"},
	}
	scheduleLag = Def{
		Name: "runsheet_schedule_lag_seconds", Kind: Histogram, Help: "Time from when a nominal that fired was due to its job being in the queue.",
		Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600, 3600},
	}

	ready = Def{
		Name: "runsheet_ready", Kind: Gauge, Help: "The checks of /readyz: 1 ok, 0.5 degraded, 0 failing.",
		Labels: []string{"check"}, Values: []string{"name of a check, such as `database`"},
	}
)

// Defs lists all metrics of this program in the order of the documentation.
func Defs() []Def {
	return []Def{
		buildInfo, ready,
		jobs, jobsQueued, oldestSeconds, paused, slots, slotsBusy, instances, attempts, directWaiting, directRequests,
		claims, starts, queueWait, runs, runSeconds, jobsFinished, retries, interrupted, fenced,
		storeSeconds, storeErrors, batchRequests, databaseBytes, walBytes, heldSeconds, notifyUsed, freeBytes, totalBytes,
		surveyAge, surveyErrors, eventsLast, eventsLagging, putBytes, putCount,
		schedules, scheduleClaims, scheduleFires, scheduleSkips, scheduleLag,
		webhookAttempts, webhookSeconds, webhookBacklog,
		llmCalls, llmSeconds, llmTokens, llmUncounted,
		httpRequests, httpSeconds, httpInFlight, httpRefused, httpConnections, httpBytes,
	}
}
