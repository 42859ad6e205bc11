package reserve

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
)

type secrets struct {
	store.Secrets
	g *Guard
}

// Put must not wait for space unless it brings something new: a value may have to be
// replaced, or a grant taken away, at once.
func (s secrets) Put(ctx context.Context, p store.PutSecret) (out secret.Secret, err error) {
	put := func() error {
		out, err = s.Secrets.Put(ctx, p)
		return err
	}
	if p.Secret.Version > 1 {
		err = s.g.need(put)
	} else {
		err = s.g.fresh(ctx, nil, nil, put)
	}
	return out, err
}

func (s secrets) Delete(ctx context.Context, p store.DeleteSecret) error {
	return s.g.need(func() error { return s.Secrets.Delete(ctx, p) })
}

func (s secrets) Used(ctx context.Context, tenant, name string, at time.Time) error {
	return s.g.note(s.Secrets.Used(ctx, tenant, name, at))
}

func (s secrets) FirstCheck(ctx context.Context, candidate string, at time.Time) (check string, err error) {
	err = s.g.fresh(ctx, nil, nil, func() error {
		check, err = s.Secrets.FirstCheck(ctx, candidate, at)
		return err
	})
	return check, err
}

func (s secrets) DataKey(ctx context.Context, p store.DataKey) (key string, err error) {
	key, err = s.Secrets.DataKey(ctx, p)
	return key, s.g.note(err)
}
