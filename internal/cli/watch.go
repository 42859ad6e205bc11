package cli

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// watchEvery is how often --watch looks.
const watchEvery = time.Second

// show loads and prints a list, once or, with watch, at each change: then each
// new or changed thing is one line of JSON. A list that reached its limit (0 =
// none) says so.
func show[T any](ctx context.Context, a *app, v view[T], watch bool, limit int, load func(context.Context) ([]T, error)) error {
	if !watch {
		items, err := load(ctx)
		if err != nil {
			return err
		}
		if err := printList(a, v, items); err != nil {
			return err
		}
		if limit > 0 && len(items) == limit && !a.quiet {
			a.talk("the list was cut at --limit %d", limit)
		}
		return nil
	}
	if a.json == nil {
		a.json = fields{allFields}
	}
	seen := map[string][]byte{}
	for {
		items, err := load(ctx)
		if err != nil {
			return err
		}
		for _, item := range items {
			line, err := a.json.pick(item)
			if err != nil {
				return err
			}
			if id := v.id(item); !bytes.Equal(seen[id], line) {
				seen[id] = line
				if _, err := a.out.Write(append(slices.Clip(line), '\n')); err != nil {
					return err
				}
			}
		}
		if err := clock.Sleep(ctx, a.Clock, watchEvery); err != nil {
			return err
		}
	}
}
