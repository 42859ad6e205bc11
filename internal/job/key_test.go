package job_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
)

func withParams(params string, change ...func(*job.Job)) job.Job {
	j := sample(job.Queued)
	j.Type, j.Params = "command", []byte(params)
	for _, c := range change {
		c(&j)
	}
	return j
}

func uniqueKey(t *testing.T, u job.Unique, j job.Job) string {
	t.Helper()
	k, err := u.Key(j)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestUniqueKey(t *testing.T) {
	t.Parallel()
	base := withParams(`{"a":1,"b":{"c":[1,"x"],"d/e":true},"n":null}`)
	for name, c := range map[string]struct {
		by    []string
		other job.Job
		equal bool
	}{
		"order of keys, form of numbers": {nil, withParams(`{"n":null,"b":{"d/e":true,"c":[1.0,"x"]},"a":1e0}`), true},
		"one param":                      {[]string{"a"}, withParams(`{"a":1}`), true},
		"one param differs":              {[]string{"a"}, withParams(`{"a":2}`), false},
		"text is no number":              {[]string{"a"}, withParams(`{"a":"1"}`), false},
		"pointer into a list":            {[]string{"/b/c/1"}, withParams(`{"b":{"c":[2,"x"]}}`), true},
		"escaped pointer":                {[]string{"/b/d~1e"}, withParams(`{"b":{"d/e":true}}`), true},
		"null is not missing":            {[]string{"n"}, withParams(`{}`), false},
		"both missing":                   {[]string{"zz"}, withParams(`{"a":5}`), true},
		"missing in a list":              {[]string{"/b/c/01"}, withParams(`{}`), true},
		"another type":                   {[]string{"a"}, withParams(`{"a":1}`, func(j *job.Job) { j.Type = "http" }), false},
		"a template":                     {[]string{"a"}, withParams(`{"a":1}`, func(j *job.Job) { j.TemplateID = "tmpl_1" }), false},
		"another tenant":                 {[]string{"a"}, withParams(`{"a":1}`, func(j *job.Job) { j.Tenant = "ten_2" }), false},
		"another priority":               {[]string{"a"}, withParams(`{"a":1}`, func(j *job.Job) { j.Priority = 1 }), true},
		"more digits than a float has":   {[]string{"a"}, withParams(`{"a":1.00000000000000000001}`), true},
	} {
		u := job.Unique{By: c.by}
		if got := uniqueKey(t, u, base) == uniqueKey(t, u, c.other); got != c.equal {
			t.Errorf("%s: equal = %v, want %v", name, got, c.equal)
		}
	}
	big := func(n string) string { return uniqueKey(t, job.Unique{}, withParams(`{"a":`+n+`}`)) }
	if big("9007199254740993") == big("9007199254740992") || big("123456789012345678901234567890") == big("123456789012345678901234567891") {
		t.Error("large numbers were rounded")
	}
	if u := (job.Unique{By: []string{"b", "a"}}); uniqueKey(t, u, base) != uniqueKey(t, job.Unique{By: []string{"/a", "/b", "/a"}}, base) {
		t.Error("the order and the form of the names matter")
	}
	// Keys are kept with jobs: this one must not change from version to version.
	if got := uniqueKey(t, job.Unique{By: []string{"a"}}, base); got != "19d63e7be2f19066d7aa5037570b14ae" {
		t.Errorf("the key of old jobs would be another: %s", got)
	}
}

func TestUniqueCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		u    job.Unique
		want []job.State
	}{
		{job.Unique{}, []job.State{job.Queued, job.Running}},
		{job.Unique{Period: time.Hour}, []job.State{job.Queued, job.Running, job.Completed}},
		{job.Unique{Period: time.Hour, States: []job.State{job.Failed}}, []job.State{job.Failed}},
	} {
		if d := cmp.Diff(c.want, c.u.Counts()); d != "" {
			t.Errorf("%+v: %s", c.u, d)
		}
	}
	bad := job.Unique{By: []string{"x", "/a~2"}, Period: -1, States: []job.State{"DONE"}}
	if err := bad.Validate(); !fault.Is(err, fault.InvalidInput) || len(fault.From(err).Fields) != 4 {
		t.Errorf("Validate = %v %+v", err, fault.From(err).Fields)
	}
	if err := (job.Unique{}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestKeyProperties: a key depends on nothing but the named values.
func TestKeyProperties(t *testing.T) {
	t.Parallel()
	value := rapid.OneOf(rapid.Int64().AsAny(), rapid.String().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil),
		rapid.SliceOf(rapid.IntRange(-3, 3)).AsAny(), rapid.Float64Range(-1e6, 1e6).AsAny())
	rapid.Check(t, func(t *rapid.T) {
		params := func(label string, named, other any) job.Job {
			b, err := json.Marshal(map[string]any{"named": named, label: other})
			if err != nil {
				t.Fatal(err)
			}
			return withParams(string(b))
		}
		x, y := value.Draw(t, "x"), value.Draw(t, "y")
		key := func(j job.Job) string {
			k, err := (job.Unique{By: []string{"named"}}).Key(j)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		if key(params("p", x, y)) != key(params("q", x, x)) {
			t.Fatal("another param changed the key")
		}
		jx, jy := params("p", x, 0), params("p", y, 0)
		if same := key(jx) == key(jy); same != bytes.Equal(jx.Params, jy.Params) && !bytes.Contains(slices.Concat(jx.Params, jy.Params), []byte(":-0")) {
			t.Fatalf("%s and %s: one key = %v", jx.Params, jy.Params, same)
		}
	})
}

func TestLimitsWithin(t *testing.T) {
	t.Parallel()
	keyed := job.Limits{MaxRunning: 3, KeyParams: []string{"/user"}, MaxPerKey: 2}
	for name, c := range map[string]struct {
		own, outer, want job.Limits
		refused          bool
	}{
		"nothing said":       {job.Limits{}, keyed, keyed, false},
		"closer":             {job.Limits{MaxRunning: 1, MaxPerKey: 1}, keyed, job.Limits{MaxRunning: 1, KeyParams: keyed.KeyParams, MaxPerKey: 1}, false},
		"looser":             {job.Limits{MaxRunning: 9, MaxPerKey: 9}, keyed, keyed, false},
		"one per key":        {job.Limits{MaxPerKey: 9}, job.Limits{KeyParams: keyed.KeyParams}, job.Limits{KeyParams: keyed.KeyParams, MaxPerKey: 1}, false},
		"own key":            {job.Limits{KeyParams: []string{"/x"}}, job.Limits{MaxRunning: 3}, job.Limits{MaxRunning: 3, KeyParams: []string{"/x"}}, false},
		"the template's key": {job.Limits{KeyParams: []string{"/x"}}, keyed, keyed, true},
	} {
		got, err := c.own.Within(c.outer)
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, got); d != "" && !c.refused {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestLimitsFor(t *testing.T) {
	t.Parallel()
	l := job.Limits{KeyParams: []string{"/user"}}
	ann, err := l.For(withParams(`{"user":"ann"}`))
	if err != nil || ann.Key == "" || ann.MaxPerKey != 1 {
		t.Fatalf("%+v, %v", ann, err)
	}
	for params, equal := range map[string]bool{`{"user":"ann","x":1}`: true, `{"user":"bob"}`: false, `{}`: false} {
		if got, err := l.For(withParams(params)); err != nil || (got.Key == ann.Key) != equal {
			t.Errorf("%s: %+v, %v", params, got, err)
		}
	}
	if got, err := (job.Limits{MaxPerKey: 3, Key: "old"}).For(withParams(`{}`)); err != nil || got.Key != "" || got.MaxPerKey != 0 {
		t.Errorf("without key: %+v, %v", got, err)
	}
}
