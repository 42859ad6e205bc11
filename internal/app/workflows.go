package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/almanac"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/engine"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/action"
	"github.com/runsheet/runsheet/internal/node/approval"
	"github.com/runsheet/runsheet/internal/node/data"
	"github.com/runsheet/runsheet/internal/node/judgment"
	"github.com/runsheet/runsheet/internal/node/kinds"
	"github.com/runsheet/runsheet/internal/node/notification"
	"github.com/runsheet/runsheet/internal/node/rollback"
	"github.com/runsheet/runsheet/internal/node/stop"
	"github.com/runsheet/runsheet/internal/node/subworkflow"
	"github.com/runsheet/runsheet/internal/node/wait"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task/command"
	taskworkflow "github.com/runsheet/runsheet/internal/task/workflow"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// workflows is what runs of workflows need of a server.
type workflows struct {
	a     *App
	kinds workflow.Kinds
	nodes map[string]node.Node
	queue *nodeQueue

	mu     sync.Mutex
	graphs map[versionKey]*workflow.Graph
	recent []versionKey // oldest first
}

type versionKey struct {
	tenant, id string
	version    int
}

// maxGraphs is how many checked versions are kept in memory.
const maxGraphs = 64

// makeWorkflows makes the job type workflow.
func (a *App) makeWorkflows(cmd *command.Task, client *outbound.Client, closed func(real string) bool) *taskworkflow.Task {
	w := &workflows{a: a, kinds: kinds.Registry(), graphs: map[versionKey]*workflow.Graph{}, queue: &nodeQueue{a: a}}
	w.nodes = w.makeNodes(cmd, client, closed)
	a.flows = w
	e := engine.New(engine.Options{
		Runs: a.store.WorkflowRuns, Versions: w, Nodes: w, Locks: nodeLocks{a.store.Locks}, Secrets: nodeSecrets{a}, Hints: func() (<-chan store.Hint, func()) { return a.store.Events.Watch() },
		Artifacts: w.artifact, Calendars: func(tenant string) expression.Calendars { return tradingDays{a.almanac, tenant} },
		Mask: func() engine.Mask { return &mask{} }, Watch: a.checkpoints, Clock: a.o.Clock, Logger: a.log,
	})
	return taskworkflow.New(taskworkflow.Options{Play: e.Run, Find: w.find, Seal: a.vault.Seal})
}

func (w *workflows) makeNodes(cmd *command.Task, client *outbound.Client, closed func(real string) bool) map[string]node.Node {
	a, c := w.a, w.a.o.Config
	llm := action.NewLLM(action.LLMOptions{Chat: a.llm, Clock: a.o.Clock, DefaultModel: c.LLM.Model})
	databases := map[string]string{}
	for name, url := range c.Readable.Databases {
		databases[name] = url.Reveal()
	}
	n := c.Notify
	list := []node.Node{
		action.NewAPICall(client, a.o.Clock), action.NewCommand(cmd), llm, action.NewJob(w.queue),
		approval.New(a.store.Approvals, a.o.Clock).By(w.author),
		data.Set{},
		data.NewHTTP(client, a.o.Clock), data.NewFile(data.FileOptions{Folders: c.Readable.Folders, Closed: closed}),
		data.NewArtifact(a.store.Artifacts, w.openArtifact).Spoken(w.spoken), data.NewQuery(databases),
		judgment.New(llm.Choose),
		notification.NewWebhook(notification.WebhookOptions{Client: client, Clock: a.o.Clock, URL: n.WebhookURL.Reveal(), Secret: n.WebhookSecret.Reveal()}),
		notification.NewEmail(notification.EmailOptions{
			Host: n.SMTPHost, Port: n.SMTPPort, Username: n.SMTPUsername, Password: n.SMTPPassword.Reveal(), From: n.SMTPFrom,
			TLS: notification.TLS(n.SMTPTLS), Clock: a.o.Clock,
		}),
		notification.NewNtfy(notification.NtfyOptions{Client: client, Clock: a.o.Clock, URL: n.NtfyURL, Topic: n.NtfyTopic, Token: n.NtfyToken.Reveal()}),
		notification.NewSlack(notification.SlackOptions{Client: client, Clock: a.o.Clock, URL: n.SlackURL.Reveal()}),
		rollback.New(rollbacks{a}),
		stop.Stop{},
		subworkflow.New(w.queue),
		wait.Duration{},
		wait.Until{},
		wait.Event{},
		wait.NewMarket(a.almanac, a.o.Clock), wait.NewJob(w.queue),
	}
	out := map[string]node.Node{}
	for _, x := range append(list, kinds.Declared()...) {
		out[x.Kind().Name()] = x
	}
	return out
}

// Node implements engine.Nodes.
func (w *workflows) Node(kind string) (node.Node, bool) {
	n, ok := w.nodes[kind]
	return n, ok
}

// Graph implements engine.Versions.
func (w *workflows) Graph(ctx context.Context, tenant, workflowID string, version int) (*workflow.Graph, error) {
	key := versionKey{tenant, workflowID, version}
	w.mu.Lock()
	g := w.graphs[key]
	w.mu.Unlock()
	if g != nil {
		return g, nil
	}
	v, err := w.a.store.Workflows.Version(ctx, tenant, workflowID, version)
	if err != nil {
		return nil, err
	}
	return w.check(tenant, v)
}

// check makes the graph of a version and keeps it.
func (w *workflows) check(tenant string, v store.WorkflowVersion) (*workflow.Graph, error) {
	key := versionKey{tenant, v.WorkflowID, v.Version}
	w.mu.Lock()
	g := w.graphs[key]
	w.mu.Unlock()
	if g != nil {
		return g, nil
	}
	docs, problems := workflow.Read(v.WorkflowID+".json", v.Definition, w.kinds)
	if len(docs) == 1 && docs[0].Workflow != nil {
		g = workflow.Check(docs[0].Workflow, w.kinds, problems)
	}
	if g == nil {
		return nil, fault.Newf(fault.InvalidInput, "version %d of the workflow %s was made by another release and cannot be read: %v", v.Version, v.WorkflowID, problems.List())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.graphs[key] == nil {
		w.recent = append(w.recent, key)
	}
	w.graphs[key] = g
	if len(w.recent) > maxGraphs {
		delete(w.graphs, w.recent[0])
		w.recent = slices.Delete(w.recent, 0, 1)
	}
	return g, nil
}

// find is taskworkflow.Options.Find.
func (w *workflows) find(ctx context.Context, tenant, workflowID string, version int) (taskworkflow.Found, error) {
	v, err := w.a.store.Workflows.Version(ctx, tenant, workflowID, version)
	if err != nil {
		return taskworkflow.Found{}, err
	}
	if v.Archived {
		return taskworkflow.Found{}, fault.Newf(fault.NotFound, "the workflow %s is archived", workflowID)
	}
	g, err := w.check(tenant, v)
	return taskworkflow.Found{Graph: g, Version: v.Version}, err
}

// author is an approval.Author.
func (w *workflows) author(ctx context.Context, tenant, workflowID string, version int) (string, error) {
	v, err := w.a.store.Workflows.Version(ctx, tenant, workflowID, version)
	return v.CreatedBy, err
}

// artifact opens an artifact of a run by its id.
func (w *workflows) artifact(ctx context.Context, tenant, _, artifactID string) (io.ReadCloser, error) {
	a, err := w.a.store.Artifacts.Artifact(ctx, tenant, artifactID)
	if err != nil {
		return nil, err
	}
	return w.openArtifact(ctx, a)
}

// spoken reports whether a run has asked language models.
func (w *workflows) spoken(ctx context.Context, tenant, runID string) (bool, error) {
	r, err := w.a.store.Runs.Run(ctx, tenant, runID)
	return r.Result.Tokens != nil, err
}

func (w *workflows) openArtifact(ctx context.Context, a run.Artifact) (io.ReadCloser, error) {
	r, _, err := w.a.blobs.Open(ctx, a.SHA256)
	return r, err
}

// nodeLocks implements engine.Locks.
type nodeLocks struct{ locks store.Locks }

func (l nodeLocks) Take(ctx context.Context, at engine.Claimed, names []string) (bool, error) {
	got, err := l.locks.Take(ctx, store.TakeLocks{JobID: at.JobID, RunID: at.RunID, Epoch: at.Epoch, Names: names})
	return got.Granted, err
}

func (l nodeLocks) Free(ctx context.Context, at engine.Claimed, names []string) error {
	return l.locks.Free(ctx, store.FreeLocks{JobID: at.JobID, RunID: at.RunID, Epoch: at.Epoch, Names: names})
}

// nodeSecrets implements engine.Secrets.
type nodeSecrets struct{ a *App }

func (s nodeSecrets) Value(ctx context.Context, tenant, name string, use secret.Use) (string, error) {
	return s.a.vault.Value(ctx, tenant, name, use)
}

func (s nodeSecrets) Open(ctx context.Context, tenant, aad, sealed string) ([]byte, error) {
	return s.a.vault.Open(ctx, tenant, aad, sealed)
}

// mask implements engine.Mask.
type mask struct {
	mu     sync.RWMutex
	values []string
	m      *secret.Masker
}

func (m *mask) Add(values ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range values {
		if !slices.Contains(m.values, v) {
			m.values = append(m.values, v)
			m.m = nil
		}
	}
	if m.m == nil {
		m.m = secret.NewMasker(m.values...)
	}
}

func (m *mask) Text(s string) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.m.String(s)
}

// tradingDays implements expression.Calendars for a tenant.
type tradingDays struct {
	of     *almanac.Almanac
	tenant string
}

func (d tradingDays) calendar(name string) (*calendar.Calendar, error) {
	set, err := d.of.Of(context.Background(), d.tenant)
	if err != nil {
		return nil, err
	}
	return set.Resolve(calendar.Spec{Code: name})
}

// nodeQueue implements node.Queue.
type nodeQueue struct {
	a    *App
	once sync.Once
	c    *api.Composer
	err  error
}

// composer is made when it is first needed: the server's parts are there by then.
func (q *nodeQueue) composer() (*api.Composer, error) {
	q.once.Do(func() { q.c, q.err = api.NewComposer(q.a.apiOptions()) })
	return q.c, q.err
}

// Submit implements node.Queue.
func (q *nodeQueue) Submit(ctx context.Context, s node.Submission) (node.Child, error) {
	c, err := q.composer()
	if err != nil {
		return node.Child{}, err
	}
	body := map[string]any{"labels": map[string]string{"workflow_run": s.WorkflowRunID, "workflow_node": s.NodeID}}
	for name, v := range map[string]string{"template_id": s.TemplateID, "job_type": s.Type, "name": s.Name} {
		if v != "" {
			body[name] = v
		}
	}
	if len(s.Params) > 0 {
		body["params"] = s.Params
	}
	text, err := json.Marshal(body)
	if err != nil {
		return node.Child{}, fmt.Errorf("describe the job of a node: %w", err)
	}
	j, err := c.Compose(ctx, starter(s.Tenant, s.CreatedBy), text)
	if err != nil {
		return node.Child{}, err
	}
	j.Trigger = job.TriggerWorkflow
	// Secret inputs of another workflow are encrypted by now; everything else would be
	// in the clear for whoever may read jobs.
	if s.Reveals != nil && (s.Reveals(string(j.Params)) || s.Reveals(j.Name)) {
		return node.Child{}, fault.New(fault.InvalidInput, "the job would store a secret input in the clear; only inputs that the other workflow declares secret take one")
	}
	if j.Type == taskworkflow.Type {
		if s.Depth > workflow.MaxDepth {
			return node.Child{}, fault.Newf(fault.InvalidInput, "%d workflows are one inside the other already, and that is the most", workflow.MaxDepth)
		}
		if j.Params, err = deeper(j.Params, s.Depth); err != nil {
			return node.Child{}, err
		}
	}
	return q.add(ctx, s, j)
}

// deeper notes how many workflows are around a run.
func deeper(params []byte, depth int) ([]byte, error) {
	var p engine.Params
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, fmt.Errorf("read params: %w", err)
	}
	p.Depth = depth
	return json.Marshal(p)
}

// add stores the job, once for each key.
func (q *nodeQueue) add(ctx context.Context, s node.Submission, j job.Job) (node.Child, error) {
	now := q.a.o.Clock.Now()
	j.ID, j.CreatedAt, j.QueuedAt = newJobID(now), now, now
	added, err := q.a.store.Jobs.Add(ctx, store.AddJobs{Jobs: []job.Job{j}, Key: &store.Key{
		Tenant: s.Tenant, Owner: "workflow", Text: s.WorkflowRunID + "/" + s.NodeID + "/" + s.Key, Hash: "node", Now: now, Expires: now.Add(nodeKeyLife),
		Render: func(any) (store.Reply, error) { return store.Reply{Status: http.StatusCreated, Location: j.ID}, nil },
	}})
	if again, is := errors.AsType[*store.Replay](err); is {
		return q.Child(ctx, s.Tenant, again.Reply.Location)
	}
	if err != nil {
		return node.Child{}, err
	}
	return q.child(ctx, added[0].Job)
}

// starter is the principal of jobs that a run adds. What the starter of the run may do
// was looked at when it was started, and what the workflow does when it was applied.
func starter(tenant, name string) access.Principal {
	return access.Principal{Name: name, Tenant: tenant, Roles: []access.Role{access.Admin}}
}

// Child implements node.Queue.
func (q *nodeQueue) Child(ctx context.Context, tenant, jobOrRun string) (node.Child, error) {
	j, err := q.a.store.Jobs.Job(ctx, tenant, jobOf(jobOrRun))
	if err != nil {
		return node.Child{}, err
	}
	return q.child(ctx, j)
}

func (q *nodeQueue) child(ctx context.Context, j job.Job) (node.Child, error) {
	c := node.Child{JobID: j.ID, RunID: j.RunID, State: j.State, Code: j.Failure.Code, Message: j.Failure.Message}
	if j.Type == taskworkflow.Type {
		c.WorkflowRunID = runOf(j.ID)
		if !j.State.Terminal() {
			return c, nil
		}
		r, err := q.a.store.WorkflowRuns.Run(ctx, j.Tenant, c.WorkflowRunID)
		if err != nil {
			return c, err
		}
		c.Outputs = r.State.Values
		return c, nil
	}
	if !j.State.Terminal() || j.RunID == "" {
		return c, nil
	}
	r, err := q.a.store.Runs.Run(ctx, j.Tenant, j.RunID)
	if err != nil {
		return c, err
	}
	c.Outputs = map[string]any{}
	for name, v := range r.Result.Outputs {
		c.Outputs[name] = v
	}
	return c, nil
}

// Cancel implements node.Queue.
func (q *nodeQueue) Cancel(ctx context.Context, tenant, jobID, reason string) error {
	return q.a.cancelJob(ctx, tenant, jobID, reason)
}
