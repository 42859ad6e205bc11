package storetest

import (
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func artifactChecks() []check {
	return []check{
		{"Artifacts/PutAndRead", artifactPut},
		{"Artifacts/AreReplacedByName", artifactReplaced},
		{"Artifacts/AreFenced", artifactFenced},
		{"Artifacts/PutOfOneNameAtOnce", artifactRace},
	}
}

func newArtifact(c store.Claimed, name string) run.Artifact {
	return run.Artifact{
		ID: id.New(id.Artifact, base), Tenant: tenant, RunID: c.Run.ID, Name: name, Size: 1 << 40,
		SHA256: "00ff", MediaType: "text/plain; charset=utf-8", CreatedAt: base,
	}
}

func put(t testing.TB, s store.Store, c store.Claimed, a run.Artifact) {
	t.Helper()
	if err := s.Artifacts.Put(t.Context(), a, c.Run.Epoch, store.ArtifactLimits{}); err != nil {
		t.Fatalf("put artifact: %v", err)
	}
}

func artifactPut(t *testing.T, s store.Store) {
	pool(t, s, 2)
	add(t, s, newJob(), newJob())
	cs := claim(t, s, 2)
	b, a, other := newArtifact(cs[0], "b/ü.txt"), newArtifact(cs[0], "a"), newArtifact(cs[1], "a")
	put(t, s, cs[0], b)
	put(t, s, cs[0], a)
	put(t, s, cs[1], other)
	got, err := s.Artifacts.Of(t.Context(), tenant, cs[0].Run.ID, cs[1].Run.ID, "run_none")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "of both", map[string][]run.Artifact{cs[0].Run.ID: {a, b}, cs[1].Run.ID: {other}}, got)
	if got, err := s.Artifacts.Of(t.Context(), tenant); err != nil || len(got) != 0 {
		t.Errorf("of no run: %v, %v", got, err)
	}
	if got, err := s.Artifacts.Of(t.Context(), "ten_other", cs[0].Run.ID); err != nil || len(got) != 0 {
		t.Errorf("of another tenant: %v, %v", got, err)
	}
	one, err := s.Artifacts.Artifact(t.Context(), tenant, b.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "one", b, one)
	_, err = s.Artifacts.Artifact(t.Context(), "ten_other", b.ID)
	wantCode(t, err, fault.NotFound)
	_, err = s.Artifacts.Artifact(t.Context(), tenant, "art_none")
	wantCode(t, err, fault.NotFound)
}

func artifactReplaced(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob())
	c := claimOne(t, s)
	old, replacement := newArtifact(c, "x"), newArtifact(c, "x")
	replacement.SHA256 = "11"
	put(t, s, c, old)
	put(t, s, c, replacement)
	got, err := s.Artifacts.Of(t.Context(), tenant, c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "of the run", map[string][]run.Artifact{c.Run.ID: {replacement}}, got)
	_, err = s.Artifacts.Artifact(t.Context(), tenant, old.ID)
	wantCode(t, err, fault.NotFound)
}

func artifactFenced(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob(onCrash(job.CrashRetry)))
	c := claimOne(t, s)
	wantCode(t, s.Artifacts.Put(t.Context(), newArtifact(c, "x"), c.Run.Epoch-1, store.ArtifactLimits{}), fault.StaleLease)
	foreign := newArtifact(c, "x")
	foreign.Tenant = "ten_other"
	wantCode(t, s.Artifacts.Put(t.Context(), foreign, c.Run.Epoch, store.ArtifactLimits{}), fault.NotFound)
	if err := finishWith(t, s, c, job.Interrupted{At: base}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Artifacts.Put(t.Context(), newArtifact(c, "x"), c.Run.Epoch, store.ArtifactLimits{}), fault.StaleLease)
	got, err := s.Artifacts.Of(t.Context(), tenant, c.Run.ID)
	if err != nil || len(got) != 0 {
		t.Errorf("refused artifacts were kept: %v, %v", got, err)
	}
}

func artifactRace(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, newJob())
	c := claimOne(t, s)
	together(8, func(int) {
		if err := s.Artifacts.Put(t.Context(), newArtifact(c, "x"), c.Run.Epoch, store.ArtifactLimits{}); err != nil {
			t.Errorf("put: %v", err)
		}
	})
	got, err := s.Artifacts.Of(t.Context(), tenant, c.Run.ID)
	if err != nil || len(got[c.Run.ID]) != 1 {
		t.Errorf("%v, %v; want one artifact", got, err)
	}
}
