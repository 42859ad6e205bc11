package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/crontab"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
)

func (a *app) importCommand() *cobra.Command {
	return a.noun("import", "Take over what another program schedules", a.importCrontab())
}

// sourceLabel marks what was imported, lineLabel which line it was made of: an
// import finds by it whether the line has changed since.
const sourceLabel, lineLabel = "source", "crontab_line"

// cronFlags are those of import crontab.
type cronFlags struct {
	apply, update, system          bool
	prefix, zone, home             string
	overlap, missed, file, assumed string
}

// imported is a line of a crontab and what became of it.
type imported struct {
	Line int    `json:"line"`
	Name string `json:"name"`
	// Status is new, unchanged, differs (the line has changed since it was imported),
	// taken (the name is that of something else) and unreadable; with --yes also
	// created, updated and failed.
	Status    string     `json:"status"`
	Summary   string     `json:"summary"`
	NextRunAt *time.Time `json:"next_run_at"`
	Timezone  string     `json:"timezone"`
	Command   string     `json:"command"`
	User      string     `json:"user"`
	Warnings  []string   `json:"warnings"`
	Error     *string    `json:"error"`
	// Schedule is what is sent to POST /api/schedules; null for an unreadable line.
	Schedule *client.ScheduleInput `json:"schedule"`

	disabled bool // failed because the server runs no commands
}

func importedView() view[imported] {
	return view[imported]{
		id:      func(i imported) string { return i.Name },
		columns: []string{"NAME", "STATUS", "WHEN", "NEXT", "ZONE", "COMMAND", "REMARKS"}, status: 1, spare: []string{"ZONE", "NEXT"}, note: true,
		row: func(i imported) []string {
			remarks := i.Warnings
			if i.Error != nil {
				remarks = append([]string{*i.Error}, remarks...)
			}
			name := i.Name
			if name == "" {
				name = fmt.Sprintf("line %d", i.Line)
			}
			return []string{name, i.Status, i.Summary, stamp(i.NextRunAt), i.Timezone, i.Command, strings.Join(remarks, "; ")}
		},
	}
}

func (a *app) importCrontab() *cobra.Command {
	var f cronFlags
	c := &cobra.Command{
		Use: "crontab FILE|-", Short: "Make schedules of a crontab, held until you promote them", Args: oneArg,
		Long: `Crontab shows what would be made of a table of cron, and with --yes makes it. Every
schedule is made paused: nothing runs twice while cron still has it. Compare, take the
line out of the crontab, then promote the schedule: runsheet schedule enable NAME

A schedule behaves as in cron: it runs beside a run that is not over (--overlap), and
times that pass while no server runs are not made up (--missed). A second import makes
only what is not there yet, and says of which lines it is.`,
		Example: `  crontab -l | runsheet import crontab -
  crontab -l | runsheet import crontab - --prefix ann- --home /home/ann --yes
  runsheet import crontab /etc/crontab --system --timezone Europe/Berlin --json`,
		RunE: func(c *cobra.Command, args []string) error {
			f.file = args[0]
			b, err := a.read(fileArg(f.file))
			if err != nil {
				return err
			}
			if err := f.settle(a); err != nil {
				return err
			}
			table := crontab.Parse(string(b), crontab.Options{System: f.system, Home: f.home})
			items := f.plan(a, table)
			if f.apply {
				return a.importApply(c, &f, table, items)
			}
			a.importCompare(c, items)
			if err := a.importShow(&f, table, items); err != nil {
				return err
			}
			if a.json == nil && !a.quiet && count(items, "new") > 0 {
				a.talk("this was a dry run: --yes makes what is new, paused until you promote it with: runsheet schedule enable NAME")
			}
			return importEnd(items)
		},
	}
	fs := c.Flags()
	fs.BoolVarP(&f.apply, "yes", "y", false, "make the schedules; without it they are only shown")
	fs.BoolVar(&f.apply, "apply", false, "the same as --yes")
	fs.BoolVar(&f.update, "update", false, "also change schedules whose lines have changed since")
	fs.BoolVar(&f.system, "system", false, "the table has a column for the user, as /etc/crontab; of itself for that file and /etc/cron.d")
	fs.StringVar(&f.prefix, "prefix", "", "`text` before each name")
	fs.StringVar(&f.zone, "timezone", "", "IANA `zone` of the table, unless CRON_TZ in it says otherwise (this machine's)")
	fs.StringVar(&f.home, "home", "", "`folder` in which commands begin, unless HOME in the table says otherwise")
	fs.StringVar(&f.overlap, "overlap", "allow", "`policy` while a run is not over: allow, as cron does, or skip, queue_one and so on")
	fs.StringVar(&f.missed, "missed", "skip", "`which` of the times run that passed while no server ran: skip, as with cron, latest, earliest or all")
	complete(c, "overlap", "allow", "skip", "queue_one", "queue_latest", "queue_all", "cancel_running")
	complete(c, "missed", "skip", "latest", "earliest", "all")
	return c
}

// settle fills in what was not said.
func (f *cronFlags) settle(a *app) error {
	if f.home != "" && !filepath.IsAbs(f.home) {
		return usagef("--home has to be an absolute path")
	}
	if path, err := filepath.Abs(f.file); err == nil && (path == "/etc/crontab" || filepath.Dir(path) == "/etc/cron.d") {
		f.system = true
	}
	if f.zone == "" {
		if f.zone = a.localZone(); f.zone == "" {
			f.zone, f.assumed = "UTC", "the zone of this machine is not known, so times are taken as UTC; --timezone names another"
		} else {
			f.assumed = "times are in " + f.zone + ", the zone of this machine; --timezone names another"
		}
	}
	_, err := schedule.LoadZone(f.zone)
	return err
}

// localZone is the zone that cron would use here; "" = unknown.
func (a *app) localZone() string {
	if tz, ok := a.Env("TZ"); ok {
		tz = strings.TrimPrefix(tz, ":")
		if _, err := schedule.LoadZone(tz); err == nil {
			return tz
		}
	}
	if link, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, name, found := strings.Cut(link, "/zoneinfo/"); found {
			if _, err := schedule.LoadZone(name); err == nil {
				return name
			}
		}
	}
	if b, err := os.ReadFile("/etc/timezone"); err == nil {
		name := strings.TrimSpace(string(b))
		if _, err := schedule.LoadZone(name); err == nil {
			return name
		}
	}
	return ""
}

// plan turns a table into what would be made of it.
func (f *cronFlags) plan(a *app, table crontab.Table) []imported {
	var out []imported
	for _, e := range table.Entries {
		out = append(out, f.one(a, e))
	}
	for _, p := range table.Problems {
		out = append(out, imported{Line: p.Line, Status: "unreadable", Warnings: []string{}, Error: new(p.String())})
	}
	return out
}

// one turns an entry into a schedule.
func (f *cronFlags) one(a *app, e crontab.Entry) imported {
	zone := e.Zone
	if zone == "" {
		zone = f.zone
	}
	in := &client.ScheduleInput{
		Name: f.prefix + e.Name, Description: e.Description, Timezone: zone,
		Trigger: &client.TriggerInput{Type: string(schedule.KindCron), Expression: e.Expression},
		Job:     &client.ScheduleJobInput{JobType: "command", Name: e.Name, Params: params(e), RetryPolicy: &client.RetryPolicyInput{MaxAttempts: 1}},
		Overlap: f.overlap, Missed: f.missed, Enabled: new(false),
		PauseReason: "imported from a crontab: take its line out there, then enable it",
		Labels:      map[string]string{sourceLabel: "crontab"},
	}
	if in.Description == "" {
		in.Description = fmt.Sprintf("line %d of %s", e.Line, f.file)
		if f.file == "-" {
			in.Description = fmt.Sprintf("line %d of a crontab", e.Line)
		}
	}
	if e.Offset > 0 {
		in.Offset = new(wire.Duration(e.Offset).String())
	}
	in.Labels[lineLabel] = fingerprint(in)
	if e.User != "" {
		in.Labels["cron_user"] = e.User
	}
	i := imported{
		Line: e.Line, Name: in.Name, Status: "new", Timezone: zone, Command: e.Command, User: e.User, Warnings: []string{}, Schedule: in,
	}
	for _, r := range e.Remarks {
		i.Warnings = append(i.Warnings, r.Text)
	}
	trigger, err := i.when(a, "")
	if err != nil {
		i.Status, i.Error = "unreadable", new(err.Error())
		return i
	}
	if i.NextRunAt == nil && !trigger.Reboot() {
		in.AllowNever = true
		i.Warnings = append(i.Warnings, crontab.NewRemark(crontab.NeverFires).Text)
	}
	if trigger.Reboot() {
		i.Warnings = append(i.Warnings, crontab.NewRemark(crontab.AtServerStart).Text)
	}
	if i.chosen() {
		i.Summary, i.NextRunAt = e.Expression, nil
	}
	return i
}

// chosen reports whether the schedule's id decides when it fires.
func (i *imported) chosen() bool { return strings.Contains(i.Schedule.Trigger.Expression, "H(") }

// when fills in when the schedule of an id fires.
func (i *imported) when(a *app, id string) (*schedule.Trigger, error) {
	in := wire.TriggerInput{Type: i.Schedule.Trigger.Type, Expression: i.Schedule.Trigger.Expression}
	timing := wire.TimingInput{Trigger: in, Timezone: i.Timezone}
	trigger, err := timing.Compile(shippedCalendars{}, time.UTC, id)
	if err != nil {
		return nil, err
	}
	language := schedule.English
	if a.korean() {
		language = schedule.Korean
	}
	i.Summary = schedule.Describe(trigger.Spec(), language)
	if n, ok := trigger.Next(a.Clock.Now()); ok {
		i.NextRunAt = new(n.At.UTC())
	}
	return trigger, nil
}

// params are those of the command job.
func params(e crontab.Entry) json.RawMessage {
	p := struct {
		Argv  []string          `json:"argv"`
		Env   map[string]string `json:"env,omitempty"`
		Stdin string            `json:"stdin,omitempty"`
	}{Argv: e.Argv(), Stdin: e.Stdin}
	for _, v := range e.Env {
		if p.Env == nil {
			p.Env = map[string]string{}
		}
		p.Env[v.Name] = v.Value
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic("cli: params have no JSON: " + err.Error())
	}
	return b
}

// fingerprint tells whether a line still means the same. What does not change what
// runs and when, such as a comment, is no part of it.
func fingerprint(in *client.ScheduleInput) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{in.Trigger.Expression, in.Timezone, deref(in.Offset), string(in.Job.Params)}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// importCompare asks the server which of the schedules it has. Without a server all
// of them are new.
func (a *app) importCompare(c *cobra.Command, items []imported) {
	cl, err := a.connectWith(c, -1)
	for i := 0; err == nil && i < len(items); i++ {
		if items[i].Status == "new" {
			err = a.compareWith(c.Context(), cl, &items[i])
		}
	}
	if err != nil {
		a.talk("the server was not asked which of them there are: %v", err)
	}
}

// compareWith sets the status by what the server has under the name.
func (a *app) compareWith(ctx context.Context, cl *client.Client, i *imported) error {
	has, err := cl.Schedule(ctx, i.Name)
	var p *client.Problem
	switch {
	case errors.As(err, &p) && p.Status == 404:
		i.Status = "new"
	case err != nil:
		return err
	case has.Labels[lineLabel] == "":
		i.Status = "taken"
		i.Warnings = append(i.Warnings, "a schedule of this name was not imported; choose a --prefix")
	case has.Labels[lineLabel] == i.Schedule.Labels[lineLabel]:
		i.Status = "unchanged"
		if i.chosen() {
			_, err = i.when(a, has.ScheduleID)
			return err
		}
	default:
		i.Status = "differs"
	}
	return nil
}

// importApply makes what is new.
func (a *app) importApply(c *cobra.Command, f *cronFlags, table crontab.Table, items []imported) error {
	cl, err := a.connect(c)
	if err != nil {
		return err
	}
	for n := range items {
		i := &items[n]
		if i.Status != "new" {
			continue
		}
		err := a.compareWith(c.Context(), cl, i)
		var made client.Schedule
		switch {
		case err != nil:
			return err
		case i.Status == "new":
			i.Status = "created"
			made, err = cl.CreateSchedule(c.Context(), *i.Schedule, client.Call{})
		case i.Status == "differs" && f.update:
			i.Status = "updated"
			made, err = cl.EditSchedule(c.Context(), i.Name, patchOf(i.Schedule), client.Call{})
		case i.Status == "differs":
			i.Warnings = append(i.Warnings, "the line has changed since; --update takes it over")
		}
		var p *client.Problem
		switch {
		case errors.As(err, &p) && p.Status < 500 && p.Status != 401 && p.Status != 403:
			i.Status, i.Error, i.disabled = "failed", new(importProblem(p)), p.Code == string(fault.JobTypeDisabled)
		case err != nil:
			return err
		case made.ScheduleID != "" && i.chosen():
			if _, err := i.when(a, made.ScheduleID); err != nil {
				return err
			}
		}
	}
	if err := a.importShow(f, table, items); err != nil {
		return err
	}
	if a.json == nil && !a.quiet {
		if made := count(items, "created"); made > 0 {
			a.talk("%d made, held until you promote them: take the line out of the crontab, then: runsheet schedule enable NAME", made)
		} else {
			a.talk("nothing made; %d updated, %d unchanged", count(items, "updated"), count(items, "unchanged"))
		}
		if slices.ContainsFunc(items, func(i imported) bool { return i.Status == "failed" && i.disabled }) {
			a.talk("hint: commands run through the shell: runsheet serve --allow-command /bin/sh; see docs/command-jobs.md")
		}
	}
	return importEnd(items)
}

func importProblem(p *client.Problem) string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	return strings.Join(append([]string{text}, placesOf(p, text)...), "; ")
}

// patchOf is what a changed line changes; whether it is held is not touched.
func patchOf(in *client.ScheduleInput) map[string]any {
	out := map[string]any{"trigger": in.Trigger, "timezone": in.Timezone, "job": in.Job, "labels": in.Labels, "offset": nil}
	if in.Offset != nil {
		out["offset"] = *in.Offset
	}
	if in.AllowNever {
		out["allow_never"] = true
	}
	return out
}

// importShow prints the items, and what is to be said of the settings.
func (a *app) importShow(f *cronFlags, table crontab.Table, items []imported) error {
	if !a.quiet {
		for _, n := range table.Remarks {
			a.talk("note: %s", n)
		}
		for _, i := range items {
			if f.assumed != "" && i.Timezone == f.zone {
				a.talk("note: %s", f.assumed)
				break
			}
		}
	}
	if a.quiet {
		var named []imported
		for _, i := range items {
			if i.Schedule != nil {
				named = append(named, i)
			}
		}
		items = named
	}
	return printList(a, importedView(), items)
}

func count(items []imported, status string) (n int) {
	for _, i := range items {
		if i.Status == status {
			n++
		}
	}
	return n
}

// importEnd is the error of an import that left something out.
func importEnd(items []imported) error {
	bad := count(items, "unreadable") + count(items, "failed")
	if bad == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d could not be taken over", bad, len(items))
}
