package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	found "github.com/runsheet/runsheet/internal/bench/report"
)

func TestMarkdown(t *testing.T) {
	t.Parallel()
	r := report{At: "2026-11-22T10:00:00Z", Rounds: 3, Jobs: 10, Arrivals: 5, Versions: map[string]string{"b": "2", "a": "1"}}
	our, peer, redis := contestants()[0], contestants()[3], contestants()[6]
	if !our.product || peer.Name != "goqite" || redis.Name != "Asynq" {
		t.Fatalf("%v, %v, %v", our, peer, redis)
	}
	for round, rate := range []float64{100, 300, 200} {
		r.add(peer, round, figures{found.Drain: 100})
		r.add(peer, round, figures{found.StartP50: 4})
		r.add(our, round, figures{found.Drain: rate, found.StartP50: 2})
	}
	r.add(redis, 0, figures{found.Bulk: 7})
	got := r.markdown()
	for _, want := range []string{
		"2026-11-22, ; 3 rounds of 10 jobs, 5 for the beginnings.",
		"| SQLite FULL | Runsheet | 200 (100-300) | 1 |\n| SQLite FULL | goqite | 100 (100-100) | 2.00 (1.00-3.00) |\n",
		"| SQLite FULL | Runsheet | 2.00 (2.00-2.00) | 1 |\n| SQLite FULL | goqite | 4.00 (4.00-4.00) | 2.00 (2.00-2.00) |\n",
		"| Redis, syncs every second | Asynq | 7 (7-7) | - |\n",
		"\n- a 1\n- b 2\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the tables have no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, heads[found.Insert]) {
		t.Errorf("a figure that nobody has has a table:\n%s", got)
	}
	for _, name := range names() {
		if heads[name] == "" {
			t.Errorf("nothing stands above the table of %s", name)
		}
	}
}

func TestInsert(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "doc.md")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a\n" + begin + "old\n" + end + "b\n")
	if err := insert(file, "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "a\n"+begin+"new\n"+end+"b\n" {
		t.Errorf("%q, %v", got, err)
	}
	for _, text := range []string{"a\n", "a\n" + begin + "old\n"} {
		put(text)
		if err := insert(file, "new\n"); err == nil {
			t.Errorf("%q has no marks, and text was put into it", text)
		}
	}
}

// The section of the document can be written.
func TestDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs", "bench.md"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := strings.Index(string(text), begin), strings.Index(string(text), end); a < 0 || b < a {
		t.Errorf("docs/bench.md has no marks of queues: %d, %d", a, b)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	r := found.Report{Engine: onSQLite, Durability: durable[onSQLite], Measures: []found.Measure{{Name: found.Insert, Median: 5}, {Name: found.InsertP50, Median: 6}}}
	text := func() []byte {
		t.Helper()
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if f, err := read(text(), onSQLite); err != nil || len(f) != 1 || f[found.Insert] != 5 {
		t.Errorf("%v, %v", f, err)
	}
	if f, err := read(text(), onPostgres); err == nil {
		t.Errorf("a report of SQLite was taken for one of PostgreSQL: %v", f)
	}
	r.Durability = "synchronous=NORMAL"
	if f, err := read(text(), onSQLite); err == nil {
		t.Errorf("a report without durability was taken: %v", f)
	}
	r.Durability, r.Measures = durable[onSQLite], nil
	if f, err := read(text(), onSQLite); err == nil {
		t.Errorf("an empty report was taken: %v", f)
	}
}
