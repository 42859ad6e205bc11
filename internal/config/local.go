package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/runsheet/runsheet/internal/fault"
)

// Local is how programs of the same user on the same machine reach a running
// server. The server writes it to DATA/keys/local.json when it listens.
type Local struct {
	// URL is the server's base, for example http://127.0.0.1:8420.
	URL string `json:"url"`
	// Token is a bearer token of this server.
	Token string `json:"token"`
	// Certificate is the SHA-256, in hex, of the one certificate that the server
	// shows; "" if it does not speak HTTPS.
	Certificate string `json:"certificate_sha256,omitempty"`
}

// LocalPath is the file's path in a data folder.
func LocalPath(data string) string { return filepath.Join(data, "keys", "local.json") }

// WriteLocal writes the file for its owner only (mode 0600), in one step.
func WriteLocal(data string, l Local) error {
	path := LocalPath(data)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Wrap(err, fault.StorageUnavailable, "create the folder of keys")
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "local-*") // mode 0600
	if err != nil {
		return fault.Wrap(err, fault.StorageUnavailable, "write "+path)
	}
	_, err = tmp.Write(append(b, '\n'))
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // the error above counts
		return fault.Wrap(err, fault.StorageUnavailable, "write "+path)
	}
	return nil
}

// ReadLocal reads the file. It refuses, with forbidden, a file that others can
// read or write; not_found when there is none.
func ReadLocal(data string) (Local, error) {
	path := LocalPath(data)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Local{}, fault.Newf(fault.NotFound, "there is no %s", path)
	}
	if err != nil {
		return Local{}, fault.Wrap(err, fault.ForbiddenScope, "open "+path)
	}
	defer f.Close() // only read
	st, err := f.Stat()
	if err != nil {
		return Local{}, fault.Wrap(err, fault.StorageUnavailable, "look at "+path)
	}
	if runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
		return Local{}, fault.Newf(fault.ForbiddenScope, "%s may be used by others (mode %04o)", path, st.Mode().Perm()).
			WithHint("chmod 600 " + path + ", and restart the server, which makes a new token")
	}
	var l Local
	if err := json.NewDecoder(f).Decode(&l); err != nil || l.URL == "" {
		return Local{}, fault.Newf(fault.InvalidInput, "%s is not readable as JSON with url and token", path)
	}
	return l, nil
}
