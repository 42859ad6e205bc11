package checkpoint

import "container/list"

// memory holds the newest snapshot of the runs that were saved last. It is guarded
// by Tiers.mu.
type memory struct {
	runs, bytes int // bounds
	used        int
	order       *list.List // of *entry, the last saved first
	byRun       map[string]*list.Element
}

type entry struct {
	snapshot Snapshot
	weight   int
}

func newMemory(runs, bytes int) memory {
	return memory{runs: runs, bytes: bytes, order: list.New(), byRun: map[string]*list.Element{}}
}

// put keeps a snapshot. It reports false when a newer one is known already.
func (m *memory) put(s Snapshot) bool {
	if at := m.byRun[s.RunID]; at != nil && at.Value.(*entry).snapshot.Seq > s.Seq {
		return false
	}
	m.drop(s.RunID)
	w := weigh(s)
	if w > maxEntry || w > m.bytes {
		return true // it is found elsewhere
	}
	m.byRun[s.RunID] = m.order.PushFront(&entry{snapshot: s, weight: w})
	m.used += w
	for len(m.byRun) > m.runs || m.used > m.bytes {
		m.drop(m.order.Back().Value.(*entry).snapshot.RunID)
	}
	return true
}

func (m *memory) get(runID, id string) (Snapshot, bool) {
	at := m.byRun[runID]
	if at == nil || at.Value.(*entry).snapshot.ID != id {
		return Snapshot{}, false
	}
	return at.Value.(*entry).snapshot, true
}

func (m *memory) drop(runID string) {
	if at := m.byRun[runID]; at != nil {
		m.used -= at.Value.(*entry).weight
		m.order.Remove(at)
		delete(m.byRun, runID)
	}
}

// weigh estimates what a snapshot takes, in bytes. It stops when that is too much
// anyway.
func weigh(s Snapshot) int {
	w := 1024 + 512*len(s.State.Nodes) + 64*len(s.State.UndoErrors)
	for _, m := range s.State.Maps {
		w += 256 + 8*len(m.Above) + 128*len(m.Failed)
	}
	w += size(s.State.Context, maxEntry-w)
	for _, o := range s.State.Outputs {
		if w > maxEntry {
			return w
		}
		w += size(o, maxEntry-w)
	}
	return w
}

// size estimates a value of JSON, up to a bound.
func size(v any, limit int) int {
	const each = 32
	w := each
	switch v := v.(type) {
	case string:
		return w + len(v)
	case map[string]any:
		for k, x := range v {
			if w > limit {
				return w
			}
			w += len(k) + each + size(x, limit-w)
		}
	case []any:
		for _, x := range v {
			if w > limit {
				return w
			}
			w += size(x, limit-w)
		}
	}
	return w
}
