package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/client"
)

// demoLabel marks everything that --demo adds.
const demoLabel = "demo"

// addDemo fills an installation that has no demonstration data yet, through
// the same API as everybody else: a few templates, and jobs that show a good
// end, a bad one, a retry, a hold and a start time.
func (a *App) addDemo(ctx context.Context) error {
	if !a.o.Config.Demo {
		return nil
	}
	c, err := client.New(client.Options{URL: a.localURL(), Token: a.local, HTTPClient: a.localClient(), UserAgent: "runsheet-demo"})
	if err != nil {
		return err
	}
	labels := map[string]string{demoLabel: "true"}
	for _, err := range c.Templates(ctx, client.TemplateFilter{Labels: labels}) {
		if err != nil {
			return fmt.Errorf("look for demo data: %w", err)
		}
		return nil // it is there
	}
	delay, later := "PT2S", a.o.Clock.Now().Add(24*time.Hour).UTC()
	templates := []client.JobTemplateInput{
		{Name: "demo-hello", Description: "Says hello.", Params: argv("echo", "hello from Runsheet")},
		{Name: "demo-system", Description: "Shows what system this is.", Params: argv("uname", "-a")},
		{Name: "demo-nap", Description: "Sleeps, so that there is something to watch.", Params: argv("sleep", "5")},
		{
			Name: "demo-broken", Description: "Fails, and fails again when it is retried.", Params: argv("false"),
			RetryPolicy: &client.RetryPolicyInput{MaxAttempts: 2, Backoff: "fixed", Initial: &delay},
		},
	}
	for _, t := range templates {
		t.JobType, t.Labels = "command", labels
		if _, err := c.CreateTemplate(ctx, t, client.Call{}); err != nil {
			return fmt.Errorf("add demo template %s: %w", t.Name, err)
		}
	}
	jobs := []client.JobInput{
		{TemplateID: "demo-hello"},
		{TemplateID: "demo-broken"},
		{TemplateID: "demo-nap"},
		{TemplateID: "demo-system"},
		{TemplateID: "demo-hello", Name: "demo-held", Hold: true},
		{TemplateID: "demo-hello", Name: "demo-tomorrow", RunAt: &later},
	}
	for _, j := range jobs {
		if _, err := c.AddJob(ctx, j, client.Call{}); err != nil {
			return fmt.Errorf("add demo job: %w", err)
		}
	}
	a.log.Info("demo data added", "templates", len(templates), "jobs", len(jobs))
	return nil
}

func argv(words ...string) json.RawMessage {
	b, err := json.Marshal(map[string][]string{"argv": words})
	if err != nil {
		panic("app: argv: " + err.Error()) // strings always encode
	}
	return b
}
