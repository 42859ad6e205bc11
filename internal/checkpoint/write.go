package checkpoint

import (
	"context"
)

// key is where Redis has a checkpoint, latest where it has the number and the id of
// the newest one of a run, for readers outside.
func key(runID, id string) string { return "wf:checkpoint:" + runID + ":" + id }

func latest(runID string) string { return "wf:checkpoint:" + runID + ":latest" }

// write brings what waits to Redis until ctx ends.
func (t *Tiers) write(ctx context.Context) {
	for {
		select {
		case <-t.work:
		case <-ctx.Done():
			t.clear()
			return
		}
		for {
			s, ok := t.next()
			if !ok {
				break
			}
			if ctx.Err() == nil {
				t.writeOne(ctx, s)
			}
		}
	}
}

// next takes what is to be written next.
func (t *Tiers) next() (Snapshot, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writing = false
	if len(t.order) == 0 {
		t.idle.Broadcast()
		return Snapshot{}, false
	}
	id := t.order[0]
	t.order = t.order[1:]
	s := t.pending[id]
	delete(t.pending, id)
	t.writing = true
	return s, true
}

func (t *Tiers) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.order, t.writing = nil, false
	clear(t.pending)
	t.idle.Broadcast()
}

// writeOne does its best. A server that is not there is not worth the work.
func (t *Tiers) writeOne(ctx context.Context, s Snapshot) {
	if ok, _ := t.o.Cache.Health(); !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	text, err := encode(s, t.o.Key)
	if err == nil {
		err = t.o.Cache.Put(ctx, key(s.RunID, s.ID), text, t.o.TTL)
	}
	if err == nil {
		err = t.o.Cache.Raise(ctx, latest(s.RunID), s.Seq, s.ID, t.o.TTL)
	}
	if err != nil {
		t.o.Logger.DebugContext(ctx, "a checkpoint is not in Redis", "checkpoint_id", s.ID, "error", err)
	}
}
