package queue

import (
	"context"
	"slices"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/together"
)

// ends writes the ends of attempts. Those that come while others are being written are
// written together, in one transaction.
type ends struct {
	write func(context.Context, []store.Finish) []error
	group *together.Group[pendingEnd, error]
}

const (
	// endWriters is how many transactions of ends are under way at the same time: while
	// one waits for its commit, the next is prepared.
	endWriters = 2
	// maxEnds bounds the ends of one transaction, which holds their rows locked.
	maxEnds = 64
)

// pendingEnd is an end that its attempt waits for.
type pendingEnd struct {
	ctx context.Context //nolint:containedctx // of its attempt
	end store.Finish
}

func newEnds(write func(context.Context, []store.Finish) []error) *ends {
	w := &ends{write: write}
	w.group = together.New(w.work, endWriters, maxEnds)
	return w
}

// finish writes the end of an attempt and returns when its outcome is known.
func (w *ends) finish(ctx context.Context, f store.Finish) error {
	if f.Job.After.GroupID != "" { // it ends alone, see store.Jobs
		return w.write(ctx, []store.Finish{f})[0]
	}
	written, _ := w.group.Do(context.WithoutCancel(ctx), pendingEnd{ctx, f}) // it is not taken back
	return written
}

// work writes ends. Those with one context, which nearly all have, share a transaction.
func (w *ends) work(list []pendingEnd) []error {
	var out []error
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(p pendingEnd) bool { return p.ctx != list[0].ctx })
		if n < 0 {
			n = len(list)
		}
		part := make([]store.Finish, n)
		for i, p := range list[:n] {
			part[i] = p.end
		}
		out = append(out, w.write(list[0].ctx, part)...)
		list = list[n:]
	}
	return out
}
