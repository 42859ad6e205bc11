package app

import (
	"context"
	"fmt"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/courier"
	"github.com/runsheet/runsheet/internal/outbound"
)

// makeWebhooks makes what reaches the receivers of webhooks.
func (a *App) makeWebhooks(context.Context) (err error) {
	a.hooks, err = outbound.New(outbound.Options{
		Allow: a.o.Config.OutboundAllow, UserAgent: "runsheet/" + a.o.Version,
		// The status is the answer; of the body a little is read, whatever its size.
		MaxResponse: 1 << 62,
	})
	return err
}

// checkTarget refuses URLs to which webhooks must not be sent.
func (a *App) checkTarget(raw string) error {
	_, err := a.hooks.CheckSecure(raw)
	return err
}

// startCourier sends events to webhooks until the server stops.
func (a *App) startCourier(ctx context.Context) error {
	c := courier.New(courier.Options{
		Outbox: a.store.Outbox, Webhooks: a.store.Webhooks, Watch: a.store.Events.Watch, Render: wire.MessageOf, Client: a.hooks,
		Clock: a.o.Clock, Logger: a.log, Meter: a.metrics,
	})
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := c.Run(run)
		done <- err
		if err != nil {
			a.fail(fmt.Errorf("courier: %w", err))
		}
	}()
	a.onStop("courier", func() error {
		stop()
		return <-done
	})
	return nil
}

// expireDeliveries deletes what ended as long ago as events that are deleted.
func (a *App) expireDeliveries(ctx context.Context) error {
	days := a.o.Config.RetentionEventsDays
	if days == 0 {
		return nil
	}
	before, total := a.o.Clock.Now().AddDate(0, 0, -days), 0
	for {
		n, err := a.store.Outbox.Expire(ctx, before, 10*expireBatch)
		if total += n; err != nil || n == 0 {
			if total > 0 {
				a.log.Info("deleted old webhook deliveries", "count", total, "before", before)
			}
			return err
		}
		if err := clock.Sleep(ctx, a.o.Clock, batchPause); err != nil {
			return err
		}
	}
}
