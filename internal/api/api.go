// Package api is the HTTP edge: the resources under /api, health, the pages
// about problems and the static user interface.
//
// New returns one http.Handler. Each operation is registered once, with the
// scope that a caller needs, in the file of its resource; the router serves
// nothing else, and the OpenAPI document is made from the same values. A request
// passes: guard (request id, panic, host, origin, size), authentication, scope,
// query, headers, body (strict JSON, then its schema), idempotency key, and only
// then the handler, which reads and changes the world through the store
// contract. Errors are faults; problem.go turns them into RFC 9457.
//
// The package starts no goroutine. It knows nothing of how jobs execute.
package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/almanac"
	"github.com/runsheet/runsheet/internal/api/guard"
	"github.com/runsheet/runsheet/internal/api/viewer"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/checkpoint"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/metrics"
	"github.com/runsheet/runsheet/internal/node/kinds"
	"github.com/runsheet/runsheet/internal/oidc"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/runlog"
	"github.com/runsheet/runsheet/internal/sharedread"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/tally"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/ui"
)

// Blobs reads stored content.
type Blobs interface {
	// Open returns the content with the given hash and its size in bytes. The
	// caller closes it.
	Open(ctx context.Context, sha256 string) (io.ReadSeekCloser, int64, error)
}

// Logs reads what attempts wrote; it is a *runlog.Folder.
type Logs interface {
	// Read returns the log as it is now, from its last n lines on (runlog.All:
	// from the beginning). The caller closes it; log_gone.
	Read(ctx context.Context, runID string, n int) (io.ReadCloser, error)
	// ReadBefore is Read of what comes before a place of the whole log, in bytes.
	ReadBefore(ctx context.Context, runID string, n int, before int64) (io.ReadCloser, error)
	// Follow is Read that goes on until o.Done is closed or ctx ends.
	Follow(ctx context.Context, runID string, o runlog.FollowOptions) (io.ReadCloser, error)
}

// Demo adds and removes what shows a new user how things work.
type Demo interface {
	// Start adds it, unless it is there, and returns what there is.
	Start(ctx context.Context) (wire.Demo, error)
	// Remove takes it away. record is called when nothing refuses that, and before
	// anything is changed; its error ends it.
	Remove(ctx context.Context, record func() error) error
}

// Options are what New needs. Store, Tasks and Identity must be given.
type Options struct {
	Store store.Store
	Tasks *task.Registry
	// Identity finds who makes a request.
	Identity *identity.Service
	// OIDC lets people in by an OpenID provider; nil: there is none.
	OIDC  *oidc.Service
	Blobs Blobs // nil: artifacts cannot be downloaded
	Logs  Logs  // nil: every log is gone
	// ArtifactLimits are shown with what artifacts take.
	ArtifactLimits store.ArtifactLimits
	Clock          clock.Clock
	Logger         *slog.Logger // nil: nothing is logged
	// Backup takes the state of the installation as it is now; the caller closes
	// it. nil: there are no backups.
	Backup func(ctx context.Context, withoutArtifacts bool) (Backup, error)
	// CheckTarget refuses URLs to which webhooks must not be sent; nil: none is
	// refused here, and the courier decides.
	CheckTarget func(url string) error

	// Hosts are the names, beside loopback's and that of Listen, for which the
	// server answers, without port. "*" accepts every name.
	Hosts []string
	// Listen is the address that the server listens on, "" = unknown.
	Listen string
	// Version and InstanceID are shown by /api/scheduler. The id changes when a
	// lease was lost; nil = there is none.
	Version    string
	InstanceID func() string
	// Interrupted tells what of a tenant ran on servers that died and was taken over
	// since the start, of the latest loss; nil: nothing.
	Interrupted func(tenant string) queue.Interruptions
	// BehindProxy: a reverse proxy in front ends TLS and tells the caller's address
	// in X-Forwarded-For.
	BehindProxy bool
	// Feed brings events to live connections; nil: there are none.
	Feed *feed.Feed
	// Direct are the routes of direct requests, which Lane serves. Their tasks must be
	// among Tasks.
	Direct []DirectRoute
	Lane   Lane // nil: such requests are refused
	// BodyKey is a secret of the installation, by which requests are recognised whose
	// bodies are not stored. At least 32 bytes if there are direct routes.
	BodyKey []byte
	// CreateMissingDirective: a request that names a directive which does not exist
	// makes one that says and allows nothing.
	CreateMissingDirective bool
	// MaxSockets bounds the WebSockets of one caller; 0 = 5.
	MaxSockets int
	// MaxInFlight bounds the requests under way, MaxLasting those that stream or
	// wait, which do not count among the former; 0 = 1024.
	MaxInFlight, MaxLasting int
	// Zone is where the installation's day begins; nil: UTC.
	Zone *time.Location
	// WithoutLegacy leaves out the endpoints outside of /api that programs of an
	// earlier time use.
	WithoutLegacy bool
	// Health is what /readyz tells; nil: whether the database takes writes. The
	// caller closes it.
	Health *health.Monitor
	// Calendars are those that schedules go by; nil: the program's own with the
	// overrides in Store.
	Calendars *almanac.Almanac
	// Planner does what persons want of schedules at once; nil: schedules can only be
	// edited.
	Planner Planner
	// LegacyZone is where the schedules of the endpoints outside of /api are whose
	// zone is not said; nil: UTC.
	LegacyZone *time.Location
	// Tally counts the calls of legacy endpoints; nil: one that is never written down
	// but when somebody asks for the numbers.
	Tally *tally.Counter
	// LLM are the servers of language models; nil: there are none. LLMModel is the
	// model of jobs that name none.
	LLM      *llm.Pool
	LLMModel string
	// Checkpoints finds steps of runs of workflows; nil: in Store only.
	Checkpoints *checkpoint.Tiers
	// Vault keeps values of secrets; nil: none can be set.
	Vault Vault
	// Running changes running runs of workflows when another version is used; nil: they
	// can only keep theirs.
	Running RunningWorkflows
	// Versions finds checked definitions of workflows; nil: they are read anew each time.
	Versions Versions
	// Config is the configuration that the server was started with, secrets masked;
	// nil: it is not shown.
	Config func() []wire.ConfigSetting
	// Demo adds and removes demonstration data; nil: there is none.
	Demo Demo
	// Metrics counts requests and answers /metrics; nil: nothing is counted.
	Metrics *metrics.Metrics
}

// service is what handlers share. It is immutable, but for the count of live
// connections and numbers that are kept for a moment.
type service struct {
	Options
	log      *slog.Logger
	schemas  *schemas
	started  time.Time
	streams  *streams
	numbers  *numbers
	restored *restored
	// scene is what runs and what stands in the way of jobs.
	scene  *sharedread.Shared[store.Situation]
	frames *frames
	bodies *guard.Bodies
	// doc and docYAML make openapi.json and openapi.yaml when somebody asks for them
	// first: that takes longer than the rest of a start.
	doc, docYAML func() ([]byte, error)
	backups      chan struct{} // has room for one
	// looks has room for the looks ahead that are under way, each of which may take
	// previewTime of a processor.
	looks chan struct{}

	forecast *queue.Forecaster
	kinds    workflow.Kinds
}

// minBodyKey is the least size of Options.BodyKey, in bytes.
const minBodyKey = 32

// New returns the handler of everything under /. It fails when a required
// option is missing.
func New(o Options) (http.Handler, error) {
	if o.Tasks == nil || o.Identity == nil || o.Store.Jobs == nil {
		return nil, errors.New("api: Store, Tasks and Identity must be given")
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if len(o.Direct) > 0 && len(o.BodyKey) < minBodyKey {
		return nil, errors.New("api: BodyKey must be given with Direct")
	}
	if host, _, err := net.SplitHostPort(o.Listen); err == nil && host != "" {
		o.Hosts = append(slices.Clone(o.Hosts), host)
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Calendars == nil {
		o.Calendars = almanac.New(almanac.Options{Store: o.Store.Calendars, Logger: o.Logger})
	}
	if o.Checkpoints == nil {
		// Without Redis there is nothing to close.
		o.Checkpoints = checkpoint.New(checkpoint.Options{Runs: o.Store.WorkflowRuns, Log: o.Store.WorkflowLog, Clock: o.Clock, Logger: o.Logger})
	}
	if o.Tally == nil {
		o.Tally = tally.New(tally.Options{Store: o.Store.LegacyCalls, Clock: o.Clock, Logger: o.Logger})
	}
	if o.InstanceID == nil {
		o.InstanceID = func() string { return "" }
	}
	if o.MaxSockets <= 0 {
		o.MaxSockets = maxSockets
	}
	if o.MaxLasting <= 0 {
		o.MaxLasting = maxStreams
	}
	if o.Health == nil {
		ping := func(ctx context.Context) (string, error) { return "", o.Store.Health.Ping(ctx) }
		o.Health = health.New(health.Options{Clock: o.Clock, Checks: []health.Check{{Name: "database", Run: ping}}})
	}
	s := &service{Options: o, log: o.Logger, started: o.Clock.Now(), backups: make(chan struct{}, 1), looks: make(chan struct{}, maxLooks), streams: &streams{}, scene: sharedread.New(func(ctx context.Context) (store.Situation, error) { return o.Store.Jobs.Situation(ctx, nil) }), frames: &frames{of: map[int64][]byte{}}, numbers: &numbers{of: map[string]kept{}}, restored: &restored{of: map[string]int{}}}
	s.kinds = kinds.Registry()
	s.forecast = queue.NewForecaster(o.Store, o.Clock)
	t := newRouter(s)
	s.register(t)
	doc := sync.OnceValue(func() *huma.OpenAPI { return document(t.table) })
	var err error
	if s.schemas, err = newSchemas(doc, t.table, o.Tasks); err != nil {
		return nil, err
	}
	s.doc, s.docYAML = sync.OnceValues(func() ([]byte, error) { return doc().MarshalJSON() }), sync.OnceValues(func() ([]byte, error) { return doc().YAML() })
	missing := func(w http.ResponseWriter, r *http.Request) { t.missing(w, r, false) }
	t.mux.Handle("/ui/api/", viewer.Handler("/ui/api/", missing))
	if files := ui.Files(); files != nil {
		t.mux.Handle("/ui/", viewer.Files("/ui/", files, missing))
	}
	t.mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			missing(w, r)
			return
		}
		http.Redirect(w, r, "/ui/", http.StatusFound)
	})
	outer := guard.Options{
		Next: t, Fail: s.fail, Clock: o.Clock, Log: o.Logger, Hosts: o.Hosts, MaxInFlight: o.MaxInFlight, MaxLasting: o.MaxLasting,
		WithRequestID: func(ctx context.Context, id string) context.Context {
			return context.WithValue(ctx, requestIDKey, id)
		},
	}
	if o.Metrics != nil {
		outer.Meter = o.Metrics
	}
	s.bodies = guard.NewBodies(o.Clock, outer.Meter)
	return guard.New(outer), nil
}

// register adds every route of the API. A new resource is one more line.
func (s *service) register(t *router) {
	for _, routes := range [][]operation{
		s.templateRoutes(), s.directiveRoutes(), s.jobRoutes(), s.runRoutes(), s.logRoutes(), s.queueRoutes(),
		s.queueStateRoutes(), s.orderRoutes(), s.bulkRoutes(), s.limitRoutes(), s.budgetRoutes(), s.llmRoutes(), s.eventRoutes(), s.systemRoutes(),
		s.sessionRoutes(), s.oidcRoutes(), s.tokenRoutes(), s.userRoutes(), s.tenantRoutes(), s.auditRoutes(), s.backupRoutes(),
		s.groupRoutes(), s.lockRoutes(), s.directRoutes(),
		s.webhookRoutes(), s.deliveryRoutes(), s.scheduleRoutes(), s.scheduleVerbs(), s.previewRoutes(), s.calendarRoutes(), s.approvalRoutes(), s.workflowLiveRoutes(), s.secretRoutes(), s.workflowRoutes(), s.workflowVersionRoutes(), s.workflowRunRoutes(),
		s.overviewRoutes(), s.jobViewRoutes(), s.scheduleFireRoutes(), s.crontabRoutes(), s.redeliverRoutes(), s.workflowItemRoutes(), s.legacyUsageRoutes(),
	} {
		for _, op := range routes {
			t.add(op)
		}
	}
	if s.WithoutLegacy {
		return
	}
	for _, op := range s.legacyRoutes() {
		t.add(op)
	}
}
