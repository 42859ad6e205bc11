package powerloss

import (
	"math/rand/v2"
	"slices"

	"github.com/ncruces/go-sqlite3/vfs"
)

// sector is the unit in which a write can be torn, in bytes.
const sector = 512

// inode is the content of a file, whatever its name. The disk's lock guards it.
type inode struct {
	// data is what programs see, medium what has certainly survived.
	data, medium []byte
	// unsynced are the changes of data that may be missing on the medium.
	unsynced []change
	locks    locks
}

// change is a write, or a truncation when bytes is nil.
type change struct {
	at    int64
	bytes []byte
}

func (c change) apply(to []byte) []byte {
	if c.bytes == nil {
		return resize(to, c.at)
	}
	if end := c.at + int64(len(c.bytes)); end > int64(len(to)) {
		to = resize(to, end)
	}
	copy(to[c.at:], c.bytes)
	return to
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	old := len(b)
	if int(size) > cap(b) {
		b = slices.Grow(b, max(int(size), 2*old)-old) // files grow page by page
	}
	b = b[:size]
	clear(b[old:])
	return b
}

// sectors cuts a write at sector boundaries.
func (c change) sectors() []change {
	var out []change
	for at, rest := c.at, c.bytes; len(rest) > 0; {
		n := min(int64(len(rest)), sector-at%sector)
		out = append(out, change{at: at, bytes: rest[:n]})
		at, rest = at+n, rest[n:]
	}
	return out
}

func (i *inode) change(c change) {
	i.data = c.apply(i.data)
	i.unsynced = append(i.unsynced, c)
}

// sync makes all changes durable.
func (i *inode) sync() {
	for _, c := range i.unsynced {
		i.medium = c.apply(i.medium)
	}
	i.unsynced = nil
}

// survivingData decides what a cut leaves on the medium. The inode is of no
// use afterwards.
func (i *inode) survivingData(rng *rand.Rand) []byte {
	for _, c := range survivors(i.unsynced, rng) {
		i.medium = c.apply(i.medium)
	}
	i.unsynced = nil
	return i.medium
}

// survivors picks the changes that reached the medium by themselves, in the
// order in which they did: all, none, the first few, or any in any order, torn.
func survivors(cs []change, rng *rand.Rand) []change {
	switch rng.IntN(8) {
	case 0:
		return cs
	case 1:
		return nil
	case 2:
		return cs[:rng.IntN(len(cs)+1)]
	}
	var out []change
	keep, tear := rng.Float64(), rng.Float64()
	for _, n := range rng.Perm(len(cs)) {
		c := cs[n]
		switch {
		case rng.Float64() > keep:
		case c.bytes == nil || rng.Float64() > tear:
			out = append(out, c)
		default:
			for _, s := range c.sectors() {
				if rng.IntN(2) == 0 {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// locks is the state of SQLite's file locks on one database.
type locks struct {
	shared int
	// writer holds RESERVED or more; waiting means that it holds PENDING or more.
	writer  *file
	waiting bool
}

// lock raises f's lock as SQLite's locking protocol says
// (https://sqlite.org/lockingv3.html). It never waits.
func (l *locks) lock(f *file, want vfs.LockLevel) bool {
	if want == vfs.LOCK_SHARED {
		if l.waiting && l.writer != f {
			return false
		}
		l.shared++
		return true
	}
	if l.writer != nil && l.writer != f {
		return false
	}
	l.writer = f
	if want == vfs.LOCK_EXCLUSIVE {
		// Readers keep us out, but no new ones come in.
		l.waiting = true
		return l.shared == 1
	}
	return true
}

// unlock lowers f's lock to SHARED or NONE.
func (l *locks) unlock(f *file, to vfs.LockLevel) {
	if l.writer == f {
		l.writer, l.waiting = nil, false
	}
	if to == vfs.LOCK_NONE {
		l.shared--
	}
}
