package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Artifacts finds what runs have left. store.Artifacts is one.
type Artifacts interface {
	// Of returns the artifacts of the given runs by run id, each sorted by name.
	Of(ctx context.Context, tenant string, runIDs ...string) (map[string][]run.Artifact, error)
	// Artifact returns one; not_found.
	Artifact(ctx context.Context, tenant, id string) (run.Artifact, error)
}

// Artifact finds an artifact of an earlier run, and checks it. It implements
// node.Node. Make one with NewArtifact.
type Artifact struct {
	artifacts Artifacts
	open      func(ctx context.Context, a run.Artifact) (io.ReadCloser, error)
	spoken    func(ctx context.Context, tenant, runID string) (bool, error)
}

// Spoken returns a node that asks whether a run has asked language models: what is read
// from the artifacts of such a run is kept in memory only, like what a model said.
func (a Artifact) Spoken(f func(ctx context.Context, tenant, runID string) (bool, error)) Artifact {
	a.spoken = f
	return a
}

// NewArtifact returns the node. open returns the content of an artifact, which is
// closed; its error is artifact_gone where there is none any more.
func NewArtifact(artifacts Artifacts, open func(ctx context.Context, a run.Artifact) (io.ReadCloser, error)) Artifact {
	return Artifact{artifacts: artifacts, open: open}
}

// CodeRegistryUnavailable is the failure of nodes that name a model: this version of
// the server has no registry of models.
const CodeRegistryUnavailable = "registry_unavailable"

// verifySum says that the content is to be compared with the sum that was stored.
const verifySum = "sha256"

// Kind implements node.Node.
func (Artifact) Kind() workflow.Kind {
	k := kind("artifact", "finds an artifact of a run, or a model of a registry, and checks it",
		workflow.Field{Name: "artifact_id", Type: workflow.FieldString, Doc: "an artifact; or name, or registry and model_id"},
		workflow.Field{Name: "run_id", Type: workflow.FieldString, Doc: "the run that has an artifact of that name; without it the run of this workflow"},
		workflow.Field{Name: "name", Type: workflow.FieldString},
		workflow.Field{Name: "registry", Type: workflow.FieldString},
		workflow.Field{Name: "model_id", Type: workflow.FieldString},
		workflow.Field{Name: "version", Type: workflow.FieldAny, Doc: "of the model"},
		workflow.Field{Name: "verify", Type: workflow.FieldString, Doc: "sha256: the content is read and compared with the sum that was stored; or the sum that it must have"},
		workflow.Field{Name: "as", Type: workflow.FieldString, Enum: []string{asJSON, asYAML, asCSV, asText}, Doc: "the result has the content, too, read as this"})
	k.Check = func(n workflow.Node, report func(at source.Pos, code, text string)) {
		given := 0
		for _, name := range []string{"artifact_id", "name", "model_id"} {
			if n.Config.Get(name) != nil {
				given++
			}
		}
		if given != 1 {
			report(n.Config.Pos, "required", n.ID+" needs one of artifact_id, name and model_id")
		}
	}
	return k
}

// Run implements node.Node.
func (a Artifact) Run(ctx context.Context, c node.Call) (node.Result, error) {
	text := func(name string) string { s, _ := c.Config[name].(string); return s }
	if text("model_id") != "" || text("registry") != "" {
		return node.Result{}, node.Fatal(CodeRegistryUnavailable, errors.New("this version of the server has no registry of models; name an artifact of a run"))
	}
	found, err := a.find(ctx, c, text("artifact_id"), text("run_id"), text("name"))
	if err != nil {
		return node.Result{}, err
	}
	value := map[string]any{
		"artifact_id": found.ID, "run_id": found.RunID, "name": found.Name, "size": found.Size, "sha256": found.SHA256,
		"media_type": found.MediaType, "verified": false,
	}
	verify, as := strings.ToLower(text("verify")), text("as")
	if verify != "" {
		if verify != verifySum && verify != found.SHA256 {
			return node.Result{}, node.Fatal("checksum_mismatch", fmt.Errorf("the artifact %s has another sum than verify says", found.ID))
		}
		if err := a.compare(ctx, found); err != nil {
			return node.Result{}, err
		}
		value["verified"] = true
	}
	if as != "" {
		content, err := a.content(ctx, found, as)
		if err != nil {
			return node.Result{}, err
		}
		whole := maps.Clone(value)
		whole["content"] = content
		private := false
		if a.spoken != nil {
			if private, err = a.spoken(ctx, c.Tenant, found.RunID); err != nil {
				return node.Result{}, failed(ctx, err)
			}
		}
		return node.Result{Value: whole, Ephemeral: private, Durable: value}, nil
	}
	return node.Result{Value: value}, nil
}

func (a Artifact) find(ctx context.Context, c node.Call, which, runID, name string) (run.Artifact, error) {
	if which != "" {
		found, err := a.artifacts.Artifact(ctx, c.Tenant, which)
		return found, failed(ctx, err)
	}
	if runID == "" {
		runID = c.TaskRunID
	}
	all, err := a.artifacts.Of(ctx, c.Tenant, runID)
	if err != nil {
		return run.Artifact{}, failed(ctx, err)
	}
	for _, x := range all[runID] {
		if x.Name == name {
			return x, nil
		}
	}
	return run.Artifact{}, node.Fatal(string(fault.NotFound), fmt.Errorf("the run %s has no artifact of that name", runID))
}

func failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return node.FromFault(err)
}

// compare reads the content and compares its sum with the stored one.
func (a Artifact) compare(ctx context.Context, found run.Artifact) (err error) {
	r, err := a.open(ctx, found)
	if err != nil {
		return failed(ctx, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, reading{ctx, r}); err != nil {
		return node.Fail("unreadable", "", errors.New("the content could not be read"))
	}
	if hex.EncodeToString(h.Sum(nil)) != found.SHA256 {
		return node.Fatal("checksum_mismatch", fmt.Errorf("the content of artifact %s is not what was stored", found.ID))
	}
	return nil
}

func (a Artifact) content(ctx context.Context, found run.Artifact, as string) (v any, err error) {
	r, err := a.open(ctx, found)
	if err != nil {
		return nil, failed(ctx, err)
	}
	raw, err := readAll(reading{ctx, r})
	if closed := r.Close(); err == nil && closed != nil {
		err = node.Fail("unreadable", "", errors.New("the content could not be read"))
	}
	if err != nil {
		return nil, err
	}
	v, _, err = decode(raw, found.Name, as)
	if err != nil {
		return nil, node.Fatal("unreadable", fmt.Errorf("artifact %s: %w", found.ID, err))
	}
	return v, nil
}

// reading ends when its context does.
type reading struct {
	ctx context.Context
	r   io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
