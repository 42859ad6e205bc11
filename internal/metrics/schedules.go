package metrics

import (
	"context"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/store"
)

// countedSchedules counts what becomes of nominals.
type countedSchedules struct {
	store.Schedules
	m *Metrics
}

func (c countedSchedules) Claim(ctx context.Context, p store.ClaimSchedules) (store.DueSchedules, error) {
	out, err := c.Schedules.Claim(ctx, p)
	c.m.scheduleClaims.Add(float64(len(out.Items)))
	return out, err
}

func (c countedSchedules) Decide(ctx context.Context, items []store.Decided) ([]error, error) {
	start := c.m.clock.Now()
	errs, err := c.Schedules.Decide(ctx, items)
	took := c.m.clock.Now().Sub(start)
	for i, item := range items {
		if err != nil || errs[i] != nil {
			continue
		}
		for _, d := range item.Outcome.Decisions {
			switch {
			case !d.Fire:
				c.m.scheduleSkips.WithLabelValues(string(d.Reason)).Add(float64(d.Count))
				continue
			case d.Source == agenda.SourceSchedule || d.Source == agenda.SourceEvent || d.Source == agenda.SourceCatchUp:
				c.m.scheduleLag.Observe((item.Now.Sub(d.Due) + took).Seconds())
			}
			c.m.scheduleFires.WithLabelValues(string(d.Source)).Inc()
		}
	}
	return errs, err
}
