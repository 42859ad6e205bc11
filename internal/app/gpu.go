package app

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/store"
)

// declareGPUs reads which models share a device, and gives the locks of the devices
// their capacities. What a person set by the API meanwhile is replaced: where a lock
// is declared, the configuration says what it is.
func (a *App) declareGPUs(ctx context.Context) (err error) {
	if a.gpus, err = llm.ParseGPUs(a.o.Config.LLMGPUs, a.o.Config.LLMGPUCapacity); err != nil {
		return fmt.Errorf("llm.gpus: %w", err)
	}
	want := a.gpus.Capacities()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		l, err := a.store.Locks.Lock(ctx, name)
		if err != nil {
			return fmt.Errorf("read lock %s: %w", name, err)
		}
		if l.Capacity == want[name] {
			continue
		}
		p := store.SetCapacity{Tenant: access.DefaultTenant, Name: name, Capacity: want[name], At: a.o.Clock.Now()}
		if _, err := a.store.Locks.SetCapacity(ctx, p); err != nil {
			return fmt.Errorf("set the capacity of lock %s: %w", name, err)
		}
	}
	return nil
}
