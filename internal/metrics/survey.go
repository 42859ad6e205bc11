package metrics

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

const (
	// surveyEvery is how old the numbers may be that come from the database.
	surveyEvery = 5 * time.Second
	// surveyLimit is how long a scrape waits for the database.
	surveyLimit = 3 * time.Second
)

// Sources are what is asked when somebody scrapes. A nil function leaves its
// metrics out.
type Sources struct {
	// Survey counts in the database. It is called at most once every few seconds,
	// never twice at a time.
	Survey func(context.Context) (store.Survey, error)
	// Space returns the free bytes and the size of the data folder's file system.
	Space func() (free, size uint64, err error)
	// Attempts is the number of attempts that this process executes.
	Attempts func() int
	// DirectWaiting is the number of direct requests that wait at this process.
	DirectWaiting func() int
	// Connections counts open connections by state.
	Connections func() map[string]int
	// Checks returns how each readiness check stands: 1 ok, 0.5 degraded, 0
	// failing. It must not block.
	Checks func() map[string]float64
}

// Watch sets what scrapes ask. It is called once, before the first scrape.
func (m *Metrics) Watch(s Sources) { m.survey.src = s }

// surveyor is the collector of what Sources tell.
type surveyor struct {
	clock clock.Clock
	src   Sources

	asking chan struct{} // holds one token while the database is asked
	state  chan surveyed // holds the one current value
	descs  map[string]*prometheus.Desc
}

// surveyed is the last answer of the database.
type surveyed struct {
	at     time.Time // when it was asked; zero = never with success
	tried  time.Time
	survey store.Survey
	errors float64
}

func newSurveyor(c clock.Clock) *surveyor {
	s := &surveyor{clock: c, asking: make(chan struct{}, 1), state: make(chan surveyed, 1), descs: map[string]*prometheus.Desc{}}
	s.state <- surveyed{}
	for _, d := range []Def{
		jobs, jobsQueued, oldestSeconds, paused, slots, slotsBusy, instances, attempts, directWaiting, surveyAge, surveyErrors, eventsLast,
		eventsLagging, schedules, databaseBytes, walBytes, heldSeconds, notifyUsed, freeBytes, totalBytes, httpConnections, ready,
	} {
		s.descs[d.Name] = prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
	}
	return s
}

func (s *surveyor) read() surveyed {
	v := <-s.state
	s.state <- v
	return v
}

// refresh asks the database if its last answer is old. Whoever comes while
// another asks waits for that answer.
func (s *surveyor) refresh(ctx context.Context) {
	if s.src.Survey == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, surveyLimit)
	defer cancel()
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return
	}
	now := s.clock.Now()
	if last := s.read(); !last.tried.IsZero() && now.Sub(last.tried) < surveyEvery {
		return
	}
	got, err := s.src.Survey(ctx)
	v := <-s.state
	v.tried = now
	if err != nil {
		v.errors++
	} else {
		v.at, v.survey = now, got
	}
	s.state <- v
}

// Describe implements prometheus.Collector.
func (s *surveyor) Describe(c chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		c <- d
	}
}

// Collect implements prometheus.Collector. It tells what is known and asks
// nobody who may be slow.
func (s *surveyor) Collect(c chan<- prometheus.Metric) {
	gauge := func(d Def, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(s.descs[d.Name], prometheus.GaugeValue, v, labels...)
	}
	if s.src.Survey != nil {
		s.collectSurvey(gauge)
		c <- prometheus.MustNewConstMetric(s.descs[surveyErrors.Name], prometheus.CounterValue, s.read().errors)
	}
	if s.src.Space != nil {
		if free, size, err := s.src.Space(); err == nil {
			gauge(freeBytes, float64(free))
			gauge(totalBytes, float64(size))
		}
	}
	if s.src.Attempts != nil {
		gauge(attempts, float64(s.src.Attempts()))
	}
	if s.src.DirectWaiting != nil {
		gauge(directWaiting, float64(s.src.DirectWaiting()))
	}
	if s.src.Connections != nil {
		for state, n := range s.src.Connections() {
			gauge(httpConnections, float64(n), state)
		}
	}
	if s.src.Checks != nil {
		for name, v := range s.src.Checks() {
			gauge(ready, v, name)
		}
	}
}

func (s *surveyor) collectSurvey(gauge func(Def, float64, ...string)) {
	v := s.read()
	if v.at.IsZero() {
		return
	}
	age := s.clock.Now().Sub(v.at)
	n := v.survey
	gauge(surveyAge, age.Seconds())
	gauge(jobs, float64(n.Queued), "QUEUED")
	gauge(jobs, float64(n.Running), "RUNNING")
	gauge(jobsQueued, float64(n.Ready), "ready")
	gauge(jobsQueued, float64(n.Delayed), "delayed")
	gauge(jobsQueued, float64(max(0, n.Queued-n.Ready-n.Delayed)), "held")
	oldest := 0.0
	if !n.OldestReadyAt.IsZero() {
		oldest = max(0, n.At.Sub(n.OldestReadyAt)+age).Seconds()
	}
	gauge(oldestSeconds, oldest)
	gauge(paused, map[bool]float64{true: 1}[n.Settings.Paused])
	gauge(slots, float64(n.Settings.Workers))
	gauge(slotsBusy, float64(n.Running))
	gauge(instances, float64(n.Instances))
	for _, status := range agenda.Statuses() {
		gauge(schedules, float64(n.Schedules[status]), strings.ToLower(string(status)))
	}
	gauge(eventsLast, float64(n.LastEvent))
	gauge(eventsLagging, float64(n.Unnumbered))
	gauge(databaseBytes, float64(n.DatabaseBytes))
	gauge(walBytes, float64(n.LogBytes))
	gauge(heldSeconds, n.Held.Seconds())
	gauge(notifyUsed, n.NotifyUsed)
}
