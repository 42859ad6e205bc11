package forecast_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/forecast"
)

func TestLearn(t *testing.T) {
	t.Parallel()
	seconds := func(from, to int) []time.Duration {
		var out []time.Duration
		for i := to; i >= from; i-- {
			out = append(out, time.Duration(i)*time.Second)
		}
		return out
	}
	for _, c := range []struct {
		name string
		in   []time.Duration
		want forecast.Span
	}{
		{"none", nil, forecast.Span{}},
		{"one is both", seconds(7, 7), forecast.Span{Median: 7 * time.Second, P90: 7 * time.Second, Count: 1}},
		{"two", seconds(1, 2), forecast.Span{Median: 1500 * time.Millisecond, P90: 2 * time.Second, Count: 2}},
		// The ninth of ten stands for 85 %, the tenth for 95 %.
		{"ten", seconds(1, 10), forecast.Span{Median: 5500 * time.Millisecond, P90: 9500 * time.Millisecond, Count: 10}},
		{"fifty", seconds(1, 50), forecast.Span{Median: 25500 * time.Millisecond, P90: 45500 * time.Millisecond, Count: 50}},
		{"negative", []time.Duration{-5}, forecast.Span{Count: 1}},
	} {
		if diff := cmp.Diff(c.want, forecast.Learn(c.in)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	in := []time.Duration{3, 1, 2}
	if forecast.Learn(in); in[0] != 3 {
		t.Error("Learn sorted the caller's durations")
	}
}

func TestLearnerFallsBack(t *testing.T) {
	t.Parallel()
	l := forecast.NewLearner(0)
	median := func(template, jobType string) time.Duration { return l.Span(template, jobType).Median }
	if got := l.Span("tmpl_a", "command"); got != (forecast.Span{}) {
		t.Errorf("an empty learner knows %v", got)
	}
	l.Add("", "http", 2*time.Second)
	l.Add("tmpl_a", "command", 8*time.Second)
	l.Add("tmpl_b", "command", 4*time.Second)
	for _, c := range []struct {
		template, jobType string
		want              time.Duration
	}{
		{"tmpl_a", "command", 8 * time.Second},
		{"tmpl_c", "command", 6 * time.Second},
		{"", "http", 2 * time.Second},
		{"tmpl_c", "story", 4 * time.Second}, // all of 2, 4 and 8
		{"", "", 4 * time.Second},
	} {
		if got := median(c.template, c.jobType); got != c.want {
			t.Errorf("median of template %q, type %q = %v, want %v", c.template, c.jobType, got, c.want)
		}
	}
	// A template and a job type of one name are two kinds.
	l.Add("http", "", time.Hour)
	if got := median("", "http"); got != 2*time.Second {
		t.Errorf("a template changed the job type of its name: %v", got)
	}
}

func TestLearnerForgets(t *testing.T) {
	t.Parallel()
	l := forecast.NewLearner(3)
	for range 50 {
		l.Add("a", "", time.Second)
	}
	for range 25 {
		l.Add("a", "", 3*time.Second)
	}
	if got, want := l.Span("a", ""), (forecast.Span{Median: 2 * time.Second, P90: 3 * time.Second, Count: 50}); got != want {
		t.Errorf("after 75 durations: %v, want %v", got, want)
	}
	l.Add("b", "", time.Minute)
	l.Add("c", "", time.Minute)
	l.Add("a", "", 3*time.Second) // b is now the one not fed for longest
	l.Add("d", "", time.Minute)
	if got := l.Span("a", "").Median; got != 3*time.Second {
		t.Errorf("the kind fed last was forgotten: %v", got)
	}
	if l.Span("b", "") != l.Span("never seen", "") {
		t.Error("more kinds than allowed")
	}
}

func ExampleLearner() {
	l := forecast.NewLearner(0)
	l.Add("tmpl_nightly", "command", 10*time.Minute)
	l.Add("tmpl_nightly", "command", 12*time.Minute)
	fmt.Println(l.Span("tmpl_nightly", "command").Median)
	fmt.Println(l.Span("tmpl_new", "command").Count)
	// Output:
	// 11m0s
	// 2
}
