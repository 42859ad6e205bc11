package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/runsheet/runsheet/internal/filelock"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// Free space below which is warned and failed, in bytes.
const (
	lowSpace  = 1 << 30
	noSpace   = 64 << 20
	staleFile = 24 * time.Hour
)

// folder looks at the data folder and the disk below it.
func (e *exam) folder() {
	dir := e.Config.Data
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		e.bad(Warn, "data folder", "start the server once, or correct --data (RUNSHEET_DATA)", "%s does not exist yet", dir)
		return
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", dir)
	}
	if err == nil {
		err = writable(dir)
	}
	if err != nil {
		e.bad(Fail, "data folder", "give the folder to the user who runs the server", "%v", err)
		return
	}
	if uid, known := owner(info); known && uid != os.Getuid() {
		e.bad(Fail, "data folder", "run doctor and server as the owner of the folder, or chown -R it", "%s belongs to user %d, this is user %d", dir, uid, os.Getuid())
	} else if mode := info.Mode().Perm(); permissions && mode&0o022 != 0 {
		e.bad(Fail, "data folder", "chmod 700 "+dir, "others may write into %s (mode %04o)", dir, mode)
	} else if permissions && mode&0o077 != 0 {
		e.bad(Warn, "data folder", "chmod 700 "+dir, "others may look into %s (mode %04o)", dir, mode)
	} else {
		e.ok("data folder", "%s", dir)
	}
	e.secretFiles()
	if free, ok := freeBytes(dir); ok {
		const remedy = "free space, or move the data folder to a larger disk"
		switch {
		case free < noSpace:
			e.bad(Fail, "disk space", remedy, "%s are free", size(free))
		case free < lowSpace:
			e.bad(Warn, "disk space", remedy, "%s are free", size(free))
		default:
			e.ok("disk space", "%s are free", size(free))
		}
	}
	if e.Config.DatabaseURL != "" {
		return
	}
	switch name, err := sqlite.Network(filepath.Join(dir, "runsheet.db")); {
	case err != nil:
		e.bad(Warn, "file system", "", "%v", err)
	case name != "":
		e.bad(Fail, "file system", "use a local disk, or PostgreSQL", "%s is on a network file system (%s), where SQLite can lose data", dir, name)
	default:
		e.ok("file system", "local")
	}
}

// secretFiles looks for keys and databases that others may use.
func (e *exam) secretFiles() {
	if !permissions {
		return
	}
	files := []string{filepath.Join(e.Config.Data, "runsheet.db")}
	keys, err := filepath.Glob(filepath.Join(e.Config.Data, "keys", "*"))
	if err != nil {
		keys = nil // the pattern holds a bracket of the path: only the database is looked at
	}
	for _, path := range append(files, keys...) {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			e.bad(Fail, "permissions", "chmod 600 "+path, "others may use %s (mode %04o)", path, info.Mode().Perm())
		}
	}
}

// writable makes and removes a file.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (e *exam) lock() {
	pid, held, err := filelock.Holder(filepath.Join(e.Config.Data, "runsheet.lock"))
	e.held = held
	switch {
	case err != nil:
		e.bad(Fail, "lock", "run doctor as the user who runs the server", "%v", err)
	case held && pid > 0:
		e.ok("lock", "process %d uses the data folder", pid)
	case held:
		e.ok("lock", "a server uses the data folder")
	default:
		e.ok("lock", "free: no server uses the data folder")
	}
}

// leftovers counts what dead processes left. A living server's own temporary
// files are young.
func (e *exam) leftovers() {
	count, bytes, now := 0, uint64(0), e.Clock.Now()
	for _, dir := range []string{filepath.Join(e.Config.Data, "artifacts", "tmp"), filepath.Join(e.Config.Data, "work")} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it does not exist yet, or the check of the folder has said so
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil || now.Sub(info.ModTime()) < staleFile {
				continue
			}
			if count++; info.Mode().IsRegular() {
				bytes += uint64(max(0, info.Size()))
			}
		}
	}
	if old := filepath.Join(e.Config.Data, "runsheet.db.before-migration"); exists(old) {
		e.ok("old copy", "%s is the database before the last upgrade; remove it when you will not go back", old)
	}
	if count > 0 {
		e.bad(Warn, "leftovers", "the next start of the server removes them", "%d unfinished files or folders of more than a day, %s", count, size(bytes))
		return
	}
	e.ok("leftovers", "none")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
