package claim_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
)

var update = flag.Bool("update", false, "write the results of the examples anew")

// TestExamples plays the examples of docs/explanation/order.md and of testdata:
// each block between "```text" and "```" says what runs and what waits, and
// behind "=>" what Decide starts and why each other job waits then.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, file := range append(files, "../../docs/explanation/order.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "```")
		for i := 1; i < len(parts); i += 2 {
			given, want, ok := strings.Cut(parts[i], "=>\n")
			if !ok {
				continue
			}
			w, err := parse(strings.TrimPrefix(given, "text\n"))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			got := w.play()
			if diff := cmp.Diff(want, got); diff != "" && !*update {
				t.Errorf("%s:\n%s%s", file, given, diff)
			}
			parts[i] = given + "=>\n" + got
		}
		if *update {
			if err := os.WriteFile(file, []byte(strings.Join(parts, "```")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// play decides once, and says what starts and why the others wait afterwards.
func (w *world) play() string {
	var out strings.Builder
	d := claim.Decide(w.snapshot())
	for _, g := range d.Direct {
		fmt.Fprintf(&out, "%-9s starts", g.RunID)
		if g.Group != "" {
			fmt.Fprintf(&out, " in the slot of %s", g.Group)
		}
		out.WriteByte('\n')
	}
	for _, c := range d.Claims {
		fmt.Fprintf(&out, "%-9s starts\n", c.JobID)
	}
	w.carryOut(d)
	for _, j := range w.waiting() {
		x := w.explain(j)
		fmt.Fprintf(&out, "%-9s %s: %s", j.ID, x.Code, x.Detail)
		if !x.Until.IsZero() {
			fmt.Fprintf(&out, " (until %s)", x.Until.Format("15:04"))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// parse reads the given half of an example.
func parse(text string) (*world, error) {
	w := newWorld()
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if err := w.line(f[0], f[1:]); err != nil {
			return nil, fmt.Errorf("%q: %w", strings.TrimSpace(line), err)
		}
	}
	return w, nil
}

func (w *world) line(word string, args []string) error {
	switch word {
	case "slots":
		return number(args[0], &w.workers)
	case "paused":
		w.paused = true
	case "loaded":
		w.loaded = list(args[0])
	case "capacity":
		var n int
		err := number(args[1], &n)
		w.capacity[args[0]] = n
		return err
	case "rule":
		return w.rule(args)
	case "budget": // of whom, spent, of
		b := job.Budget{Tenant: "default"}
		if args[0] != "tenant" {
			b.TemplateID = args[0]
		}
		var err error
		if b.Spent, err = strconv.ParseInt(args[1], 10, 64); err == nil {
			b.Tokens, err = strconv.ParseInt(args[2], 10, 64)
		}
		w.budgets = append(w.budgets, b)
		return err
	case "outside":
		h := job.Holder{Outside: args[0], Lock: args[1], Tenant: "default"}
		w.outside = append(w.outside, h)
		return options(args[2:], map[string]func(string) error{
			"until":  func(s string) error { return clockTime(s, &w.outside[len(w.outside)-1].ExpiresAt) },
			"tenant": func(s string) error { w.outside[len(w.outside)-1].Tenant = s; return nil },
		})
	case "direct", "serves":
		d := job.Direct{RunID: args[0], Tenant: "default", Instance: "self"}
		group := ""
		err := options(args[1:], map[string]func(string) error{
			"needs":  func(s string) error { d.Locks = list(s); return nil },
			"tenant": func(s string) error { d.Tenant = s; return nil },
			"at":     func(s string) error { d.Instance = s; return nil },
			"in":     func(s string) error { group = s; return nil },
		})
		if word == "serves" {
			w.lanes = append(w.lanes, lane{d, group})
		} else {
			w.direct = append(w.direct, d)
		}
		return err
	case "overtaken":
		o := job.Overtaken{JobID: args[0], Since: w.now.Add(-time.Minute), Rank: w.job(args[0]).Rank}
		w.overtaken = append(w.overtaken, o)
		to := &w.overtaken[len(w.overtaken)-1]
		return options(args[1:], map[string]func(string) error{
			"times": func(s string) error { return number(s, &to.Starts) },
			"model": func(s string) error { return number(s, &to.Affinity) },
			"since": func(s string) error { return clockTime(s, &to.Since) },
		})
	case "group":
		g := &job.Group{ID: args[0], Tenant: "default", Mode: job.GroupMode(args[1]), MaxParallel: 8, OnFailure: job.FailureStop, State: job.GroupPending}
		g.Rank = rank.Natural(12, int64(len(w.jobs)+len(w.groups)+1))
		w.groups = append(w.groups, g)
		return options(args[2:], map[string]func(string) error{"most": func(s string) error { return number(s, &g.MaxParallel) }})
	case "running", "waiting":
		return w.add(word, args)
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// add adds a job. A group begins with its first running member.
func (w *world) add(word string, args []string) error {
	j := &job.Job{ID: args[0], Tenant: "default", Type: "command", State: job.Queued, Priority: job.PriorityNormal}
	if word == "running" {
		j.State = job.Running
	}
	err := options(args[1:], map[string]func(string) error{
		"needs":    func(s string) error { j.Locks = list(s); return nil },
		"type":     func(s string) error { j.Type = s; return nil },
		"tenant":   func(s string) error { j.Tenant = s; return nil },
		"template": func(s string) error { j.TemplateID = s; return nil },
		"most":     func(s string) error { return number(s, &j.Limits.MaxRunning) },
		"key":      func(s string) error { j.Limits.Key = s; return nil },
		"per-key":  func(s string) error { return number(s, &j.Limits.MaxPerKey) },
		"in":       func(s string) error { j.GroupID = s; return nil },
		"held":     func(s string) error { j.HeldReason = s; return nil },
		"after":    func(s string) error { return clockTime(s, &j.NotBefore) },
		"failed": func(s string) error {
			j.Attempt, j.Failures, j.Failure.Code = 1, 1, "timeout"
			return clockTime(s, &j.NotBefore)
		},
		"priority": func(s string) error { return number(s, &j.Priority) },
		"trigger":  func(s string) error { j.Trigger = job.Trigger(s); return nil },
		"lost":     func(string) error { w.lost[j.ID] = true; return nil },
		"before":   func(s string) error { j.Rank = rank.Before("", w.job(s).Rank); return nil },
	})
	if j.Rank == "" {
		j.Rank = rank.Natural(j.Zone(), int64(len(w.jobs)+len(w.groups)+1))
	}
	if g := w.group(j.GroupID); g != nil {
		j.Rank = rank.Member(g.Rank, g.NextMember)
		g.NextMember++
		g.Total++
		if j.State == job.Running {
			g.State = job.GroupRunning
		}
		j.GroupActive = g.State == job.GroupRunning
	}
	w.jobs = append(w.jobs, j)
	return err
}

func (w *world) rule(args []string) error {
	r := &w.rules
	var n int
	if len(args) > 1 {
		n, _ = strconv.Atoi(args[len(args)-1])
	}
	limit := func(m *map[string]int) {
		if *m == nil {
			*m = map[string]int{}
		}
		(*m)[args[1]] = n
	}
	switch args[0] {
	case "strict_order":
		r.StrictOrder = true
	case "max_overtakes":
		r.MaxOvertakes = n
	case "model_affinity":
		r.ModelAffinity = n
	case "max_global":
		r.MaxGlobal = &n
	case "max_per_job":
		limit(&r.MaxPerJob)
	case "max_per_template":
		limit(&r.MaxPerTemplate)
	case "max_per_tenant":
		limit(&r.MaxPerTenant)
	case "direct_group_policy":
		r.DirectGroupPolicy = job.DirectGroupPolicy(args[1])
	default:
		return fmt.Errorf("unknown rule %q", args[0])
	}
	return nil
}

// options reads pairs of a word and its value.
func options(args []string, known map[string]func(string) error) error {
	for i := 0; i+1 < len(args); i += 2 {
		set, ok := known[args[i]]
		if !ok {
			return fmt.Errorf("unknown word %q", args[i])
		}
		if err := set(strings.ReplaceAll(args[i+1], "_", " ")); err != nil {
			return err
		}
	}
	if len(args)%2 != 0 {
		return fmt.Errorf("%q has no value", args[len(args)-1])
	}
	return nil
}

func number(s string, to *int) (err error) {
	*to, err = strconv.Atoi(s)
	return err
}

// clockTime reads a time of the day.
func clockTime(s string, to *time.Time) error {
	at, err := time.Parse("15:04", s)
	*to = noon.Truncate(24 * time.Hour).Add(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute)
	return err
}
