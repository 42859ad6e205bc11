package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/task"
)

// TestComposer: what a schedule starts is the job that a request makes.
func TestComposer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if got := b.as(access.Author, http.MethodPost, "/api/job-templates", `{"name":"t","job_type":"echo","params":{"text":"hi"},
		"priority":3,"locks":["gpu:0"],"labels":{"a":"b"},"timeout":"PT1M","start_deadline":"PT1H","limits":{"max_running":2}}`); got.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	const body = `{"template_id":"t","params":{"times":2},"labels":{"c":"d"}}`
	posted := b.as(access.Author, http.MethodPost, "/api/jobs", body)
	if posted.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", posted.StatusCode, posted.body)
	}
	want, err := b.store.Jobs.Job(t.Context(), access.DefaultTenant, posted.text(t, "job_id"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := api.NewComposer(api.Options{Store: b.store, Tasks: task.NewRegistry(echo{}), Clock: b.clock})
	if err != nil {
		t.Fatal(err)
	}
	author := access.Principal{Name: string(access.Author), Tenant: access.DefaultTenant, Roles: []access.Role{access.Author}}
	got, err := c.Compose(t.Context(), author, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	given := cmpopts.IgnoreFields(job.Job{}, "ID", "Rank", "CreatedAt", "QueuedAt")
	if d := cmp.Diff(want, got, given, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(time.Second)); d != "" {
		t.Errorf("(-request +composer):\n%s", d)
	}
	if _, err := c.Compose(t.Context(), author, []byte(`{"template_id":"none"}`)); !fault.Is(err, fault.NotFound) {
		t.Errorf("without a template: %v", err)
	}
	if _, err := c.Compose(t.Context(), author, []byte(`{"job_type":"echo","params":{"text":1}}`)); err == nil {
		t.Error("params that do not fit were taken")
	}
}
