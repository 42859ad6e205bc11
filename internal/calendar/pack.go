package calendar

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// The bounds of a calendar pack.
const (
	maxPack      = 8 << 20
	maxPackFiles = 500
	maxUnpacked  = 32 << 20
)

// LoadPack reads a calendar pack: a data file, or a zip archive of data files
// (*.cal; others are passed over). name is the pack's name in errors, which are
// faults of the code invalid_input. A pack for a folder is read by LoadFolder.
func LoadPack(name string, data []byte) ([]*Calendar, error) {
	if len(data) > maxPack {
		return nil, fault.Newf(fault.InvalidInput, "%s: larger than %d bytes", name, maxPack)
	}
	if !bytes.HasPrefix(data, []byte("PK")) {
		c, err := Load(name, data)
		if err != nil {
			return nil, err
		}
		return []*Calendar{c}, nil
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fault.Newf(fault.InvalidInput, "%s: %v", name, err)
	}
	var list []*Calendar
	files, unpacked := map[string]string{}, 0
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, ".cal") {
			continue
		}
		text, err := unzip(f)
		if err != nil {
			return nil, fault.Newf(fault.InvalidInput, "%s: %q: %v", name, f.Name, err)
		}
		if unpacked += len(text); unpacked > maxUnpacked || len(list) == maxPackFiles {
			return nil, fault.Newf(fault.InvalidInput, "%s: more than %d calendars or %d bytes", name, maxPackFiles, maxUnpacked)
		}
		c, err := Load(name+"/"+f.Name, text)
		if err != nil {
			return nil, err
		}
		if other, twice := files[c.code]; twice {
			return nil, fault.Newf(fault.InvalidInput, "%s: %q and %q are both the calendar %s", name, other, f.Name, c.code)
		}
		files[c.code] = f.Name
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fault.Newf(fault.InvalidInput, "%s: there is no data file (*.cal) within", name)
	}
	return list, nil
}

// unzip reads one file, whatever size its header claims.
func unzip(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("larger than a data file may be")
	}
	return text, errors.Join(err, r.Close())
}
