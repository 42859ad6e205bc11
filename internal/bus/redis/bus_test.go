package redis_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// The server that all tests share outlives them.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/runsheet/runsheet/internal/testsvc.account.serve.func1"))
}

func open(t *testing.T, url string) *redis.Bus {
	t.Helper()
	b, err := redis.Open(redis.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// until waits for a condition, for a minute at most.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

func healthy(t *testing.T, b *redis.Bus, want bool) {
	t.Helper()
	until(t, "health", func() bool {
		ok, detail := b.Health()
		if ok == (detail != "") {
			t.Fatalf("ok %v with detail %q", ok, detail)
		}
		return ok == want
	})
}

// arrives publishes until the tenant arrives, and fails when it does not.
func arrives(t *testing.T, from *redis.Bus, to <-chan string, tenant string) {
	t.Helper()
	from.Publish(tenant)
	deadline := time.After(time.Minute)
	for {
		select {
		case got := <-to:
			if got == tenant {
				return
			}
		case <-deadline:
			t.Fatalf("%q did not arrive", tenant)
		}
	}
}

func TestHintsReachTheOthers(t *testing.T) {
	t.Parallel()
	url := testsvc.Redis(t)
	one, two := open(t, url), open(t, url)
	elsewhere := open(t, testsvc.Redis(t))
	mine, end := one.Watch()
	defer end()
	theirs, end := two.Watch()
	defer end()
	foreign, end := elsewhere.Watch()
	defer end()
	for _, b := range []*redis.Bus{one, two, elsewhere} {
		healthy(t, b, true)
	}
	arrives(t, one, theirs, "ten_1")
	arrives(t, two, mine, "ten_2")
	arrives(t, one, theirs, "ten_3")
	for got := ""; len(mine) > 0; {
		if got = <-mine; got == "ten_1" || got == "ten_3" {
			t.Errorf("%s came back to its sender", got)
		}
	}
	for len(foreign) > 0 {
		if got := <-foreign; got != "" {
			t.Errorf("another installation got %q", got)
		}
	}
}

// TestServerTrouble: whatever happens to the server is noticed within seconds,
// watchers are told that hints were lost, and hints pass again afterwards.
func TestServerTrouble(t *testing.T) {
	t.Parallel()
	srv := testsvc.OwnRedis(t)
	one, two := open(t, srv.URL()), open(t, srv.URL())
	hints, end := two.Watch()
	defer end()
	healthy(t, one, true)
	healthy(t, two, true)
	for _, trouble := range []struct {
		name       string
		begin, end func()
	}{
		{"killed", srv.Kill, srv.Restart},
		{"frozen", srv.Stop, srv.Continue},
	} {
		for len(hints) > 0 {
			<-hints
		}
		trouble.begin()
		healthy(t, one, false)
		healthy(t, two, false)
		one.Publish("lost") // must not block, nor grow anything
		trouble.end()
		healthy(t, one, true)
		until(t, trouble.name+": nobody is told that hints were lost", func() bool {
			select {
			case h := <-hints:
				return h == ""
			default:
				return false
			}
		})
		healthy(t, two, true)
		arrives(t, one, hints, "ten_"+trouble.name)
	}
}

// TestWrongData: what others publish cannot do more than wake somebody.
func TestWrongData(t *testing.T) {
	t.Parallel()
	srv := testsvc.OwnRedis(t)
	one, two := open(t, srv.URL()), open(t, srv.URL())
	healthy(t, one, true)
	healthy(t, two, true)
	hints, end := two.Watch()
	defer end()
	for _, m := range []string{
		"", "x", "runsheet1", "runsheet1 someone", "runsheet2 someone ten_bad", "\x00\xff", strings.Repeat("a ", 1000),
		strings.Repeat("z", 1<<20), "runsheet1 " + strings.Repeat("z", 100_000) + " ten_bad",
	} {
		if n := srv.Do("PUBLISH", "runsheet:0:events", m); n != ":2" {
			t.Fatalf("published to %s", n)
		}
	}
	srv.Do("FLUSHALL")
	one.Publish("ten_good")
	select {
	case h := <-hints:
		if h != "ten_good" {
			t.Errorf("woken by %q", h)
		}
	case <-time.After(time.Minute):
		t.Error("hints do not pass any more")
	}
	if ok, detail := two.Health(); !ok {
		t.Errorf("not healthy: %s", detail)
	}
}

// TestSlowWatcher: a watcher that does not look is told once that it has missed
// something.
func TestSlowWatcher(t *testing.T) {
	t.Parallel()
	url := testsvc.Redis(t)
	one, two := open(t, url), open(t, url)
	hints, end := two.Watch()
	defer end()
	healthy(t, one, true)
	healthy(t, two, true)
	until(t, "the watcher is not full", func() bool {
		for i := range 200 {
			one.Publish("ten_" + string(rune('a'+i%26)))
		}
		return len(hints) == cap(hints)
	})
	until(t, "it is not told", func() bool {
		one.Publish("ten_z")
		for len(hints) > 0 {
			if <-hints == "" {
				return true
			}
		}
		return false
	})
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"redis://localhost":                 true,
		"redis://localhost:6380/3":          true,
		"redis://:geheim@localhost":         true,
		"rediss://ann:geheim@[::1]:6379/0/": true,
		"":                                  false,
		"localhost:6379":                    false,
		"http://localhost":                  false,
		"redis://":                          false,
		"redis://ann@localhost":             false,
		"redis://localhost/x":               false,
		"redis://localhost/-1":              false,
		"redis://localhost:0":               false,
		"redis://localhost:99999":           false,
		"redis://localhost?a=b":             false,
		"redis://:geheim@local host":        false,
		"redis://:geheim@%zz":               false,
	} {
		err := redis.CheckURL(url)
		if (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: the error tells the password: %v", url, err)
		}
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	srv := testsvc.OwnRedis(t)
	b := open(t, strings.Replace(srv.URL(), "redis://:", "redis://:not", 1))
	select {
	case <-time.After(500 * time.Millisecond): // long enough for a few attempts
	case <-t.Context().Done():
	}
	if ok, detail := b.Health(); ok || strings.Contains(detail, "redis://") {
		t.Errorf("ok %v, %q", ok, detail)
	}
}
