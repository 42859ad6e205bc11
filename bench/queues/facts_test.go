package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// few are the jobs of a test: more than fit into a batch of workers.
const few = 200

// TestQueues measures each queue at a tiny size: what it is asked for it does, never how
// fast it was.
func TestQueues(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]start{
		"River/postgres": riverPostgres, "River/sqlite": riverSQLite,
		"goqite/full": goqiteIn("FULL"), "goqite/normal": goqiteIn("NORMAL"), "Asynq/always": asynqOn("always"), "Asynq/everysec": asynqOn("everysec"),
		"store/sqlite": storeSQLite, "store/postgres": storePostgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("insert", func(t *testing.T) {
				t.Parallel()
				q := of(t)
				ids := q.addEach(t, few)
				q.hold(t, ids)
				if len(ids) != few || ids[0] == ids[1] {
					t.Errorf("%d ids, %q ...", len(ids), ids[:2])
				}
			})
			if strings.HasPrefix(name, "store/") {
				return // it runs nothing
			}
			t.Run("drain", func(t *testing.T) {
				t.Parallel()
				q := of(t)
				q.fill(t, few)
				if open, err := q.open(); err != nil || !open {
					t.Errorf("jobs wait, and open says %v, %v", open, err)
				}
				if spent := q.drain(t, workers, few); spent <= 0 {
					t.Errorf("it took %v", spent)
				}
				if ids, err := q.waiting(); err != nil || len(ids) > 0 {
					t.Errorf("%d jobs wait after all have run, %v", len(ids), err)
				}
			})
			t.Run("latency", func(t *testing.T) {
				t.Parallel()
				delays := of(t).delays(t, workers, 5, rand.New(rand.NewPCG(1, 1)))
				if len(delays) != 5 || delays[0] <= 0 || delays[0] > delays[4] {
					t.Errorf("delays %v", delays)
				}
			})
		})
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	good := newTally(2)
	good.note(0)
	select {
	case <-good.last:
		t.Error("one of two jobs ran, and all have")
	default:
	}
	good.note(1)
	<-good.last
	good.once(t)
	for _, ran := range [][]int{{0, 0}, {0}, {0, 1, 1}} {
		bad, fake := newTally(2), &failure{TB: t}
		for _, n := range ran {
			bad.note(n)
		}
		if bad.once(fake); !fake.failed {
			t.Errorf("jobs %v ran, of 0 and 1, and nobody complains", ran)
		}
	}
}

// failure is a test that is expected to fail.
type failure struct {
	testing.TB
	failed bool
}

func (f *failure) Helper()               {}
func (f *failure) Errorf(string, ...any) { f.failed = true }

// TestEachHasItsBenchmark: nobody is measured by a name that nothing has.
func TestEachHasItsBenchmark(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.Command(self, "-test.list", "^Benchmark").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contestants() {
		if c.product == (c.bench != "") {
			t.Errorf("%s / %s: product %v, benchmark %q", c.Name, c.Database, c.product, c.bench)
		}
		if !c.product && !strings.Contains("\n"+string(list), "\n"+c.bench+"\n") {
			t.Errorf("there is no %s", c.bench)
		}
	}
}

// What is said of the durability beside the figures.

func TestSQLiteDurability(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{"FULL": "2", "NORMAL": "1"} {
		db, _ := sqliteFile(t, level)
		for pragma, want := range map[string]string{"synchronous": want, "journal_mode": "wal"} {
			if got, err := texts(db, "pragma "+pragma); err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, %v, want %s", level, pragma, got, err, want)
			}
		}
		if n := db.Stats().MaxOpenConnections; n != 1 {
			t.Errorf("%d connections, of which one has the pragmas", n)
		}
	}
}

func TestPostgresDurability(t *testing.T) {
	t.Parallel()
	c, err := pgx.Connect(t.Context(), testsvc.DurablePostgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := c.QueryRow(t.Context(), "show "+setting).Scan(&value); err != nil || value != "on" {
			t.Errorf("%s is %q, %v, want on", setting, value, err)
		}
	}
}

func TestRedisDurability(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"always", "everysec"} {
		r := redisWithLog(t, want)
		got, err := r.ConfigGet(t.Context(), "append*").Result()
		if err != nil || got["appendonly"] != "yes" || got["appendfsync"] != want {
			t.Errorf("%v, %v, want appendfsync %s", got, err, want)
		}
	}
}

// TestCompare lets Runsheet and libraries take tiny turns, as the command does.
func TestCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options{rounds: 2, jobs: 20, arrivals: 3, only: regexp.MustCompile("^(Runsheet|goqite) / (PostgreSQL|SQLite FULL)"), json: filepath.Join(dir, "queues.json"), write: filepath.Join(dir, "doc.md")}
	if err := os.WriteFile(o.write, []byte(begin+end), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	if err := compare(t.Context(), o, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	for _, c := range contestants() {
		line, rows := "| "+c.Database+" | "+c.Name+" | ", 5
		if !o.only.MatchString(c.Name + " / " + c.Database) {
			rows = 0
		}
		if n := strings.Count(out.String(), line); n != rows {
			t.Errorf("%s: %d rows, want %d", line, n, rows)
		}
	}
	if strings.Contains(out.String(), "| - |") {
		t.Error("a row has no ratio")
	}
	if text, err := os.ReadFile(o.write); err != nil || string(text) != begin+out.String()+end {
		t.Errorf("the document is %q, %v", text, err)
	}
	if text, err := os.ReadFile(o.json); err != nil || !strings.Contains(string(text), `"name": "goqite"`) {
		t.Errorf("the figures are %q, %v", text, err)
	}
	if t.Failed() {
		t.Logf("%s%s", &log, &out)
	}
}
