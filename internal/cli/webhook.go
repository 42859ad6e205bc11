package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock"
)

func (a *app) webhookCommand() *cobra.Command {
	return a.noun("webhook", "Send events to other programs", a.webhookAdd(), a.webhookList(), a.webhookGet(), a.webhookEdit(), a.webhookRemove(),
		a.webhookRotate(), a.webhookTest(), a.webhookDeliveries(), a.webhookDelivery(), a.webhookRedeliver())
}

func webhookStatus(w client.Webhook) string {
	switch {
	case !w.Enabled:
		return "disabled"
	case w.Health.Failures > 0:
		return "failing"
	}
	return "enabled"
}

func (a *app) webhookView() view[client.Webhook] {
	return view[client.Webhook]{
		id:      func(w client.Webhook) string { return w.WebhookID },
		columns: []string{"WEBHOOK", "NAME", "STATUS", "EVENTS", "DELIVERED", "URL"}, status: 2, spare: []string{"DELIVERED"}, note: true,
		row: func(w client.Webhook) []string {
			return []string{w.WebhookID, w.Name, webhookStatus(w), strings.Join(w.Events, " "), a.agoPtr(w.Health.LastDeliveredAt), w.URL}
		},
		detail: func(w client.Webhook) []pair {
			failing := ""
			if w.Health.Failures > 0 {
				failing = strconv.Itoa(w.Health.Failures) + " in a row since " + stamp(w.Health.FailingSince)
			}
			return []pair{
				{"webhook", w.WebhookID},
				{"name", w.Name},
				{"description", w.Description},
				{"status", webhookStatus(w)},
				{"disabled", deref(w.DisabledReason)},
				{"url", w.URL},
				{"events", strings.Join(w.Events, " ")},
				{"job types", strings.Join(w.JobTypes, " ")},
				{"templates", strings.Join(w.TemplateIDs, " ")},
				{"labels", labelText(w.Labels)},
				{"attempts", strconv.Itoa(w.MaxAttempts)},
				{"failures", failing},
				{"delivered", stamp(w.Health.LastDeliveredAt)},
				{"failed", stamp(w.Health.LastFailedAt)},
				{"secret", "since " + stamp(w.SecretRotatedAt)},
				{"old secret", stamp(w.PreviousSecretUntil)},
				{"created", stamp(&w.CreatedAt) + " by " + w.CreatedBy},
				{"updated", stamp(&w.UpdatedAt)},
			}
		},
	}
}

func (a *app) deliveryView() view[client.WebhookDelivery] {
	return view[client.WebhookDelivery]{
		id:      func(d client.WebhookDelivery) string { return d.DeliveryID },
		columns: []string{"DELIVERY", "STATUS", "EVENT", "TRIES", "ANSWER", "AGE", "ERROR"}, status: 1, spare: []string{"TRIES"}, note: true,
		row: func(d client.WebhookDelivery) []string {
			return []string{d.DeliveryID, d.Status, d.Event, strconv.Itoa(d.Attempts), answerText(d.LastStatus), a.ago(d.CreatedAt), errorText(d.Error)}
		},
		detail: func(d client.WebhookDelivery) []pair {
			out := []pair{
				{"delivery", d.DeliveryID},
				{"status", d.Status},
				{"event", d.Event},
				{"webhook", deref(d.WebhookID)},
				{"url", deref(d.URL)},
				{"job", deref(d.JobID)},
				{"run", deref(d.RunID)},
				{"created", stamp(&d.CreatedAt)},
				{"finished", stamp(d.FinishedAt)},
				{"attempts", strconv.Itoa(d.Attempts) + " of " + strconv.Itoa(d.MaxAttempts)},
				{"next", stamp(d.NextAttemptAt)},
				{"error", errorText(d.Error)},
			}
			for _, t := range d.Log {
				out = append(out, pair{"attempt", strings.TrimSpace(fmt.Sprintf("%s %4d ms %s %s", stamp(&t.At), t.DurationMs, answerText(t.Status), errorText(t.Error)))})
			}
			return append(out, pair{"body", plain(d.Body)})
		},
	}
}

func answerText(status *int) string {
	if status == nil {
		return ""
	}
	return strconv.Itoa(*status)
}

func errorText(e *client.Error) string {
	if e == nil {
		return ""
	}
	return e.Code + ": " + e.Message
}

// webhookFlags are those of add and edit.
type webhookFlags struct {
	url, description         string
	events, types, templates []string
	labels                   []string
	attempts                 int
}

func (w *webhookFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&w.events, "event", nil, "`events` to send: types such as job.run.failed, or succeeded, failed, skipped, queued, started, cancelled; * is all")
	f.StringVar(&w.description, "description", "", "a `sentence` for people")
	f.StringSliceVar(&w.types, "job-type", nil, "only about jobs of these `types`")
	f.StringSliceVar(&w.templates, "template", nil, "only about jobs of these `templates`, by id or name")
	f.StringArrayVar(&w.labels, "label", nil, "only about jobs with this label `key=value`; repeatable")
	f.IntVar(&w.attempts, "attempts", 0, "`attempts` of one delivery, 1 to 16")
	complete(c, "event", "succeeded", "failed", "skipped", "queued", "started", "cancelled", "*")
}

// changes are the fields that the flags name, as the API calls them.
func (w *webhookFlags) changes(ctx context.Context, cl *client.Client, c *cobra.Command) (map[string]any, error) {
	out := map[string]any{}
	put := func(flag, field string, value any) {
		if c.Flags().Changed(flag) {
			out[field] = value
		}
	}
	put("event", "events", w.events)
	put("description", "description", w.description)
	put("job-type", "job_types", w.types)
	put("attempts", "max_attempts", w.attempts)
	put("to", "url", w.url)
	if c.Flags().Changed("template") {
		ids := []string{}
		for _, ref := range w.templates {
			t, err := cl.Template(ctx, ref)
			if err != nil {
				return nil, err
			}
			ids = append(ids, t.TemplateID)
		}
		out["template_ids"] = ids
	}
	labels, err := assignments(w.labels, "label")
	if labels != nil {
		out["labels"] = labels
	}
	return out, err
}

func (a *app) webhookAdd() *cobra.Command {
	var (
		w    webhookFlags
		name string
	)
	c := &cobra.Command{
		Use: "add URL --event EVENT", Aliases: []string{"create"}, Short: "Make a webhook; its secret is shown this once", Args: oneArg,
		Long: `Add makes a webhook and prints the secret that signs its messages on stdout. It is
shown this once; a new one comes from "webhook rotate".`,
		Example: `  runsheet webhook add https://example.com/hooks --event failed --name pager > pager.secret
  runsheet webhook add https://example.com/all --event '*' --label team=red`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(w.events) == 0 {
				return usagef("a webhook needs --event: such as failed, job.queued, or '*' for all")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			said, err := w.changes(c.Context(), cl, c)
			if err != nil {
				return err
			}
			in := client.WebhookInput{URL: args[0], Name: name, Description: w.description, Events: w.events, JobTypes: w.types}
			in.TemplateIDs, _ = said["template_ids"].([]string)
			in.Labels, _ = said["labels"].(map[string]string)
			if c.Flags().Changed("attempts") {
				in.MaxAttempts = &w.attempts
			}
			made, err := cl.CreateWebhook(c.Context(), in)
			if err != nil {
				return err
			}
			return a.showSecret(made, "made %s (%s); keep its secret, it is not shown again")
		},
	}
	w.add(c)
	c.Flags().StringVar(&name, "name", "", "`name`; made from the URL's host if absent")
	return c
}

// showSecret prints the secret of a webhook that has just got one.
func (a *app) showSecret(w client.Webhook, talk string) error {
	if a.json != nil {
		return printOne(a, a.webhookView(), w)
	}
	if !a.quiet {
		a.talk(talk, w.WebhookID, w.Name)
	}
	_, err := fmt.Fprintln(a.out, deref(w.Secret))
	return err
}

func (a *app) webhookList() *cobra.Command {
	var (
		f     client.WebhookFilter
		limit int
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List webhooks", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			return show(c.Context(), a, a.webhookView(), false, limit, func(ctx context.Context) ([]client.Webhook, error) {
				return client.Collect(cl.Webhooks(ctx, f), limit)
			})
		},
	}
	c.Flags().StringVar(&f.Query, "search", "", "only webhooks whose name contains this `text`")
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) webhookGet() *cobra.Command {
	return &cobra.Command{
		Use: "get WEBHOOK", Aliases: []string{"show"}, Short: "Show a webhook, without its secret", Args: oneArg, ValidArgsFunction: a.completeWebhooks(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			w, err := cl.Webhook(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.webhookView(), w)
		},
	}
}

func (a *app) webhookEdit() *cobra.Command {
	var (
		w               webhookFlags
		rename          string
		enable, disable bool
		unset           []string
		at              int
	)
	c := &cobra.Command{
		Use: "edit WEBHOOK [flags]", Aliases: []string{"set"}, Short: "Change a webhook", Args: oneArg, ValidArgsFunction: a.completeWebhooks(),
		Long: "Edit changes what its flags name and keeps the rest. --enable brings back one that the server has disabled.",
		Example: `  runsheet webhook edit pager --event failed,skipped
  runsheet webhook edit pager --enable`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			fields, err := w.changes(c.Context(), cl, c)
			if err != nil {
				return err
			}
			if rename != "" {
				fields["name"] = rename
			}
			if enable || disable {
				fields["enabled"] = enable
			}
			for _, field := range unset {
				fields[field] = nil
			}
			if len(fields) == 0 {
				return usagef("nothing to change was given")
			}
			call := client.Call{}
			if at > 0 {
				call.IfMatch = strconv.Quote(strconv.Itoa(at))
			}
			changed, err := cl.EditWebhook(c.Context(), args[0], fields, call)
			if err != nil {
				return err
			}
			return printOne(a, a.webhookView(), changed)
		},
	}
	w.add(c)
	f := c.Flags()
	f.StringVar(&w.url, "to", "", "new `URL`")
	f.StringVar(&rename, "rename", "", "new `name`")
	f.BoolVar(&enable, "enable", false, "send events to it (again)")
	f.BoolVar(&disable, "disable", false, "send it no more events")
	f.StringSliceVar(&unset, "unset", nil, "`fields` to set back, such as labels")
	f.IntVar(&at, "if-version", 0, "only if the webhook still has this `version`")
	c.MarkFlagsMutuallyExclusive("enable", "disable")
	return c
}

func (a *app) webhookRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "rm WEBHOOK", Aliases: []string{"delete"}, Short: "Delete a webhook; what was not delivered is given up", Args: oneArg,
		ValidArgsFunction: a.completeWebhooks(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "delete the webhook "+args[0]+"?"); err != nil {
				return err
			}
			if err := cl.DeleteWebhook(c.Context(), args[0], client.Call{}); err != nil {
				return err
			}
			a.talk("deleted %s", args[0])
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) webhookRotate() *cobra.Command {
	var (
		overlap   string
		jobs, yes bool
	)
	c := &cobra.Command{
		Use: "rotate WEBHOOK | --jobs", Short: "Give a webhook a new secret, shown this once", ValidArgsFunction: a.completeWebhooks(),
		Long: `Rotate prints a new secret on stdout. For the overlap messages carry signatures by
both, so that the receiver can change over without losing one. --jobs rotates the
one secret that signs the webhooks of all jobs and templates.`,
		Example: `  runsheet webhook rotate pager > pager.secret
  runsheet webhook rotate --jobs --overlap 48h`,
		RunE: func(c *cobra.Command, args []string) error {
			if jobs == (len(args) == 1) || len(args) > 1 {
				return usagef("name one webhook, or give --jobs")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if strings.Trim(overlap, "0smhPTS") == "" && overlap != "" {
				if err := a.confirm(yes, "end the old secret at once?"); err != nil {
					return err
				}
			}
			in := client.RotateInput{Overlap: text(overlap)}
			if !jobs {
				w, err := cl.RotateWebhook(c.Context(), args[0], in)
				if err != nil {
					return err
				}
				return a.showSecret(w, "rotated %s (%s); keep the secret, it is not shown again")
			}
			s, err := cl.RotateWebhookSecret(c.Context(), in)
			if err != nil {
				return err
			}
			if a.json != nil {
				return printOne(a, view[client.WebhookSecret]{id: func(client.WebhookSecret) string { return "" }}, s)
			}
			_, err = fmt.Fprintln(a.out, deref(s.Secret))
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&overlap, "overlap", "", "how `long` the old secret goes on signing too; 24h if absent, 168h at most, 0s to end it at once")
	f.BoolVar(&jobs, "jobs", false, "the secret of the webhooks of jobs and templates")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// testWait is how long a test's outcome is waited for, testEvery how often it is
// looked at.
const (
	testWait  = 30 * time.Second
	testEvery = 200 * time.Millisecond
)

func (a *app) webhookTest() *cobra.Command {
	return &cobra.Command{
		Use: "test WEBHOOK", Short: "Send a test message and show what became of it", Args: oneArg, ValidArgsFunction: a.completeWebhooks(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			d, err := cl.TestWebhook(c.Context(), args[0], client.Call{})
			if err != nil {
				return err
			}
			return a.settle(c.Context(), cl, d)
		},
	}
}

// settle waits for a message that is on its way, shows it, and fails when it was
// not delivered.
func (a *app) settle(ctx context.Context, cl *client.Client, d client.WebhookDelivery) error {
	until := a.Clock.Now().Add(testWait)
	var err error
	for d.Status == "pending" && a.Clock.Now().Before(until) {
		if err := clock.Sleep(ctx, a.Clock, testEvery); err != nil {
			return err
		}
		if d, err = cl.Delivery(ctx, d.DeliveryID); err != nil {
			return err
		}
	}
	if err := printOne(a, a.deliveryView(), d); err != nil {
		return err
	}
	switch d.Status {
	case "delivered":
		return nil
	case "pending":
		return errors.New("it is not sent yet; see: runsheet webhook delivery " + d.DeliveryID)
	}
	return errors.New("it was not delivered: " + errorText(d.Error))
}

func (a *app) webhookDeliveries() *cobra.Command {
	var (
		f     client.DeliveryFilter
		limit int
	)
	c := &cobra.Command{
		Use: "deliveries [WEBHOOK]", Short: "List what was sent, newest first", ValidArgsFunction: a.completeWebhooks(),
		Long: "Deliveries lists the messages to one webhook, or to all, those of jobs and templates included.",
		Example: `  runsheet webhook deliveries pager --status dead
  runsheet webhook deliveries --job job_01jh0000000000000000000000`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && f.JobID != "" {
				return usagef("name one webhook, or give --job")
			}
			if len(args) == 1 {
				f.Webhook = args[0]
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			return show(c.Context(), a, a.deliveryView(), false, limit, func(ctx context.Context) ([]client.WebhookDelivery, error) {
				return client.Collect(cl.Deliveries(ctx, f), limit)
			})
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.Status, "status", nil, "only these `statuses`: pending, delivered, failed, dead")
	fs.StringSliceVar(&f.Event, "event", nil, "only these types of `events`")
	fs.StringVar(&f.JobID, "job", "", "only about this `job`")
	fs.IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	complete(c, "status", "pending", "delivered", "failed", "dead")
	return c
}

func (a *app) webhookDelivery() *cobra.Command {
	return &cobra.Command{
		Use: "delivery DELIVERY", Short: "Show a message, its attempts and its body", Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			d, err := cl.Delivery(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.deliveryView(), d)
		},
	}
}

func (a *app) webhookRedeliver() *cobra.Command {
	var hook, since string
	c := &cobra.Command{
		Use: "redeliver DELIVERY... | --webhook WEBHOOK", Short: "Send messages again, with the same ids and bodies",
		Example: `  runsheet webhook redeliver dlv_01jh0000000000000000000000
  runsheet webhook redeliver --webhook chat --since 24h`,
		Args: func(_ *cobra.Command, args []string) error {
			if (hook == "") == (len(args) == 0) {
				return usagef("name deliveries, or a webhook with --webhook")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if hook != "" {
				return a.redeliverFailed(c.Context(), cl, hook, since)
			}
			for _, ref := range args {
				d, err := cl.Redeliver(c.Context(), ref, client.Call{})
				if err != nil {
					return err
				}
				if a.json == nil {
					a.quiet = true // the id is all that there is to say
				}
				if err := printOne(a, a.deliveryView(), d); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&hook, "webhook", "", "all that this `webhook` did not get and that was given up")
	c.Flags().StringVar(&since, "since", "24h", "with --webhook: made within this `time`, or later than this one")
	return c
}

// redeliverFailed sends again what was given up, as often as there is more.
func (a *app) redeliverFailed(ctx context.Context, cl *client.Client, hook, since string) error {
	from, err := a.since("since", since)
	if err != nil {
		return err
	}
	all := 0
	for {
		done, err := cl.RedeliverFailed(ctx, hook, client.RedeliverInput{Since: from})
		if err != nil {
			return err
		}
		for _, id := range done.Items {
			fmt.Fprintln(a.out, id)
		}
		if all += done.Redelivered; !done.More || done.Redelivered == 0 {
			break
		}
	}
	a.talk("%d messages are on their way again", all)
	return nil
}
