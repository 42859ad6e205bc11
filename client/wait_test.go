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
	queued, done := say(200, `{"job_id":"job_1","status":"QUEUED"}`), make(chan time.Time, 1)
	slow := func(w http.ResponseWriter, r *http.Request) {
		queued(w, r)
		done <- time.Now()
	}
	c, asked := waited(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("topics"); got != "job:job_1" {
			t.Errorf("topics %q", got)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": hello\n\n")
		w.(http.Flusher).Flush()
		select {
		case at := <-done:
			done <- at
			fmt.Fprint(w, "id: 1\ndata: {\"seq\":1,\"type\":\"job.run.completed\",\"job_id\":\"job_1\"}\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case <-r.Context().Done():
		}
	}, queued, queued, queued, queued, slow, say(200, `{"job_id":"job_1","status":"COMPLETED"}`))
	job, err := c.WaitJob(t.Context(), "job_1", nil)
	if err != nil || job.Status != "COMPLETED" || asked.Load() != 6 {
		t.Errorf("%+v, %v after %d questions", job, err, asked.Load())
	}
	if took := time.Since(<-done); took > 3*time.Second {
		t.Errorf("the event was not followed: the end was seen after %v", took)
	}
}
