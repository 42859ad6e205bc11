package powerloss

import (
	"io"
	"slices"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// file is one open handle.
type file struct {
	disk     *Disk
	inode    *inode
	readOnly bool
	// syncNames: the next sync makes names durable too.
	syncNames bool
	level     vfs.LockLevel
	shm       vfs.SharedMemory
}

var (
	_ vfs.FileLockState    = (*file)(nil)
	_ vfs.FileSharedMemory = (*file)(nil)
)

// Close implements io.Closer. It works without power, as the end of a process
// does.
func (f *file) Close() error {
	var err error
	if f.shm != nil {
		err = f.shm.Close()
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.unlock(vfs.LOCK_NONE)
	return err
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.off {
		return 0, errPowerOff
	}
	if f.disk.opts.Fault != nil {
		if err := f.disk.opts.Fault(OpRead); err != nil {
			return 0, err
		}
	}
	if off >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (f *file) WriteAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	c := change{at: off, bytes: slices.Clone(b)}
	torn, err := f.disk.begin(OpWrite)
	switch {
	case err == nil:
		f.inode.change(c)
		return len(b), nil
	case torn:
		whole := c.sectors()
		for _, s := range whole[:f.disk.rng.IntN(len(whole)+1)] {
			f.inode.change(s)
		}
	}
	return 0, err
}

// Truncate implements vfs.File.
func (f *file) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.begin(OpTruncate); err != nil {
		return err
	}
	f.inode.change(change{at: size})
	return nil
}

// Sync implements vfs.File.
func (f *file) Sync(vfs.SyncFlag) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.sync()
	for n := 0; err != nil && f.disk.opts.SyncAgain && !f.disk.off && n < 1000; n++ {
		err = f.sync()
	}
	return err
}

// sync is one attempt. f.disk.mu is held.
func (f *file) sync() error {
	torn, err := f.disk.begin(OpSync)
	if err != nil {
		if torn && !f.disk.off {
			// The kernel reports a failed write-back once and takes the pages for
			// clean: what did not reach the medium now never will, although
			// programs go on reading it.
			for _, c := range survivors(f.inode.unsynced, f.disk.rng) {
				f.inode.medium = c.apply(f.inode.medium)
			}
			f.inode.unsynced = nil
		}
		return err
	}
	if f.disk.opts.SyncLies {
		return nil
	}
	f.inode.sync()
	if f.syncNames {
		f.syncNames = false
		f.disk.syncNames()
	}
	return nil
}

// Size implements vfs.File.
func (f *file) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.off {
		return 0, errPowerOff
	}
	return int64(len(f.inode.data)), nil
}

// Lock implements vfs.File.
func (f *file) Lock(want vfs.LockLevel) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.level >= want {
		return nil
	}
	if f.readOnly && want >= vfs.LOCK_RESERVED {
		return sqlite3.IOERR_LOCK
	}
	if !f.inode.locks.lock(f, want) {
		return sqlite3.BUSY
	}
	f.level = want
	return nil
}

// Unlock implements vfs.File.
func (f *file) Unlock(to vfs.LockLevel) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.unlock(to)
	return nil
}

func (f *file) unlock(to vfs.LockLevel) {
	if f.level > to {
		f.inode.locks.unlock(f, to)
		f.level = to
	}
}

// CheckReservedLock implements vfs.File.
func (f *file) CheckReservedLock() (bool, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.inode.locks.writer != nil, nil
}

// LockState implements vfs.FileLockState.
func (f *file) LockState() vfs.LockLevel {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.level
}

// SectorSize implements vfs.File.
func (f *file) SectorSize() int { return 4096 } // as SQLite's unix layer says

// DeviceCharacteristics implements vfs.File.
func (f *file) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_SUBPAGE_READ
}

// SharedMemory implements vfs.FileSharedMemory.
func (f *file) SharedMemory() vfs.SharedMemory { return f.shm }
