package checkpoint_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/checkpoint"
	"github.com/runsheet/runsheet/internal/checkpoint/checkpointtest"
	"github.com/runsheet/runsheet/internal/testsvc"
	"github.com/runsheet/runsheet/internal/workflow"
)

// The server that all tests share outlives them.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/runsheet/runsheet/internal/testsvc.account.serve.func1"))
}

var secret = []byte("the secret of this installation")

func open(t *testing.T, o checkpoint.Options) *checkpoint.Tiers {
	t.Helper()
	o.Key = secret
	tiers := checkpoint.New(o)
	t.Cleanup(func() {
		if err := tiers.Close(); err != nil {
			t.Error(err)
		}
	})
	return tiers
}

func keep(t *testing.T, url string) *redis.Keep {
	t.Helper()
	k, err := redis.OpenKeep(redis.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// unhurried is a Redis that readers and writers wait for, for tests of what comes from
// there: how long they wait else is judged on a machine that has time.
type unhurried struct{ *redis.Keep }

func (u unhurried) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	ctx, cancel := patient(ctx)
	defer cancel()
	return u.Keep.Get(ctx, key)
}

func (u unhurried) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	ctx, cancel := patient(ctx)
	defer cancel()
	return u.Keep.Put(ctx, key, value, ttl)
}

func (u unhurried) Raise(ctx context.Context, key string, seq int64, value string, ttl time.Duration) error {
	ctx, cancel := patient(ctx)
	defer cancel()
	return u.Keep.Raise(ctx, key, seq, value, ttl)
}

func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
}

// hasty is a Redis whose readers must not mean to wait long for it.
type hasty struct {
	*redis.Keep
	t *testing.T
}

func (h hasty) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	if end, given := ctx.Deadline(); !given || time.Until(end) > 200*time.Millisecond {
		h.t.Errorf("a reader waits for Redis until %v", end)
	}
	return h.Keep.Get(ctx, key)
}

func healthy(t *testing.T, k *redis.Keep, want bool) {
	t.Helper()
	until(t, fmt.Sprintf("health %v", want), func() bool {
		ok, detail := k.Health()
		if ok == (detail != "") {
			t.Fatalf("ok %v with detail %q", ok, detail)
		}
		return ok == want
	})
}

func TestMemory(t *testing.T) {
	t.Parallel()
	checkpointtest.Run(t, func(t *testing.T, d *checkpointtest.Database) (*checkpoint.Tiers, func()) {
		return open(t, checkpoint.Options{Runs: d, Log: d}), func() {}
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	checkpointtest.Run(t, func(t *testing.T, d *checkpointtest.Database) (*checkpoint.Tiers, func()) {
		k := keep(t, testsvc.Redis(t))
		healthy(t, k, true)
		tiers := open(t, checkpoint.Options{Runs: d, Log: d, Cache: unhurried{k}})
		return tiers, tiers.Flush
	})
}

// TestAnotherInstance: what one instance has written to Redis serves the others,
// whose reads of states cost the database nothing.
func TestAnotherInstance(t *testing.T) {
	t.Parallel()
	url, d := testsvc.Redis(t), &checkpointtest.Database{}
	k := keep(t, url)
	healthy(t, k, true)
	one, two := open(t, checkpoint.Options{Runs: d, Log: d, Cache: unhurried{k}}), open(t, checkpoint.Options{Runs: d, Log: d, Cache: unhurried{k}})
	for seq := int64(1); seq <= 50; seq++ {
		s := checkpointtest.Snapshot("wfrun_a", seq)
		d.Commit(s)
		one.Save(s)
	}
	one.Flush()
	got, source, err := two.Latest(t.Context(), "default", "wfrun_a")
	if err != nil || source != checkpoint.FromRedis || d.Reads() != 0 {
		t.Fatalf("%s, %d reads, %v", source, d.Reads(), err)
	}
	checkpointtest.Same(t, got, checkpointtest.Snapshot("wfrun_a", 50))
	// The pointer for readers outside never goes back.
	two.Save(checkpointtest.Snapshot("wfrun_a", 3))
	two.Flush()
	if text, found, err := k.Get(t.Context(), "wf:checkpoint:wfrun_a:latest"); err != nil || !found || string(text) != "50 ckpt_50" {
		t.Errorf("the pointer is %q, %v, %v", text, found, err)
	}
}

// TestBounds: memory forgets, the newest last, and what is too large is not kept.
func TestBounds(t *testing.T) {
	t.Parallel()
	d := &checkpointtest.Database{}
	tiers := open(t, checkpoint.Options{Runs: d, Log: d, MaxRuns: 10})
	for i := range 100 {
		s := checkpointtest.Snapshot(fmt.Sprintf("wfrun_%d", i), 1)
		d.Commit(s)
		tiers.Save(s)
	}
	large := checkpointtest.Snapshot("wfrun_large", 1)
	large.State.Outputs["extract"]["text"] = strings.Repeat("x", 5<<20)
	d.Commit(large)
	tiers.Save(large)
	for run, want := range map[string]string{"wfrun_99": checkpoint.FromMemory, "wfrun_90": checkpoint.FromMemory, "wfrun_89": checkpoint.FromDatabase, "wfrun_large": checkpoint.FromDatabase} {
		if _, source, err := tiers.Latest(t.Context(), "default", run); err != nil || source != want {
			t.Errorf("%s from %s, %v; want %s", run, source, err, want)
		}
	}
	tiers.Forget("wfrun_99")
	if _, source, _ := tiers.Latest(t.Context(), "default", "wfrun_99"); source != checkpoint.FromDatabase {
		t.Errorf("it is still in %s", source)
	}
}

// right fails the test unless reading is right, whatever Redis does.
func right(t *testing.T, tiers *checkpoint.Tiers, seq int64) (source string) {
	t.Helper()
	got, source, err := tiers.Latest(t.Context(), "default", "wfrun_a")
	if err != nil {
		t.Fatal(err)
	}
	checkpointtest.Same(t, got, checkpointtest.Snapshot("wfrun_a", seq))
	return source
}

// TestTrouble: whatever happens to Redis, saving goes on and reads are right, without
// waiting for it; afterwards it is used again. Part of T14.
func TestTrouble(t *testing.T) {
	t.Parallel()
	srv, d := testsvc.OwnRedis(t), &checkpointtest.Database{}
	k := keep(t, srv.URL())
	healthy(t, k, true)
	// Without memory, so that Redis is asked.
	tiers := open(t, checkpoint.Options{Runs: d, Log: d, Cache: hasty{k, t}, MaxBytes: 1})
	seq := int64(0)
	step := func() {
		t.Helper()
		seq++
		s := checkpointtest.Snapshot("wfrun_a", seq)
		d.Commit(s)
		tiers.Save(s)
	}
	works := func(when string) {
		t.Helper()
		healthy(t, k, true)
		until(t, when+": redis is not used again", func() bool {
			step()
			tiers.Flush()
			return right(t, tiers, seq) == checkpoint.FromRedis
		})
	}
	works("in the beginning")
	for _, trouble := range []struct {
		name       string
		begin, end func()
		down       bool
	}{
		{"killed", srv.Kill, srv.Restart, true},
		{"frozen", srv.Stop, srv.Continue, true},
		{"emptied", func() { srv.Do("FLUSHALL") }, func() {}, false},
		{"full", func() { srv.Do("CONFIG", "SET", "maxmemory", "1") }, func() { srv.Do("CONFIG", "SET", "maxmemory", "0") }, false},
		{"evicting", func() {
			srv.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
			srv.Do("CONFIG", "SET", "maxmemory", "1")
		}, func() { srv.Do("CONFIG", "SET", "maxmemory", "0") }, false},
	} {
		trouble.begin()
		if source := right(t, tiers, seq); trouble.down && source != checkpoint.FromDatabase {
			t.Errorf("%s: from %s", trouble.name, source)
		}
		if trouble.down {
			healthy(t, k, false)
		}
		for range 20 {
			step()
			right(t, tiers, seq)
		}
		trouble.end()
		works(trouble.name)
	}
}

// TestSaveDoesNotWait: while Redis takes its time over one write, the run goes on; then
// the newest step is written.
func TestSaveDoesNotWait(t *testing.T) {
	t.Parallel()
	d, k := &checkpointtest.Database{}, keep(t, testsvc.Redis(t))
	healthy(t, k, true)
	c := held{unhurried{k}, make(chan struct{}, 1), make(chan struct{})}
	tiers := open(t, checkpoint.Options{Runs: d, Log: d, Cache: c, MaxBytes: 1})
	seq := int64(0)
	save := func() {
		seq++
		s := checkpointtest.Snapshot("wfrun_a", seq)
		d.Commit(s)
		tiers.Save(s)
	}
	until(t, "nothing is written", func() bool {
		save()
		return len(c.begun) > 0
	})
	for range 200 {
		save()
	}
	close(c.release)
	tiers.Flush()
	if text, found, err := (unhurried{k}).Get(t.Context(), "wf:checkpoint:wfrun_a:latest"); err != nil || !found || string(text) != fmt.Sprintf("%d ckpt_%[1]d", seq) {
		t.Errorf("the pointer is %q, %v, %v", text, found, err)
	}
}

// held is a Redis that is at a write until it is released.
type held struct {
	unhurried
	begun, release chan struct{}
}

func (h held) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	select {
	case h.begun <- struct{}{}:
	default:
	}
	<-h.release
	return h.unhurried.Put(ctx, key, value, ttl)
}

// TestWrongData: what others put into Redis is not taken for a checkpoint.
func TestWrongData(t *testing.T) {
	t.Parallel()
	srv, d := testsvc.OwnRedis(t), &checkpointtest.Database{}
	k := keep(t, srv.URL())
	healthy(t, k, true)
	tiers := open(t, checkpoint.Options{Runs: d, Log: d, Cache: unhurried{k}, MaxBytes: 1})
	for seq := int64(1); seq <= 2; seq++ {
		s := checkpointtest.Snapshot("wfrun_a", seq)
		d.Commit(s)
		tiers.Save(s)
		tiers.Flush()
	}
	const first, second = "wf:checkpoint:wfrun_a:ckpt_1", "wf:checkpoint:wfrun_a:ckpt_2"
	if source := right(t, tiers, 2); source != checkpoint.FromRedis {
		t.Fatalf("from %s", source)
	}
	older, _, _ := k.Get(t.Context(), first)
	good, _, _ := k.Get(t.Context(), second)
	foreign := checkpoint.New(checkpoint.Options{Runs: d, Log: d, Cache: unhurried{k}, Key: []byte("another installation"), MaxBytes: 1})
	bad := checkpointtest.Snapshot("wfrun_a", 2)
	bad.State.Context["processed_items"] = int64(666)
	foreign.Save(bad)
	foreign.Flush()
	forged, _, _ := k.Get(t.Context(), second)
	if err := foreign.Close(); err != nil || len(forged) == 0 {
		t.Fatalf("%d bytes, %v", len(forged), err)
	}
	for name, text := range map[string]string{
		"forged": string(forged), "older": string(older), "nothing": "", "text": "hello", "null": "null", "list": "[]", "object": "{}",
		"cut": string(good[:len(good)/2]), "changed": strings.Replace(string(good), `"processed_items":2`, `"processed_items":3`, 1),
		"head only": `{"sum":"`, "no proof": strings.Replace(string(good), `"sum"`, `"som"`, 1), "huge": strings.Repeat("x", 5<<20), "zero": "\x00\xff\r\n",
	} {
		srv.Do("SET", second, text)
		if source := right(t, tiers, 2); source != checkpoint.FromDatabase {
			t.Errorf("%s: taken from %s", name, source)
		}
		healthy(t, k, true)
	}
	srv.Do("DEL", second)
	srv.Do("LPUSH", second, "a list")
	if source := right(t, tiers, 2); source != checkpoint.FromDatabase {
		t.Errorf("a list: taken from %s", source)
	}
	for _, pointer := range []string{"x", "99999999999999999999999 ckpt_x", "-1 a"} {
		srv.Do("SET", "wf:checkpoint:wfrun_a:latest", pointer)
		right(t, tiers, 2)
	}
	srv.Do("SET", second, string(good))
	if source := right(t, tiers, 2); source != checkpoint.FromRedis {
		t.Errorf("the right value is not taken: %s", source)
	}
}

// TestSlow: a Redis that answers after two seconds is treated as absent.
func TestSlow(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = c.Close() })()
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					if _, err := in.ReadString('\n'); err != nil {
						return
					}
					select {
					case <-time.After(2 * time.Second):
					case <-ctx.Done():
					}
					if _, err := c.Write([]byte("+OK\r\n")); err != nil {
						return
					}
				}
			})
		}
	})
	k := keep(t, "redis://"+l.Addr().String())
	t.Cleanup(func() {
		stop()
		_ = l.Close()
		serving.Wait()
	})
	d := &checkpointtest.Database{}
	tiers := open(t, checkpoint.Options{Runs: d, Log: d, Cache: hasty{k, t}, MaxBytes: 1})
	for seq := int64(1); seq <= 200; seq++ {
		s := checkpointtest.Snapshot("wfrun_a", seq)
		d.Commit(s)
		tiers.Save(s)
		right(t, tiers, seq)
	}
	if ok, _ := k.Health(); ok {
		t.Error("it counts as healthy")
	}
}

// TestDocument: the form that people and programs see.
func TestDocument(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	st := workflow.Begin()
	maps.Copy(st.Nodes, map[string]workflow.NodeState{
		"b": {Status: workflow.NodeCompleted, Order: 1}, "a": {Status: workflow.NodeCompleted, Order: 2}, "s": {Status: workflow.NodeSkipped},
		"t": {Status: workflow.NodeWaiting, StartedAt: until, Wait: &workflow.Wait{For: workflow.WaitTimer, Until: until}},
		"p": {Status: workflow.NodeWaiting, StartedAt: until, Wait: &workflow.Wait{For: workflow.WaitApproval, Ref: "appr_1", Until: until}},
		"e": {Status: workflow.NodeWaiting, StartedAt: until, Wait: &workflow.Wait{For: workflow.WaitEvent, Event: "paid", Match: "true"}},
		"r": {Status: workflow.NodeRunning, StartedAt: until.Add(time.Hour)},
	})
	st.Maps = map[string]workflow.MapState{"r": {Items: "art_1", Sum: "9f", Total: 10, Next: 7}}
	st.Context["processed_items"] = 7
	st.Outputs["b"], st.Outputs["a"] = map[string]any{"count": 10}, map[string]any{"text": "prompt"}
	s := checkpoint.Snapshot{ID: "ckpt_1", RunID: "wfrun_1", WorkflowID: "w", Version: 3, Seq: 9, State: st, Ephemeral: map[string]bool{"a": true}}
	got, err := json.Marshal(s.Document())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"schema":1,"checkpoint_id":"ckpt_1","seq":9,"run_id":"wfrun_1","workflow_id":"w","version":3,` +
		`"completed_nodes":["b","a"],"skipped_nodes":["s"],"current_node":"r","current_nodes":["e","p","r","t"],"context":{"processed_items":7},` +
		`"maps":{"r":{"items_ref":"art_1","items_sha256":"9f","total":10,"next_index":7,"done_above":[],"failed":[]}},` +
		`"pending":{"timers":[{"node_id":"t","until":"2026-03-01T12:00:00Z"}],"approvals":[{"node_id":"p","approval_id":"appr_1","until":"2026-03-01T12:00:00Z"}],` +
		`"events":[{"node_id":"e","event":"paid","match":"true"}]},"outputs":{"b":{"count":10}}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	empty, err := json.Marshal(checkpoint.Snapshot{}.Document())
	if err != nil || strings.Count(string(empty), "null") != 1 {
		t.Errorf("%s, %v", empty, err)
	}
}
