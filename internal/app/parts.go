package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/filelock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/process"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/runlog"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/command"
	taskhttp "github.com/runsheet/runsheet/internal/task/http"
	"github.com/runsheet/runsheet/internal/task/logtriage"
	"github.com/runsheet/runsheet/internal/task/research"
	"github.com/runsheet/runsheet/internal/task/story"
)

// exclusive reports whether no other instance can reach the database.
func (a *App) exclusive() bool { return a.o.Config.DatabaseURL == "" }

// lockData makes the data folder this process's own. Whatever an earlier
// server left in it is a leftover of a dead one from now on.
func (a *App) lockData(context.Context) error {
	if err := os.MkdirAll(filepath.Join(a.o.Config.Data, "keys"), 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	lock, err := filelock.Take(filepath.Join(a.o.Config.Data, "runsheet.lock"))
	if err != nil {
		return err
	}
	a.onStop("data folder", lock.Close)
	return nil
}

func (a *App) hostIDPath() string { return filepath.Join(a.o.Config.Data, "keys", "host_id") }

// hostID identifies the data folder for ever. openStore has made sure that it
// exists.
func (a *App) hostID() string {
	b, err := os.ReadFile(a.hostIDPath())
	if err != nil {
		panic("app: host id: " + err.Error())
	}
	return strings.TrimSpace(string(b))
}

func (a *App) makeHostID() error {
	b, err := os.ReadFile(a.hostIDPath())
	if err == nil && strings.TrimSpace(string(b)) != "" {
		return nil
	}
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read host id: %w", err)
	}
	tmp := a.hostIDPath() + ".tmp"
	if err := os.WriteFile(tmp, []byte(id.New("host", a.o.Clock.Now())+"\n"), 0o600); err != nil {
		return fmt.Errorf("write host id: %w", err)
	}
	return os.Rename(tmp, a.hostIDPath())
}

// bodyKeyBytes is the size of the secret that bodyKey makes.
const bodyKeyBytes = 32

// bodyKey is the secret by which requests are recognised whose bodies are not
// stored. In a data folder of its own it is a file there, so that whoever gets
// hold of the database alone cannot try what the bodies were. Servers that share a
// database must have the same, so it is there: the file of the first of them, if
// it has one, because it may have come from a data folder by migration.
func (a *App) bodyKey(ctx context.Context) ([]byte, error) {
	path := filepath.Join(a.o.Config.Data, "keys", "body_key")
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read body key: %w", err)
	}
	made := os.IsNotExist(err)
	if made {
		key := make([]byte, bodyKeyBytes)
		_, _ = rand.Read(key) // never fails
		text = []byte(hex.EncodeToString(key) + "\n")
	}
	key, err := parseBodyKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if !a.exclusive() {
		shared, err := a.store.Keys.BodyKey(ctx, hex.EncodeToString(key))
		if err != nil {
			return nil, fmt.Errorf("read body key: %w", err)
		}
		return parseBodyKey(shared)
	}
	if !made {
		return key, nil
	}
	if err := os.WriteFile(path+".tmp", text, 0o600); err != nil {
		return nil, fmt.Errorf("write body key: %w", err)
	}
	return key, os.Rename(path+".tmp", path)
}

func parseBodyKey(text string) ([]byte, error) {
	key, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) < bodyKeyBytes {
		return nil, fmt.Errorf("a body key has at least %d bytes as hexadecimal digits", bodyKeyBytes)
	}
	return key, nil
}

// openStore opens the database and, in a new installation, sets the worker
// count.
func (a *App) openStore(ctx context.Context) error {
	err := a.makeHostID()
	if err != nil {
		return err
	}
	if a.exclusive() {
		a.store, err = sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(a.o.Config.Data, "runsheet.db"), Clock: a.o.Clock, OnBatch: a.metrics.Batch})
	} else {
		a.store, err = postgres.Open(ctx, postgres.Options{URL: a.o.Config.DatabaseURL.Reveal(), Clock: a.o.Clock, Log: a.log})
	}
	if err != nil {
		return err
	}
	a.store = a.metrics.Store(a.store)
	a.onStop("store", a.store.Health.Close)
	a.store = a.reserve.Wrap(a.store)
	s, err := a.store.Queue.Settings(ctx)
	if err != nil {
		return err
	}
	if s.UpdatedAt.IsZero() && s.Workers != a.o.Config.Workers {
		_, err = a.store.Queue.Scale(ctx, store.Scale{
			Workers: a.o.Config.Workers, IfVersion: s.Version, Tenant: access.DefaultTenant, At: a.o.Clock.Now(),
		})
	}
	return err
}

// demoCommands are what --demo allows besides the configured commands. They
// neither write files nor start other programs.
var demoCommands = []string{
	"/bin/echo", "/usr/bin/echo", "/bin/sleep", "/usr/bin/sleep", "/bin/date", "/usr/bin/date",
	"/usr/bin/uname", "/bin/uname", "/usr/bin/seq", "/usr/bin/printf", "/bin/false", "/usr/bin/false", "/bin/true", "/usr/bin/true",
}

func (a *App) makeTasks(context.Context) error {
	allow := a.o.Config.CommandAllow
	if a.o.Config.Demo {
		allow = append(append([]string(nil), allow...), demoCommands...)
	}
	cmd, err := command.New(command.Options{Allow: allow, Clock: a.o.Clock})
	if err != nil {
		return err
	}
	out, err := outbound.New(outbound.Options{Allow: a.o.Config.OutboundAllow, UserAgent: "runsheet/" + a.o.Version})
	if err != nil {
		return err
	}
	closed, err := a.closed()
	if err != nil {
		return err
	}
	a.tasks = task.NewRegistry(append(slices.Clone(a.o.Tasks), cmd, taskhttp.New(taskhttp.Options{Client: out, Clock: a.o.Clock}),
		logtriage.New(logtriage.Options{Closed: closed, Chat: a.llm, Clock: a.o.Clock, DefaultModel: a.o.Config.LLM.Model, ModelLocks: a.gpus.Locks}),
		research.New(research.Options{Closed: closed, Chat: a.llm, Client: out, Clock: a.o.Clock, DefaultModel: a.o.Config.LLM.Model, ModelLocks: a.gpus.Locks}),
		a.makeWorkflows(cmd, out, closed),
		story.New(story.Options{Chat: a.llm, Clock: a.o.Clock, DefaultModel: a.o.Config.LLM.Model, ModelLocks: a.gpus.Locks}))...)
	return nil
}

// sweep ends what is left of dead attempts' processes.
func (a *App) sweep(ctx context.Context, dead []store.Leftover) error {
	list := make([]process.Survivor, len(dead))
	for i, l := range dead {
		list[i] = process.Survivor{RunID: l.Run.ID}
		// Of another data folder only the marker counts. Containers on one machine
		// number their processes each for itself, so that a number and a start time
		// may name another process here.
		if a.exclusive() || l.HostID == a.hostID() {
			list[i].Process = l.Run.Process
		}
	}
	n, err := process.Sweep(ctx, a.o.Clock, list)
	if n > 0 {
		a.log.Warn("ended processes of dead attempts", "count", n)
	}
	return err
}

// openLog adapts runlog's writer to what the queue needs.
func (a *App) openLog(runID string) (queue.Log, error) {
	w, err := a.logs.Writer(runID)
	if err != nil {
		return nil, err
	}
	return runLog{w, a.logs, runID}, nil
}

// settleTime bounds how long the end of a run waits for its log to be shared.
const settleTime = 5 * time.Second

type runLog struct {
	*runlog.Writer
	logs  *runlog.Folder
	runID string
}

func (l runLog) Close() (size int64, truncated bool) {
	s := l.Writer.Close()
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	l.logs.Settle(ctx, l.runID)
	return s.Bytes, s.Truncated
}
