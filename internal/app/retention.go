package app

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/tally"
)

// Bounds of retention. A batch holds up other writers for some milliseconds.
const (
	expireBatch = 100
	batchPause  = 50 * time.Millisecond
	// newestEvents stay however old they are.
	newestEvents = 1000
	// removalTime bounds the removal of one content, removalsTime that of a batch,
	// and unendedAfter is when others take over one that did not end: much later.
	removalTime  = 2 * time.Minute
	removalsTime = 5 * time.Minute
	unendedAfter = 15 * time.Minute
	// orphanAge is how old content and logs are that nothing names before they are
	// swept, and sweepEvery is how often that is done.
	orphanAge  = 24 * time.Hour
	sweepEvery = 23 * time.Hour
	// compactSteps bounds how much one pass gives back to the file system.
	compactSteps = 64
)

// retain deletes what is older than the settings say. One instance does it at a
// time; that two do it costs nothing but work.
func (a *App) retain(ctx context.Context) {
	mine, err := a.store.Retention.Turn(ctx, "retention", a.hostID(), time.Time{}, housekeepEvery-time.Minute)
	if err != nil || !mine {
		a.complain(ctx, "take the turn of retention", err)
		return
	}
	a.complain(ctx, "delete old jobs", a.expireJobs(ctx))
	a.complain(ctx, "delete old history of schedules", a.expireHappenings(ctx))
	a.complain(ctx, "delete old events", a.expireEvents(ctx))
	a.complain(ctx, "delete old webhook deliveries", a.expireDeliveries(ctx))
	a.complain(ctx, "delete old counts of legacy calls", a.expireLegacyCalls(ctx))
	left, err := a.store.Retention.Unended(ctx, a.o.Clock.Now().Add(-unendedAfter), expireBatch)
	if err == nil && a.owned {
		_, err = a.removeBlobs(ctx, left, a.o.Clock.Now())
	} else if err == nil {
		// Nobody removes anything from this place, and artifacts wait for the mark.
		err = a.store.Retention.EndRemoval(ctx, left)
	}
	a.complain(ctx, "end removals of dead servers", err)
	// A holder that is new each day does not get its own turn again too early.
	today := a.o.Clock.Now().UTC().Format(time.DateOnly)
	if sweep, err := a.store.Retention.Turn(ctx, "sweep", a.hostID()+" "+today, time.Time{}, sweepEvery); err != nil {
		a.complain(ctx, "take the turn of sweeping", err)
	} else if sweep && a.sweptOn != today {
		a.sweptOn = today
		a.complain(ctx, "remove unused content", a.sweepBlobs(ctx))
		a.complain(ctx, "remove unused logs", a.sweepLogs(ctx))
	}
	for range compactSteps {
		more, err := a.store.Health.Compact(ctx)
		a.complain(ctx, "shrink the database", err)
		if !more || clock.Sleep(ctx, a.o.Clock, batchPause) != nil {
			break
		}
	}
}

func (a *App) complain(ctx context.Context, doing string, err error) {
	if err != nil && ctx.Err() == nil {
		a.log.Warn("retention cannot "+doing, "error", err) //nolint:sloglint // one of a few constant texts
	}
}

// cutoff is the time before which jobs must have finished to be deleted; zero =
// none are.
func (a *App) cutoff(ctx context.Context) (time.Time, error) {
	var before time.Time
	if days := a.o.Config.RetentionDays; days > 0 {
		before = a.o.Clock.Now().AddDate(0, 0, -days)
	}
	if n := a.o.Config.RetentionRuns; n > 0 {
		oldest, err := a.store.Retention.Cutoff(ctx, n)
		if err != nil {
			return before, err
		}
		if oldest.After(before) {
			before = oldest
		}
	}
	return before, nil
}

func (a *App) expireJobs(ctx context.Context) error {
	before, err := a.cutoff(ctx)
	if err != nil || before.IsZero() {
		return err
	}
	var jobs, runs, blobs int
	var bytes int64
	defer func() {
		if jobs+runs > 0 {
			a.log.Info("deleted old jobs", "jobs", jobs, "runs", runs, "artifact_bytes", bytes, "contents", blobs, "before", before)
		}
	}()
	for {
		x, err := a.store.Retention.ExpireJobs(ctx, before, expireBatch)
		if err != nil {
			return err
		}
		jobs, runs, bytes = jobs+x.Jobs, runs+len(x.RunIDs), bytes+x.Bytes
		// What is not removed from here on, because this server dies, is swept.
		for _, r := range x.RunIDs {
			if err := a.logs.Remove(ctx, r); err != nil {
				return err
			}
		}
		if a.owned && len(x.Sums) > 0 {
			n, err := a.removeUnnamed(ctx, x.Sums, a.o.Clock.Now())
			if blobs += n; err != nil {
				return err
			}
		}
		if x.Jobs == 0 && len(x.RunIDs) == 0 {
			return nil
		}
		if err := clock.Sleep(ctx, a.o.Clock, batchPause); err != nil {
			return err
		}
	}
}

// expireLegacyCalls deletes the days that nobody is shown any more.
func (a *App) expireLegacyCalls(ctx context.Context) error {
	for {
		n, err := a.store.LegacyCalls.Expire(ctx, tally.Since(a.o.Clock.Now()))
		if err != nil || n == 0 {
			return err
		}
		if err := clock.Sleep(ctx, a.o.Clock, batchPause); err != nil {
			return err
		}
	}
}

func (a *App) expireEvents(ctx context.Context) error {
	days := a.o.Config.RetentionEventsDays
	if days == 0 {
		return nil
	}
	before, total := a.o.Clock.Now().AddDate(0, 0, -days), 0
	for {
		n, err := a.store.Retention.ExpireEvents(ctx, before, newestEvents, 10*expireBatch)
		if total += n; err != nil || n == 0 {
			if total > 0 {
				a.log.Info("deleted old events", "count", total, "before", before)
			}
			return err
		}
		if err := clock.Sleep(ctx, a.o.Clock, batchPause); err != nil {
			return err
		}
	}
}

// removeUnnamed removes those of the contents that nothing names or reserves and
// that were put before the given time. It returns how many went.
func (a *App) removeUnnamed(ctx context.Context, sums []string, before time.Time) (int, error) {
	total := 0
	for len(sums) > 0 {
		n := min(len(sums), expireBatch)
		loose, err := a.store.Retention.BeginRemoval(ctx, sums[:n], a.o.Clock.Now())
		if err != nil {
			return total, err
		}
		gone, err := a.removeBlobs(ctx, loose, before)
		if total += gone; err != nil {
			return total, err
		}
		sums = sums[n:]
	}
	return total, nil
}

// removeBlobs removes contents whose removal has begun, and ends it. One that
// cannot be removed stays marked, and the next pass tries again.
func (a *App) removeBlobs(ctx context.Context, sums []string, before time.Time) (int, error) {
	n := 0
	all, cancelAll := context.WithTimeout(ctx, removalsTime)
	defer cancelAll()
	for i, sum := range sums {
		one, cancel := context.WithTimeout(all, removalTime)
		gone, err := a.blobs.Delete(one, sum, before)
		cancel()
		if err != nil {
			// Those before it are free again; it itself may be half gone.
			_ = a.store.Retention.EndRemoval(ctx, append(sums[:i:i], sums[i+1:]...)) // the next pass ends them
			return n, err
		}
		if gone {
			n++
		}
	}
	return n, a.store.Retention.EndRemoval(ctx, sums)
}

// sweepBlobs removes content that no row names, for example because a server
// died between storing and naming it.
func (a *App) sweepBlobs(ctx context.Context) error {
	if !a.owned {
		return nil
	}
	before, total := a.o.Clock.Now().Add(-orphanAge), 0
	var sums []string
	remove := func() error {
		n, err := a.removeUnnamed(ctx, sums, before)
		total, sums = total+n, sums[:0]
		if err == nil {
			err = clock.Sleep(ctx, a.o.Clock, batchPause)
		}
		return err
	}
	for i, err := range a.blobs.List(ctx) {
		if err != nil {
			return err
		}
		if i.Put.Before(before) {
			sums = append(sums, i.Sum)
		}
		if len(sums) == expireBatch {
			if err := remove(); err != nil {
				return err
			}
		}
	}
	err := remove()
	if total > 0 {
		a.log.Info("removed unused content", "count", total)
	}
	return err
}

// sweepLogs removes the logs of runs that do not exist.
func (a *App) sweepLogs(ctx context.Context) error {
	if !a.owned {
		return nil
	}
	old, err := a.logs.Old(ctx, a.o.Clock.Now().Add(-orphanAge))
	if err != nil {
		return err
	}
	total := 0
	for len(old) > 0 {
		n := min(len(old), 5*expireBatch)
		known, err := a.store.Retention.Known(ctx, old[:n])
		if err != nil {
			return err
		}
		there := map[string]bool{}
		for _, r := range known {
			there[r] = true
		}
		for _, r := range old[:n] {
			if there[r] {
				continue
			}
			if err := a.logs.Remove(ctx, r); err != nil {
				return err
			}
			total++
		}
		old = old[n:]
	}
	if total > 0 {
		a.log.Info("removed unused logs", "count", total)
	}
	return nil
}
