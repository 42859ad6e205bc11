// Package app puts a server together: it is the only package that sees all
// others.
//
//	a, err := app.New(app.Options{Config: cfg})
//	err = a.Start(ctx)   // listening, recovered, claiming
//	err = a.Wait(ctx)    // until ctx ends or a part fails
//	err = a.Stop()       // in good order
//
// Start opens things in an order in which each needs only earlier ones, and
// remembers how to close them; Stop closes them in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/runsheet/runsheet/internal/almanac"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/certificate"
	"github.com/runsheet/runsheet/internal/checkpoint"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/garbage"
	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/metrics"
	"github.com/runsheet/runsheet/internal/oidc"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/reserve"
	"github.com/runsheet/runsheet/internal/runlog"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/vault"
)

// Options of a server.
type Options struct {
	Config  config.Config
	Version string
	// Announce receives the line that tells the address, once the server
	// listens. nil = nowhere.
	Announce io.Writer
	Logger   *slog.Logger // nil = discard
	Clock    clock.Clock  // nil = the system's
	// Tasks are job types besides the product's own, for measurements.
	Tasks []task.Task
}

// App is one server.
type App struct {
	o        Options
	log      *slog.Logger
	closers  []closer
	stopping sync.Once
	stopErr  error

	reserve     *reserve.Guard
	store       store.Store
	vault       *vault.Vault
	flows       *workflows
	blobs       files
	shared      bool   // other machines may reach blobs
	owned       bool   // blobs are of this database
	place       string // id of blobs, if they are shared
	sweptOn     string // day of the last sweep, of housekeeping only
	logs        *runlog.Folder
	gpus        llm.GPUs   // which models share a device
	demoMu      sync.Mutex // one at a time adds or removes demonstration data
	tasks       *task.Registry
	engine      *queue.Engine
	feed        *feed.Feed
	checkpoints *checkpoint.Tiers
	kept        *redis.Keep      // nil = there is no Redis
	hooks       *outbound.Client // reaches the receivers of webhooks
	listener    net.Listener
	pprof       string // address of profiles, "" = off
	conns       *conns
	almanac     *almanac.Almanac
	planner     *planner.Planner
	llm         *llm.Pool
	metrics     *metrics.Metrics
	checks      []health.Check // of optional parts, for startHealth
	health      *health.Monitor
	identity    *identity.Service
	oidc        *oidc.Service     // nil = no provider is configured
	pair        *certificate.Pair // nil = plain HTTP
	local       string            // token of the local CLI
	failed      chan error
}

// closer is one step of Stop.
type closer struct {
	name  string
	close func() error
}

// New returns a server that is not started.
func New(o Options) *App {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	a := &App{o: o, log: o.Logger, failed: make(chan error, 1)}
	a.metrics = metrics.New(metrics.Options{Version: o.Version, Clock: o.Clock, KnownType: func(name string) bool {
		_, err := a.tasks.Find(name) // nothing ends or starts before the tasks are made
		return err == nil
	}})
	return a
}

// Start brings the server up. When it returns nil the server listens, has
// dealt with what an earlier one left behind, and runs jobs. After an error
// everything is closed again.
func (a *App) Start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		a.tuneGarbage, a.loadCertificate, a.lockData, a.checkWhole, a.openReserve, a.openStore, a.openVault, a.openCalendars, a.openFiles, a.declareGPUs, a.openLLM, a.openCheckpoints, a.makeTasks, a.makeWebhooks, a.openAccess, a.listen, a.openOIDC, a.startCourier, a.startEngine, a.startInbox, a.startPlanner,
		a.startFeed, a.startHealth, a.startPprof, a.serve, a.startHousekeeping, a.addDemo,
	} {
		if err := step(ctx); err != nil {
			return errors.Join(err, a.Stop())
		}
	}
	rest()
	a.restLater(ctx)
	a.notify(ctx, "READY=1")
	return nil
}

func (a *App) tuneGarbage(context.Context) error {
	stop := garbage.Tune(a.o.Clock.Now)
	a.onStop("garbage", func() error {
		stop()
		return nil
	})
	return nil
}

// restAfter are the pauses after which a server gives memory back once more: what the
// first moments needed, when other parts were still starting. That takes a machine that
// has much else to do longer than one that has not.
var restAfter = [...]time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second} // read-only

// rest gives memory back that the start used: it makes several MB of garbage
// (schemas, documents, migrations), and an idle server would keep its pages for
// long.
func rest() {
	debug.FreeOSMemory()
	trim()
}

func (a *App) restLater(ctx context.Context) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, pause := range restAfter {
			if clock.Sleep(ctx, a.o.Clock, pause) != nil {
				return
			}
			rest()
		}
	}()
	a.onStop("rest", func() error {
		stop()
		<-done
		return nil
	})
}

// URL is the base address of a started server, for example
// http://127.0.0.1:8420.
func (a *App) URL() string { return a.scheme() + a.listener.Addr().String() }

// Store is the database of a started server, as its parts use it.
func (a *App) Store() store.Store { return a.store }

// fail tells Wait that a part of the server has ended. The first one is what is reported;
// nobody waits to say more.
func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
		a.log.Error("another part of the server has ended", "error", err)
	}
}

// Wait returns nil when ctx ends and an error when a part of the server ends by
// itself.
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		a.log.Info("stopping", "grace", a.o.Config.StopGrace)
		return nil
	case err := <-a.failed:
		return err
	}
}

// Stop ends the server in good order: no new work is started, running work
// gets its grace and goes back to the queue, then everything is closed. It may
// be called more than once.
func (a *App) Stop() error {
	a.stopping.Do(func() {
		a.notify(context.Background(), "STOPPING=1")
		for _, c := range slices.Backward(a.closers) {
			a.log.Debug("closing", "part", c.name)
			if err := c.close(); err != nil {
				a.stopErr = errors.Join(a.stopErr, fmt.Errorf("close %s: %w", c.name, err))
			}
		}
	})
	return a.stopErr
}

func (a *App) onStop(name string, f func() error) { a.closers = append(a.closers, closer{name, f}) }

// openFiles opens the artifacts and the logs.
func (a *App) openFiles(ctx context.Context) (err error) {
	if err := a.openBlobs(ctx); err != nil {
		return err
	}
	if err := a.claimPlace(ctx); err != nil {
		return err
	}
	dir := filepath.Join(a.o.Config.Data, "logs")
	o := runlog.Options{MaxBytes: a.o.Config.LogMaxBytes, Clock: a.o.Clock, Spare: a.spareLogs(dir)}
	if a.shared {
		o.Shelf = a.blobs
	}
	if a.logs, err = runlog.Open(dir, o); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.logs.Share(ctx, a.log, closeGrace)
	}()
	a.onStop("run logs", func() error {
		stop()
		<-done
		return nil
	})
	return nil
}

// listen opens the port before anything runs, so that a taken port stops the
// start early.
func (a *App) listen(ctx context.Context) (err error) {
	a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", a.o.Config.Listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("another program listens on %s already: choose another address with --listen (RUNSHEET_LISTEN): %w", a.o.Config.Listen, err)
		}
		return fmt.Errorf("listen on %s: %w", a.o.Config.Listen, err)
	}
	a.conns = newConns(a.listener, connLimit())
	a.listener = a.conns
	a.onStop("listener", func() error {
		if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// startEngine recovers and starts to run jobs.
func (a *App) startEngine(ctx context.Context) error {
	a.engine = queue.New(queue.Options{
		Store: a.store, Tasks: a.tasks, OpenLog: a.openLog, PutBlob: a.metrics.PutBlob(a.blobs.Put), OpenBlob: a.blobs.Open, Sweep: a.sweep,
		Limits:  a.artifactLimits(),
		WorkDir: filepath.Join(a.o.Config.Data, "work"), HostID: a.hostID(), Version: a.o.Version,
		Exclusive: a.exclusive(), Alone: !a.exclusive(), Place: a.place, LeaseTTL: a.o.Config.LeaseTTL, StopGrace: a.o.Config.StopGrace,
		LoadedModels: a.loadedModels,
		OnDirect:     func(o queue.LaneOutcome) { a.metrics.Direct(string(o)) },
		Clock:        a.o.Clock, Logger: a.log,
	})
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := a.engine.Run(run)
		done <- err
		if err != nil {
			a.fail(fmt.Errorf("queue: %w", err))
		}
	}()
	a.onStop("queue", func() error {
		stop()
		return <-done
	})
	select {
	case <-a.engine.Ready():
		return nil
	case err := <-done:
		done <- nil // for the closer
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *App) artifactLimits() store.ArtifactLimits {
	return store.ArtifactLimits{Run: a.o.Config.RunMaxBytes, Tenant: a.o.Config.TenantQuotaBytes}
}

// apiOptions are what the API and what makes the jobs of schedules have in common.
func (a *App) apiOptions() api.Options {
	return api.Options{
		Store: a.store, Tasks: a.tasks, Blobs: a.blobs, Logs: a.logs, Feed: a.feed, Checkpoints: a.checkpoints, Identity: a.identity, OIDC: a.oidc, Backup: a.backup,
		Zone: a.zone(), BehindProxy: a.o.Config.BehindProxy, CheckTarget: a.checkTarget, WithoutLegacy: !a.o.Config.Legacy, LegacyZone: a.legacyZone(), ArtifactLimits: a.artifactLimits(),
		Hosts: a.o.Config.AllowedHosts, Listen: a.listener.Addr().String(),
		Version: a.o.Version, InstanceID: a.engine.InstanceID, Interrupted: a.engine.Interruptions, Health: a.health, Metrics: a.metrics, Clock: a.o.Clock, Logger: a.log, Vault: a.vault,
		Direct: api.DirectRoutes(), Lane: a.engine, CreateMissingDirective: a.o.Config.LLMCreateMissing,
		Config: a.settings, Demo: demo{a}, Calendars: a.almanac, LLM: a.llm, LLMModel: a.o.Config.LLM.Model, Versions: a.flows, Running: a.flows,
	}
}

// settings is the configuration as the API shows it.
func (a *App) settings() []wire.ConfigSetting {
	var out []wire.ConfigSetting
	for _, x := range a.o.Config.Settings() {
		out = append(out, wire.ConfigSetting{Key: x.Key, Value: x.Value, Origin: x.Origin})
	}
	return out
}

// serve answers requests.
func (a *App) serve(ctx context.Context) error {
	bodyKey, err := a.bodyKey(ctx)
	if err != nil {
		return err
	}
	o := a.apiOptions()
	o.BodyKey, o.Planner, o.Tally = bodyKey, a.planner, a.startTally(ctx)
	handler, err := api.New(o)
	if err != nil {
		return fmt.Errorf("make api: %w", err)
	}
	// Requests that last (followed logs, waits) end when the server stops.
	base, end := context.WithCancelCause(context.WithoutCancel(ctx))
	srv := newServer(base, handler, a.log, requestTimeout)
	srv.ConnState = a.conns.note
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := a.answer(srv); !errors.Is(err, http.ErrServerClosed) {
			a.fail(fmt.Errorf("serve: %w", err))
		}
	}()
	a.onStop("http server", func() error {
		// The cause tells direct requests that it is not their callers who went.
		end(fault.New(fault.ShuttingDown, "the server is stopping"))
		ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		err := srv.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = srv.Close()
		}
		<-done
		return err
	})
	if err := a.writeLocal(a.fingerprint()); err != nil {
		return err
	}
	a.onStop("local token", func() error { return os.Remove(config.LocalPath(a.o.Config.Data)) })
	a.log.Info("listening", "url", a.URL())
	if a.o.Announce != nil {
		if _, err := fmt.Fprintf(a.o.Announce, "runsheet listening on %s\n", a.URL()); err != nil {
			return fmt.Errorf("announce address: %w", err)
		}
	}
	return a.offerSetup(ctx)
}

// housekeepEvery is how often expired rows are removed.
const housekeepEvery = 10 * time.Minute

func (a *App) startHousekeeping(ctx context.Context) error {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clock.Sleep(ctx, a.o.Clock, housekeepEvery) == nil {
			if _, err := a.store.Keys.Purge(ctx, a.o.Clock.Now()); err != nil && ctx.Err() == nil {
				a.log.Warn("cannot remove expired idempotency keys", "error", err)
			}
			a.tidyBlobs(ctx)
			a.retain(ctx)
		}
	}()
	a.onStop("housekeeping", func() error {
		stop()
		<-done
		return nil
	})
	return nil
}
