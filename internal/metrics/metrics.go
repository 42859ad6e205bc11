// Package metrics is what Runsheet tells Prometheus: all names in names.go, one
// registry, and the places where numbers come from.
//
// Counts are taken where all work passes: Store wraps the database, so claims,
// ends of attempts, retries, rescues and refused writes need no code in the
// engines; the API reports requests; SQLite's writer its batches. What must be
// asked for (the length of the queue, sizes, free space) comes from Sources when
// somebody scrapes, at most every few seconds.
//
//	m := metrics.New(metrics.Options{Version: v})
//	st = m.Store(st)
//	m.Watch(metrics.Sources{Survey: st.Health.Survey})
//	err := m.WriteTo(ctx, w)
//
// Labels have values from closed sets. Text from users and ids never become
// labels, so the number of series does not grow with use. The package starts no
// goroutine.
package metrics

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/runsheet/runsheet/internal/clock"
)

// Options of New. The zero value is usable.
type Options struct {
	Version string
	// KnownType reports whether a job type may become a label's value; others show
	// as "other". nil = none is known. It must be safe for concurrent use.
	KnownType func(jobType string) bool
	Clock     clock.Clock // nil = the system's
}

// Metrics is the registry with its instruments. It is safe for concurrent use.
type Metrics struct {
	clock     clock.Clock
	knownType func(string) bool
	registry  *prometheus.Registry
	survey    *surveyor

	claims, starts, runs, finished, retries *prometheus.CounterVec
	interrupted, fenced, storeErrors        *prometheus.CounterVec
	queueWait, runSeconds, storeSeconds     *prometheus.HistogramVec
	batch                                   prometheus.Observer
	putBytes                                prometheus.Counter
	direct                                  *prometheus.CounterVec
	puts                                    *prometheus.CounterVec

	scheduleClaims               prometheus.Counter
	scheduleLag                  prometheus.Observer
	scheduleFires, scheduleSkips *prometheus.CounterVec

	webhooks       *prometheus.CounterVec
	webhookSeconds prometheus.Observer
	webhookBacklog *prometheus.GaugeVec

	llmCalls, llmTokens, llmUncounted *prometheus.CounterVec
	llmSeconds                        *prometheus.HistogramVec
	modelsMu                          sync.Mutex
	models                            map[string]bool // that have series of their own

	requests, refused *prometheus.CounterVec
	requestSeconds    *prometheus.HistogramVec
	inFlight          prometheus.Gauge
	sentBytes         prometheus.Counter

	// writing lets one scrape be rendered at a time.
	writing sync.Mutex
}

// New returns a registry in which nothing was counted yet.
func New(o Options) *Metrics {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.KnownType == nil {
		o.KnownType = func(string) bool { return false }
	}
	m := &Metrics{clock: o.Clock, knownType: o.KnownType, registry: prometheus.NewRegistry(), models: map[string]bool{}}
	m.survey = newSurveyor(o.Clock)
	m.registry.MustRegister(
		m.survey, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: buildInfo.Name, Help: buildInfo.Help}, buildInfo.Labels)
	info.WithLabelValues(o.Version, runtime.Version()).Set(1)
	m.registry.MustRegister(info)

	m.claims, m.starts, m.runs = m.counters(claims), m.counters(starts), m.counters(runs)
	m.finished, m.retries = m.counters(jobsFinished), m.counters(retries)
	m.interrupted, m.fenced, m.storeErrors = m.counters(interrupted), m.counters(fenced), m.counters(storeErrors)
	m.queueWait, m.runSeconds, m.storeSeconds = m.histograms(queueWait), m.histograms(runSeconds), m.histograms(storeSeconds)
	m.direct = m.counters(directRequests)
	m.batch = m.histograms(batchRequests).WithLabelValues()
	m.putBytes, m.puts = m.counters(putBytes).WithLabelValues(), m.counters(putCount)

	m.webhooks, m.webhookSeconds = m.counters(webhookAttempts), m.histograms(webhookSeconds).WithLabelValues()
	m.webhookBacklog = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: webhookBacklog.Name, Help: webhookBacklog.Help}, webhookBacklog.Labels)
	m.registry.MustRegister(m.webhookBacklog)

	m.scheduleClaims, m.scheduleLag = m.counters(scheduleClaims).WithLabelValues(), m.histograms(scheduleLag).WithLabelValues()
	m.scheduleFires, m.scheduleSkips = m.counters(scheduleFires), m.counters(scheduleSkips)

	m.llmCalls, m.llmTokens, m.llmUncounted = m.counters(llmCalls), m.counters(llmTokens), m.counters(llmUncounted)
	m.llmSeconds = m.histograms(llmSeconds)

	m.requests, m.refused = m.counters(httpRequests), m.counters(httpRefused)
	m.requestSeconds = m.histograms(httpSeconds)
	m.sentBytes = m.counters(httpBytes).WithLabelValues()
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{Name: httpInFlight.Name, Help: httpInFlight.Help})
	m.registry.MustRegister(m.inFlight)
	return m
}

func (m *Metrics) counters(d Def) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histograms(d Def) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.Buckets}, d.Labels)
	m.registry.MustRegister(v)
	return v
}

// ContentType is the media type of what WriteTo writes.
func ContentType() string { return string(expfmt.NewFormat(expfmt.TypeTextPlain)) }

// WriteTo writes all metrics in Prometheus's text format. What the database has
// to be asked for is at most surveyEvery old, unless the database does not
// answer: then the last known numbers are written. ctx bounds only the asking.
func (m *Metrics) WriteTo(ctx context.Context, w io.Writer) error {
	m.survey.refresh(ctx)
	m.writing.Lock()
	families, err := m.registry.Gather()
	m.writing.Unlock()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	enc := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}

// jobType is the label of a job type.
func (m *Metrics) jobType(name string) string {
	if m.knownType(name) {
		return name
	}
	return "other"
}
