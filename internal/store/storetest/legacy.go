package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/store"
)

func legacyChecks() []check {
	return []check{{"Legacy/WritersAddUp", legacyAddsUp}, {"Legacy/Days", legacyDays}}
}

func legacyUsage(t *testing.T, s store.Store, p store.AskLegacyUsage) store.LegacyUsage {
	t.Helper()
	got, err := s.LegacyCalls.Usage(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// legacyAddsUp: two servers write the same rows at the same time, in another order.
func legacyAddsUp(t *testing.T, s store.Store) {
	call := func(tenant, client, op string, n int64, at time.Time) store.LegacyCalled {
		return store.LegacyCalled{Tenant: tenant, Client: client, Operation: op, Count: n, LastAt: at}
	}
	var wg sync.WaitGroup
	for writer := range 2 {
		wg.Go(func() {
			for i := range 10 {
				// The first writer's times are the later ones, whoever is the last to write.
				last := base.Add(time.Duration(i-20*writer) * time.Second)
				calls := []store.LegacyCalled{call(tenant, "ci", "get", 2, last), call(tenant, "ci", "add", 1, last), call("ten_other", "ci", "get", 1, last)}
				if writer == 1 {
					calls[0], calls[2] = calls[2], calls[0]
				}
				if err := s.LegacyCalls.Add(t.Context(), calls); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := base.Add(9 * time.Second)
	want := []store.LegacyCalled{call(tenant, "ci", "get", 40, last), call(tenant, "ci", "add", 20, last), call("ten_other", "ci", "get", 20, last)}
	same(t, "all", store.LegacyUsage{Calls: want}, legacyUsage(t, s, store.AskLegacyUsage{Since: base, Limit: 3}))
	same(t, "the first", store.LegacyUsage{Calls: want[:2], More: true}, legacyUsage(t, s, store.AskLegacyUsage{Since: base, Limit: 2}))
	same(t, "of a tenant", store.LegacyUsage{Calls: want[2:]}, legacyUsage(t, s, store.AskLegacyUsage{Tenant: "ten_other", Since: base, Limit: 3}))
}

// legacyDays: days are summed up from the first one that is asked for, and deleted
// one by one.
func legacyDays(t *testing.T, s store.Store) {
	day := func(n int) time.Time { return base.AddDate(0, 0, n) }
	for n := -31; n <= 0; n++ {
		if err := s.LegacyCalls.Add(t.Context(), []store.LegacyCalled{
			{Tenant: tenant, Client: "ci", Operation: "get", Count: 1, LastAt: day(n)}, {Tenant: tenant, Count: 1, LastAt: day(n)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	count := func(since time.Time) []int64 {
		t.Helper()
		var out []int64
		for _, c := range legacyUsage(t, s, store.AskLegacyUsage{Since: since, Limit: 9}).Calls {
			out = append(out, c.Count)
		}
		return out
	}
	same(t, "30 days", []int64{30, 30}, count(day(-29)))
	same(t, "from a part of a day", []int64{30, 30}, count(day(-29).Add(11*time.Hour)))
	for _, want := range []int{2, 2, 0} {
		n, err := s.LegacyCalls.Expire(t.Context(), day(-29).Add(-11*time.Hour))
		if err != nil || n != want {
			t.Errorf("deleted %d rows, want %d: %v", n, want, err)
		}
	}
	same(t, "what is left", []int64{30, 30}, count(day(-100)))
}
