package client_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
)

// waited is a server with one job. It answers with the n-th of its states, the
// last one over and over.
func waited(t *testing.T, events http.HandlerFunc, answers ...http.HandlerFunc) (*client.Client, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			events(w, r)
			return
		}
		answers[min(int(asked.Add(1)), len(answers))-1](w, r)
	}))
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c, &asked
}

func TestWaitJob(t *testing.T) {
	t.Parallel()
	c, _ := waited(t, say(403, `{"code":"forbidden","status":403}`), say(200, `{"job_id":"job_1","status":"QUEUED"}`),
		hangUp, hangUp, hangUp, hangUp, hangUp, hangUp, hangUp, say(200, `{"job_id":"job_1","status":"SKIPPED"}`))
	var states []string
	job, err := c.WaitJob(t.Context(), "job_1", func(j client.Job, err error) error {
		states = append(states, fmt.Sprintf("%s %t", j.Status, err != nil))
		return nil
	})
	if err != nil || job.Status != "SKIPPED" {
		t.Errorf("%+v, %v", job, err)
	}
	if diff := cmp.Diff([]string{"QUEUED false", "QUEUED true", "SKIPPED false"}, states); diff != "" {
		t.Error(diff)
	}
}

// TestWaitJobFollowsEvents: a job that waits long is asked for seldom, and an
// event says at once when it is time to.
func TestWaitJobFollowsEvents(t *testing.T) {
	t.Parallel()
	const rounds = 10 // without events each takes seconds
	queued, asks := say(200, `{"job_id":"job_1","status":"QUEUED"}`), make(chan struct{}, rounds)
	var begin time.Time
	answers := []http.HandlerFunc{queued, queued, queued, queued}
	for round := range rounds {
		answers = append(answers, func(w http.ResponseWriter, r *http.Request) {
			if round == 0 {
				begin = time.Now()
			}
			queued(w, r)
			asks <- struct{}{}
		})
	}
	c, asked := waited(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("topics"); got != "job:job_1" {
			t.Errorf("topics %q", got)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": hello\n\n")
		w.(http.Flusher).Flush()
		for n := 1; ; n++ {
			select {
			case <-asks:
				fmt.Fprintf(w, "id: %d\ndata: {\"seq\":%[1]d,\"type\":\"job.updated\",\"job_id\":\"job_1\"}\n\n", n)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}, append(answers, say(200, `{"job_id":"job_1","status":"COMPLETED"}`))...)
	job, err := c.WaitJob(t.Context(), "job_1", nil)
	if err != nil || job.Status != "COMPLETED" || asked.Load() != int64(len(answers)+1) {
		t.Errorf("%+v, %v after %d questions", job, err, asked.Load())
	}
	if took := time.Since(begin); took > 25*time.Second {
		t.Errorf("the events were not followed: the end was seen after %v", took)
	}
}
