package portable

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

// This file reads what became of nominals.

// madeBy restricts jobs, or runs of jobs, to those that a schedule made.
func (w *where) madeBy(scheduleID string) {
	if scheduleID != "" {
		w.add("job_id IN (SELECT r.job_id FROM schedule_runs r WHERE r.schedule_id = %s)", scheduleID)
	}
}

// targets restricts schedules to those that start one of the templates. The text of
// a target begins with its template, so that nothing else of the body is found.
func (w *where) targets(templates []string) {
	var conds []string
	for _, t := range templates {
		w.args = append(w.args, `"target":{"template_id":`+encode(t))
		conds = append(conds, fmt.Sprintf("replace(body, $%d, '') <> body", len(w.args)))
	}
	if len(conds) > 0 {
		w.conds = append(w.conds, "("+strings.Join(conds, " OR ")+")")
	}
}

// nominals is what both kinds of entries are restricted by.
func nominals(p store.ListHistory, table, id string) where {
	var w where
	w.add(table+"schedule_id = %s", id)
	if !p.From.IsZero() {
		w.add(table+"nominal_ms >= %s", clock.Millis(p.From))
	}
	if !p.Before.IsZero() {
		w.add(table+"nominal_ms < %s", clock.Millis(p.Before))
	}
	in(&w, table+"reason", p.Reasons)
	return w
}

func (s schedules) History(ctx context.Context, p store.ListHistory) (store.HistoryPage, error) {
	var page store.HistoryPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		page = store.HistoryPage{}
		d, err := scheduleBy(ctx, tx, p.Tenant, p.ID)
		if err != nil {
			return err
		}
		if p.Kind != store.HistorySkip {
			if page.Entries, err = runEntries(ctx, tx, p, d.Schedule.ID); err != nil {
				return err
			}
		}
		if p.Kind != store.HistoryRun && len(p.Sources) == 0 {
			skips, err := skipEntries(ctx, tx, p, d.Schedule.ID)
			if err != nil {
				return err
			}
			page.Entries = append(page.Entries, skips...)
		}
		// Runs are in front already, and both parts in order.
		slices.SortStableFunc(page.Entries, func(a, b store.HistoryEntry) int { return b.Run.Nominal.Compare(a.Run.Nominal) })
		return nil
	})
	if len(page.Entries) > p.Limit {
		page.Entries, page.More = page.Entries[:p.Limit], true
	}
	return page, err
}

func runEntries(ctx context.Context, tx Tx, p store.ListHistory, id string) ([]store.HistoryEntry, error) {
	w := nominals(p, "r.", id)
	in(&w, "r.source", p.Sources)
	if m := p.After; m != nil {
		at := clock.Millis(m.Nominal)
		if m.Kind == store.HistoryRun {
			w.add("(r.nominal_ms < %s OR r.nominal_ms = %s AND r.again < %s)", at, at, m.Again)
		} else {
			w.add("r.nominal_ms < %s", at)
		}
	}
	rows, err := tx.Query(ctx, fmt.Sprintf(`%s%s ORDER BY r.nominal_ms DESC, r.again DESC LIMIT %d`, runQuery, w.String(), p.Limit+1), w.args...)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return collect(rows, func(r Rows) (store.HistoryEntry, error) {
		_, e, err := scanRunEntry(r.Scan)
		return e, err
	})
}

func skipEntries(ctx context.Context, tx Tx, p store.ListHistory, id string) ([]store.HistoryEntry, error) {
	w := nominals(p, "", id)
	if m := p.After; m != nil {
		at := clock.Millis(m.Nominal)
		if m.Kind == store.HistoryRun {
			w.add("nominal_ms <= %s", at)
		} else {
			w.add("(nominal_ms < %s OR nominal_ms = %s AND reason > %s)", at, at, string(m.Reason))
		}
	}
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT nominal_ms, reason, last_ms, nominals, decided_ms, version FROM schedule_skips%s
		ORDER BY nominal_ms DESC, reason LIMIT %d`, w.String(), p.Limit+1), w.args...)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return collect(rows, func(r Rows) (store.HistoryEntry, error) {
		var e store.HistoryEntry
		var nominal, last, decided int64
		err := r.Scan(&nominal, &e.Reason, &last, &e.Count, &decided, &e.Version)
		e.Run.Nominal, e.Last, e.Run.DecidedAt = clock.FromMillis(nominal), clock.FromMillis(last), clock.FromMillis(decided)
		return e, err
	})
}

type fires struct{ *db }

func (f fires) Of(ctx context.Context, tenant string, jobIDs ...string) (map[string]store.Fire, error) {
	out := map[string]store.Fire{}
	if len(jobIDs) == 0 {
		return out, nil
	}
	var w where
	w.add("s.tenant = %s", tenant)
	in(&w, "r.job_id", jobIDs)
	query := strings.Replace(runQuery, "SELECT ", "SELECT coalesce(v.body, ''), ", 1) + ` JOIN schedules s ON s.schedule_id = r.schedule_id
		LEFT JOIN schedule_versions v ON v.schedule_id = r.schedule_id AND v.version = r.version` + w.String()
	err := f.Read(ctx, func(ctx context.Context, tx Tx) error {
		clear(out)
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("read what schedules made: %w", err)
		}
		_, err = collect(rows, func(r Rows) (struct{}, error) {
			var x store.Fire
			var body string
			var def agenda.Definition
			id, e, err := scanRunEntry(func(to ...any) error { return r.Scan(append([]any{&body}, to...)...) })
			if err != nil {
				return struct{}{}, err
			}
			if body != "" {
				if err := readBody(body, &def); err != nil {
					return struct{}{}, err
				}
			}
			x.ScheduleID, x.Zone, x.HistoryEntry = id, def.Zone, e
			out[e.Run.JobID] = x
			return struct{}{}, nil
		})
		return err
	})
	return out, err
}
