package order

import "hash/maphash"

// table finds classes by name. It is an open hash table with linear probing:
// with a million classes of one job each, a map from the name would be the
// greater part of the index's memory. Make it with newTable.
type table struct {
	seed  maphash.Seed
	slots []*class // a power of two, at most three quarters used
	n     int
}

func newTable() table {
	return table{seed: maphash.MakeSeed(), slots: make([]*class, 8)}
}

// slot returns where a class is, or the free slot where it would be.
func (t *table) slot(name string) int {
	i := t.wanted(name)
	for t.slots[i] != nil && t.slots[i].name != name {
		i = (i + 1) & (len(t.slots) - 1)
	}
	return i
}

// wanted returns the slot where the search for a name begins.
func (t *table) wanted(name string) int {
	return int(maphash.String(t.seed, name) & uint64(len(t.slots)-1))
}

func (t *table) get(name string) *class { return t.slots[t.slot(name)] }

// put adds a class whose name is not there.
func (t *table) put(c *class) {
	if t.n++; t.n > len(t.slots)/4*3 {
		old := t.slots
		t.slots = make([]*class, 2*len(old))
		for _, o := range old {
			if o != nil {
				t.slots[t.slot(o.name)] = o
			}
		}
	}
	t.slots[t.slot(c.name)] = c
}

// remove takes a class out that is there. Those behind it move up, so that no
// search ends at the gap too early.
func (t *table) remove(name string) {
	t.n--
	gap, mask := t.slot(name), len(t.slots)-1
	for i := (gap + 1) & mask; t.slots[i] != nil; i = (i + 1) & mask {
		// How far the class is from where it wants to be, and from the gap.
		if (i-t.wanted(t.slots[i].name))&mask >= (i-gap)&mask {
			t.slots[gap], gap = t.slots[i], i
		}
	}
	t.slots[gap] = nil
}
