package powerloss

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// Op is the class of an operation on the disk.
type Op string

// The operations that Options.Fault is asked about. All but OpRead and OpOpen,
// which is of a file that exists, change the disk and count for Options.CutAt.
const (
	OpRead     Op = "read"
	OpOpen     Op = "open"
	OpCreate   Op = "create"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"
	OpDelete   Op = "delete"
)

// errPowerOff is what every operation returns after the cut.
var errPowerOff = vfs.SystemError(errors.New("the power is off"), sqlite3.IOERR)

// Options say how a disk misbehaves. The zero value is an honest disk.
type Options struct {
	// Seed decides what a power cut does to unsynced writes.
	Seed uint64
	// CutAt is the number of the change at which the power goes, from 1;
	// 0 = only Cut ends it.
	CutAt int
	// SyncLies makes every sync return at once without effect.
	SyncLies bool
	// SyncAgain repeats a sync that failed until it succeeds, as a careless program
	// does. It exists to show that this loses data.
	SyncAgain bool
	// Fault, when not nil, is asked before each operation; an error fails it. A
	// failed write has written a part; a failed sync has written some of what
	// was unsynced and forgotten the rest, which no later sync writes. It is
	// called under the disk's lock, one operation at a time.
	Fault func(Op) error
	// Scratch is a folder for the memory that connections share. SQLite's
	// wal-index lives there; it is lost with the power.
	Scratch string
}

// Disk is a file layer for SQLite whose content has two views: what programs
// read, and what has reached the medium. It is safe for concurrent use.
//
// The model, chosen to promise no more than POSIX and the flags that SQLite's
// own unix layer reports:
//   - a write reaches the medium when a sync of its file returns. Until then a
//     cut applies any subset of the writes, in any order, and each wholly or in
//     any subset of its 512-byte sectors;
//   - a write never changes bytes outside its range (SQLite's "powersafe
//     overwrite", which its unix layer assumes too);
//   - truncation counts as a write;
//   - creating or deleting a name reaches the medium when the folder is synced:
//     at the first sync of a newly opened journal or WAL and at a delete that
//     asks for it, as in SQLite's unix layer. Until then a cut keeps or undoes
//     it, each name by itself;
//   - a deleted file whose name comes back has its old content back.
type Disk struct {
	name string
	opts Options

	mu  sync.Mutex
	rng *rand.Rand
	off bool
	ops int
	// now is what programs see, medium what survives, by name.
	now, medium map[string]*inode
	// entries are changes of names that did not reach the medium, in order.
	entries []entry
}

// entry is one change of a name; file nil = deleted.
type entry struct {
	name string
	file *inode
}

// NewDisk returns an empty disk and makes it known to the driver under name,
// until Close.
func NewDisk(name string, o Options) *Disk {
	d := &Disk{name: name, opts: o, rng: rand.New(rand.NewPCG(o.Seed, 1)), now: map[string]*inode{}, medium: map[string]*inode{}}
	vfs.Register(name, d)
	return d
}

// Close forgets the disk. No connection may be open.
func (d *Disk) Close() error {
	vfs.Unregister(d.name)
	left, err := filepath.Glob(d.shared("*"))
	if err != nil {
		return fmt.Errorf("list shared memory: %w", err)
	}
	for _, f := range left {
		if err := os.Remove(f); err != nil {
			return fmt.Errorf("remove shared memory: %w", err)
		}
	}
	return nil
}

// Cut ends the power now. Cutting twice is not an error.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
}

// Off reports whether the power is gone.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// Ops is the number of changes so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// Restore cuts the power of d, if it is still on, and returns what a machine
// finds on the disk after it: a new disk under another name.
func (d *Disk) Restore(name string, o Options) *Disk {
	d.Cut()
	d.mu.Lock()
	defer d.mu.Unlock()
	names := d.survivingNames()
	n := NewDisk(name, o)
	for _, file := range slices.Sorted(maps.Keys(names)) {
		data := names[file].survivingData(d.rng)
		ino := &inode{data: slices.Clone(data), medium: data}
		n.now[file], n.medium[file] = ino, ino
	}
	return n
}

// survivingNames decides which changes of names reached the medium: of each
// name, the first few.
func (d *Disk) survivingNames() map[string]*inode {
	byName := map[string][]*inode{}
	for _, e := range d.entries {
		byName[e.name] = append(byName[e.name], e.file)
	}
	names := maps.Clone(d.medium)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		done := byName[name][:d.rng.IntN(len(byName[name])+1)]
		if len(done) == 0 {
			continue
		}
		if last := done[len(done)-1]; last != nil {
			names[name] = last
		} else {
			delete(names, name)
		}
	}
	return names
}

// Clone returns a disk with the content that programs see on d, all of it on
// the medium. Nobody may use d meanwhile.
func (d *Disk) Clone(name string, o Options) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := NewDisk(name, o)
	for file, from := range d.now {
		ino := &inode{data: slices.Clone(from.data), medium: slices.Clone(from.data)}
		n.now[file], n.medium[file] = ino, ino
	}
	return n
}

// Kill ends the process that uses d, not the machine, and returns the disk for
// the next process: what was written is there, synced or not.
func (d *Disk) Kill(name string, o Options) *Disk {
	d.Cut() // the dead process does nothing any more
	d.mu.Lock()
	defer d.mu.Unlock()
	n := NewDisk(name, o)
	same := map[*inode]*inode{nil: nil}
	moved := func(i *inode) *inode {
		if _, ok := same[i]; !ok {
			same[i] = &inode{data: slices.Clone(i.data), medium: slices.Clone(i.medium), unsynced: slices.Clone(i.unsynced)}
		}
		return same[i]
	}
	for file, i := range d.now {
		n.now[file] = moved(i)
	}
	for file, i := range d.medium {
		n.medium[file] = moved(i)
	}
	for _, e := range d.entries {
		n.entries = append(n.entries, entry{name: e.name, file: moved(e.file)})
	}
	return n
}

// begin counts an operation that changes the disk and reports whether it
// fails. torn is true when it may take effect in part nevertheless. d.mu is
// held.
func (d *Disk) begin(op Op) (torn bool, err error) {
	if d.off {
		return false, errPowerOff
	}
	d.ops++
	if d.ops == d.opts.CutAt {
		d.off = true
		return true, errPowerOff
	}
	if d.opts.Fault != nil {
		if err := d.opts.Fault(op); err != nil {
			return true, err
		}
	}
	return false, nil
}

// syncNames makes all names durable. d.mu is held.
func (d *Disk) syncNames() {
	if d.opts.SyncLies {
		return
	}
	d.medium = maps.Clone(d.now)
	d.entries = nil
}

// shared is the path of the memory that a database's connections share.
func (d *Disk) shared(file string) string {
	return filepath.Join(d.opts.Scratch, d.name+"-"+filepath.Base(file)+"-shm")
}

// FullPathname implements vfs.VFS.
func (d *Disk) FullPathname(name string) (string, error) { return name, nil }

// Access implements vfs.VFS.
func (d *Disk) Access(name string, _ vfs.AccessFlag) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return false, errPowerOff
	}
	return d.now[name] != nil, nil
}

// Delete implements vfs.VFS.
func (d *Disk) Delete(name string, syncDir bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.begin(OpDelete); err != nil {
		return err
	}
	if d.now[name] == nil {
		return sqlite3.IOERR_DELETE_NOENT
	}
	delete(d.now, name)
	d.entries = append(d.entries, entry{name: name})
	if syncDir {
		d.syncNames()
	}
	return nil
}

// Open implements vfs.VFS.
func (d *Disk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if name == "" || flags&vfs.OPEN_DELETEONCLOSE != 0 {
		// Temporary files hold nothing that outlives a connection.
		return &vfsutil.SliceFile{}, flags | vfs.OPEN_MEMORY, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, flags, errPowerOff
	}
	ino := d.now[name]
	if ino == nil {
		if flags&vfs.OPEN_CREATE == 0 {
			return nil, flags, sqlite3.CANTOPEN
		}
		if _, err := d.begin(OpCreate); err != nil {
			return nil, flags, err
		}
		ino = &inode{}
		d.now[name] = ino
		d.entries = append(d.entries, entry{name: name, file: ino})
	} else if d.opts.Fault != nil {
		if err := d.opts.Fault(OpOpen); err != nil {
			return nil, flags, err
		}
	}
	f := &file{
		disk: d, inode: ino, readOnly: flags&vfs.OPEN_READONLY != 0,
		syncNames: flags&vfs.OPEN_CREATE != 0 && flags&(vfs.OPEN_MAIN_JOURNAL|vfs.OPEN_SUPER_JOURNAL|vfs.OPEN_WAL) != 0,
	}
	if flags&vfs.OPEN_MAIN_DB != 0 {
		f.shm = vfs.NewSharedMemory(d.shared(name), flags)
	}
	return f, flags, nil
}
