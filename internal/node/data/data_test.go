package data_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/data"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/run"
)

func run1(t *testing.T, n node.Node, config map[string]any) (map[string]any, *node.Failure) {
	t.Helper()
	r, err := n.Run(t.Context(), nodetest.Call(&nodetest.Host{}, time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), config))
	if err != nil {
		return nil, node.FailureOf(err)
	}
	return r.Value.(map[string]any), nil
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.json"), `{"n": 9007199254740993, "f": 1.5, "list": [1]}`)
	write(t, filepath.Join(dir, "a.yaml"), "a: 1\n---\nb: 2\n")
	write(t, filepath.Join(dir, "a.csv"), "\ufeffsymbol,note\nA,\"x, y\"\n")
	write(t, filepath.Join(dir, "a.txt"), "hello")
	write(t, filepath.Join(dir, "bad.csv"), "a,a\n1,2\n")
	write(t, filepath.Join(own, "token"), "secret")
	write(t, filepath.Join(outside, "b.txt"), "secret")
	if err := os.Symlink(filepath.Join(outside, "b.txt"), filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	n := data.NewFile(data.FileOptions{Folders: []string{dir}, Closed: func(real string) bool { return strings.Contains(real, "own") }})
	for name, want := range map[string]any{
		"a.json":                          map[string]any{"n": int64(9007199254740993), "f": 1.5, "list": []any{int64(1)}},
		"a.yaml":                          []any{map[string]any{"a": int64(1)}, map[string]any{"b": int64(2)}},
		"a.csv":                           []any{map[string]any{"symbol": "A", "note": "x, y"}},
		filepath.Join(dir, "a.txt"):       "hello",
		filepath.Join("x", "..", "a.txt"): "hello",
	} {
		v, f := run1(t, n, map[string]any{"path": name})
		if f != nil {
			t.Errorf("%s: %v", name, f)
			continue
		}
		if diff := cmp.Diff(want, v["content"]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, code := range map[string]string{
		"../" + filepath.Base(outside) + "/b.txt": "source_not_allowed", filepath.Join(outside, "b.txt"): "source_not_allowed", "link.txt": "source_not_allowed",
		"own/token": "source_not_allowed", "none.txt": "not_found", "own": "source_not_allowed", "bad.csv": "unreadable", "": "invalid_config",
	} {
		if v, f := run1(t, n, map[string]any{"path": name}); f == nil || f.Code != code || strings.Contains(f.Error(), "secret") {
			t.Errorf("%s: %v, %v, want %s", name, v, f, code)
		}
	}
	if _, f := run1(t, data.NewFile(data.FileOptions{}), map[string]any{"path": filepath.Join(dir, "a.txt")}); f == nil || f.Code != "source_not_allowed" {
		t.Errorf("without folders: %v", f)
	}
}

type artifacts map[string]run.Artifact

func (a artifacts) Of(_ context.Context, _ string, ids ...string) (map[string][]run.Artifact, error) {
	out := map[string][]run.Artifact{}
	for _, x := range a {
		if x.RunID == ids[0] {
			out[ids[0]] = append(out[ids[0]], x)
		}
	}
	return out, nil
}

func (a artifacts) Artifact(_ context.Context, _, id string) (run.Artifact, error) {
	x, ok := a[id]
	if !ok {
		return x, fault.Newf(fault.NotFound, "no artifact %s", id)
	}
	return x, nil
}

func TestArtifact(t *testing.T) {
	t.Parallel()
	const content = `{"a": 1}`
	sum := sha256.Sum256([]byte(content))
	is := hex.EncodeToString(sum[:])
	list := artifacts{
		"art_1": {ID: "art_1", RunID: "run_1", Name: "a.json", SHA256: is, Size: int64(len(content))},
		"art_2": {ID: "art_2", RunID: "run_1", Name: "damaged", SHA256: strings.Repeat("0", 64)},
	}
	n := data.NewArtifact(list, func(context.Context, run.Artifact) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(content))), nil
	})
	for _, config := range []map[string]any{
		{"artifact_id": "art_1", "verify": "sha256", "as": "json"}, {"run_id": "run_1", "name": "a.json", "verify": is, "as": "json"},
	} {
		v, f := run1(t, n, config)
		if f != nil || v["artifact_id"] != "art_1" || v["verified"] != true || !cmp.Equal(v["content"], map[string]any{"a": int64(1)}) {
			t.Errorf("%v: %v, %v", config, v, f)
		}
	}
	for code, config := range map[string]map[string]any{
		"checksum_mismatch":          {"artifact_id": "art_2", "verify": "sha256"},
		"not_found":                  {"run_id": "run_1", "name": "none"},
		data.CodeRegistryUnavailable: {"registry": "models", "model_id": "a:1", "verify": "sha256"},
	} {
		if v, f := run1(t, n, config); f == nil || f.Code != code || !f.Final {
			t.Errorf("%s: %v, %v", code, v, f)
		}
	}
}

func TestQuerySQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "crm.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE customers (id INTEGER, name TEXT); INSERT INTO customers VALUES (1, 'ann'), (2, 'bob'), (3, NULL)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	n := data.NewQuery(map[string]string{"crm": "sqlite://" + path})
	v, f := run1(t, n, map[string]any{"source": "crm", "sql": "SELECT id, name FROM customers WHERE id >= $1 ORDER BY id", "args": []any{int64(2)}})
	want := map[string]any{
		"columns": []any{"id", "name"}, "count": int64(2),
		"rows": []any{map[string]any{"id": int64(2), "name": "bob"}, map[string]any{"id": int64(3), "name": nil}},
	}
	if diff := cmp.Diff(want, v); f != nil || diff != "" {
		t.Fatalf("%v %s", f, diff)
	}
	for what, c := range map[string]struct {
		config map[string]any
		code   string
	}{
		"an injection is a value": {map[string]any{"sql": "SELECT count(*) AS n FROM customers WHERE name = $1", "args": []any{"x' OR '1'='1"}}, ""},
		"writes":                  {map[string]any{"sql": "DELETE FROM customers"}, "invalid_config"},
		"writes behind a read":    {map[string]any{"sql": "SELECT 1; DELETE FROM customers"}, "query_failed"},
		"writes in a with":        {map[string]any{"sql": "WITH x AS (SELECT 1) DELETE FROM customers"}, "query_failed"},
		"opens another file":      {map[string]any{"sql": "SELECT 1; ATTACH '" + path + "' AS other"}, "query_failed"},
		"too many rows":           {map[string]any{"sql": "SELECT * FROM customers", "max_rows": int64(2)}, "too_large"},
		"no such table":           {map[string]any{"sql": "SELECT * FROM nothing"}, "query_failed"},
		"an unknown source":       {map[string]any{"source": "crn", "sql": "SELECT 1"}, "source_unknown"},
		"a list for an argument":  {map[string]any{"sql": "SELECT $1", "args": []any{[]any{}}}, "invalid_config"},
	} {
		if c.config["source"] == nil {
			c.config["source"] = "crm"
		}
		v, f := run1(t, n, c.config)
		switch {
		case c.code == "" && (f != nil || v["rows"].([]any)[0].(map[string]any)["n"] != int64(0)):
			t.Errorf("%s: %v, %v", what, v, f)
		case c.code != "" && (f == nil || f.Code != c.code || strings.Contains(f.Error(), path)):
			t.Errorf("%s: %v, %v", what, v, f)
		}
	}
	if v, f := run1(t, n, map[string]any{"source": "crm", "sql": "SELECT count(*) AS n FROM customers"}); f != nil || v["rows"].([]any)[0].(map[string]any)["n"] != int64(3) {
		t.Errorf("something was written: %v, %v", v, f)
	}
}
