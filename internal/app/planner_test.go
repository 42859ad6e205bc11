package app

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// firing is a started server and a web server that its jobs call.
type firing struct {
	a     *App
	calls chan struct{}
	job   json.RawMessage // an inline job that makes a call
}

func startFiring(t *testing.T, change func(*config.Config)) *firing {
	t.Helper()
	f := &firing{calls: make(chan struct{}, 1000)}
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { f.calls <- struct{}{} }))
	t.Cleanup(target.Close)
	f.job = json.RawMessage(fmt.Sprintf(`{"job_type":"http","name":"call","params":{"method":"GET","url":%q}}`, target.URL))
	at, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Workers: 2, StopGrace: time.Second, LeaseTTL: 30 * time.Second, LogMaxBytes: 1 << 20,
		OutboundAllow: []string{net.JoinHostPort(at.Hostname(), at.Port())}, Timezone: "UTC",
		Schedules: config.Schedules{Poll: 100 * time.Millisecond},
	}
	if change != nil {
		change(&c)
	}
	f.a = f.start(t, c)
	return f
}

func (f *firing) start(t *testing.T, c config.Config) *App {
	t.Helper()
	a := New(Options{Config: c})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// soon is the timing of a schedule that fires once, a moment after it began.
const soon = `{"trigger":{"type":"AT","at":["SOON"]}}`

// add stores an active schedule that starts f.job.
func (f *firing) add(t *testing.T, name, timing string, edit func(*agenda.Schedule)) agenda.Schedule {
	t.Helper()
	now := clock.System{}.Now()
	s := agenda.Schedule{ID: id.New(id.Schedule, now), Tenant: access.DefaultTenant, CreatedAt: now, UpdatedAt: now}
	timing = strings.ReplaceAll(timing, "SOON", now.UTC().Add(300*time.Millisecond).Format(time.RFC3339Nano))
	s.Name, s.Zone, s.Trigger, s.Policy = name, "UTC", []byte(timing), agenda.NewPolicy()
	s.Target.Job, s.State = f.job, agenda.State{}.Begin(now)
	if edit != nil {
		edit(&s)
	}
	out, err := f.a.store.Schedules.Create(t.Context(), store.PutSchedule{Schedule: s, By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// until polls for a minute at most: the machine may be busy.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		if clock.Sleep(t.Context(), clock.System{}, 10*time.Millisecond) != nil {
			break
		}
	}
	t.Fatalf("%s: not within a minute", what)
}

func (f *firing) jobs(t *testing.T, states ...job.State) []job.Job {
	t.Helper()
	page, err := f.a.store.Jobs.List(t.Context(), store.ListJobs{Tenant: access.DefaultTenant, States: states, Sort: store.SortNewest, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return page.Jobs
}

const everySecond = `{"trigger":{"type":"INTERVAL","interval":"PT1S"}}`

// TestServerFiresSchedules: what is due becomes a job that runs, also while the
// server is otherwise idle, and the schedule knows of it.
func TestServerFiresSchedules(t *testing.T) {
	t.Parallel()
	f := startFiring(t, nil)
	s := f.add(t, "s", everySecond, nil)
	until(t, "two jobs run", func() bool { return len(f.calls) >= 2 })
	until(t, "a run is recorded", func() bool {
		now, err := f.a.store.Schedules.Schedule(t.Context(), access.DefaultTenant, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now.State.Runs >= 2 && now.State.Last.JobID != ""
	})
	done := f.jobs(t, job.Completed)
	until(t, "its jobs end", func() bool { done = f.jobs(t, job.Completed); return len(done) > 0 })
	if j := done[0]; j.Trigger != job.TriggerSchedule || j.CreatedBy != "ann" || j.Type != "http" {
		t.Errorf("job = %+v", j)
	}
	if err := f.a.planner.Err(); err != nil {
		t.Error(err)
	}
}

// TestPausedQueueLosesNoNominal: a queue that is paused holds the jobs of schedules
// like any others; the schedules go on.
func TestPausedQueueLosesNoNominal(t *testing.T) {
	t.Parallel()
	f := startFiring(t, nil)
	pause := func(on bool) {
		if _, err := f.a.store.Queue.Pause(t.Context(), store.Pause{Paused: on, At: clock.System{}.Now(), Tenant: access.DefaultTenant}); err != nil {
			t.Fatal(err)
		}
	}
	pause(true)
	f.add(t, "once", soon, nil)
	until(t, "the job waits", func() bool { return len(f.jobs(t, job.Queued)) == 1 })
	if len(f.calls) > 0 {
		t.Fatal("a paused queue starts jobs")
	}
	pause(false)
	until(t, "the job runs", func() bool { return len(f.jobs(t, job.Completed)) == 1 })
}

// TestScheduleWithABrokenTriggerIsPaused, and keeps no other from firing.
func TestScheduleWithABrokenTriggerIsPaused(t *testing.T) {
	t.Parallel()
	f := startFiring(t, nil)
	bad := f.add(t, "bad", `{"trigger":{"type":"CRON","expression":"61 * * * *"}}`, nil)
	f.add(t, "good", everySecond, nil)
	until(t, "the good one fires", func() bool { return len(f.calls) > 0 })
	until(t, "the bad one is paused", func() bool {
		now, err := f.a.store.Schedules.Schedule(t.Context(), access.DefaultTenant, bad.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now.State.Status == agenda.Paused && now.State.StatusReason != ""
	})
}

// TestApprovalBeforeItRuns: the job of a schedule that needs an approval waits, and
// its author cannot give it himself.
func TestApprovalBeforeItRuns(t *testing.T) {
	t.Parallel()
	f := startFiring(t, nil)
	s := f.add(t, "asks", soon, func(s *agenda.Schedule) { s.Mode = agenda.ModeApproval })
	var list []approval.Request
	until(t, "an approval is asked for", func() bool {
		page, err := f.a.store.Approvals.List(t.Context(), store.ListApprovals{Tenant: access.DefaultTenant, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		list = page.Requests
		return len(list) > 0
	})
	r := list[0]
	var content struct {
		ScheduleID string `json:"schedule_id"`
		Job        struct {
			Params struct {
				URL string `json:"url"`
			} `json:"params"`
		} `json:"job"`
	}
	if err := json.Unmarshal(r.Content, &content); err != nil || content.ScheduleID != s.ID || content.Job.Params.URL == "" {
		t.Errorf("what will run is not shown: %s, %v", r.Content, err)
	}
	approve := func(by string) error {
		_, err := f.a.store.Approvals.Decide(t.Context(), store.DecideApproval{
			Tenant: r.Tenant, ID: r.ID, Approve: true, By: approval.Person{Name: by}, ContentHash: r.ContentHash,
		})
		return err
	}
	if err := approve("ann"); !fault.Is(err, fault.SelfApproval) {
		t.Errorf("the author of the schedule approves his own job: %v", err)
	}
	if len(f.calls) > 0 {
		t.Error("it ran before it was approved")
	}
	if err := approve("boss"); err != nil {
		t.Fatal(err)
	}
	until(t, "the job runs", func() bool { return len(f.jobs(t, job.Completed)) == 1 })
}

// TestOneScheduleSetsOffAnother, and neither itself.
func TestOneScheduleSetsOffAnother(t *testing.T) {
	t.Parallel()
	f := startFiring(t, nil)
	on := func(s *agenda.Schedule) { s.On = agenda.On{Event: agenda.JobCompleted} }
	second := f.add(t, "second", `{"trigger":{"type":"ON","event":"job.completed"}}`, on)
	f.add(t, "first", soon, nil)
	until(t, "both run", func() bool { return len(f.jobs(t, job.Completed)) == 2 })
	until(t, "the end is recorded", func() bool {
		now, err := f.a.store.Schedules.Schedule(t.Context(), access.DefaultTenant, second.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now.State.Runs == 1 && now.State.Last.Source == agenda.SourceEvent && now.State.Status == agenda.Active
	})
	next, err := f.a.store.Schedules.NextDue(t.Context(), time.Time{})
	if err != nil || !next.At.IsZero() {
		t.Errorf("it was set off by its own job: %+v, %v", next, err)
	}
}

// TestRebootFiresOncePerStart of the server.
func TestRebootFiresOncePerStart(t *testing.T) {
	t.Parallel()
	f := startFiring(t, nil)
	s := f.add(t, "boot", `{"trigger":{"type":"CRON","expression":"@reboot"}}`, func(s *agenda.Schedule) { s.On.Event = agenda.ServerStarted })
	runs := func() int {
		now, err := f.a.store.Schedules.Schedule(t.Context(), access.DefaultTenant, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now.State.Runs
	}
	if n := runs(); n != 0 {
		t.Fatalf("it has fired %d times before a start", n)
	}
	for start := 1; start <= 2; start++ {
		if err := f.a.Stop(); err != nil {
			t.Fatal(err)
		}
		f.a = f.start(t, f.a.o.Config)
		until(t, "it fires", func() bool { return runs() == start && len(f.jobs(t, job.Completed)) == start })
	}
}
