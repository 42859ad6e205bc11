// Command archive packs a folder into a .tar.gz or .zip whose bytes depend on
// the files' names and contents only: sorted, with one time, without owners.
//
//	archive -epoch 1769860800 -o out.tar.gz DIR
//
// Entries begin with the folder's own name. Files are 0644, except those that
// their owner may execute, which are 0755.
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	epoch := flag.Int64("epoch", 0, "time of all files, Unix seconds")
	out := flag.String("o", "", "archive to write, .tar.gz or .zip")
	flag.Parse()
	if err := pack(*out, flag.Arg(0), time.Unix(*epoch, 0).UTC()); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("pack", "error", err)
		os.Exit(1)
	}
}

// file is one entry.
type file struct {
	name, path string
	mode       fs.FileMode
	size       int64
}

func pack(out, dir string, at time.Time) error {
	if out == "" || dir == "" {
		return errors.New("usage: archive -epoch SECONDS -o FILE DIR")
	}
	files, err := list(dir)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if strings.HasSuffix(out, ".zip") {
		err = writeZip(f, files, at)
	} else {
		err = writeTar(f, files, at)
	}
	return errors.Join(err, f.Close())
}

// list finds the files; WalkDir sorts.
func list(dir string) (out []file, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", p)
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		f := file{name: path.Join(filepath.Base(dir), filepath.ToSlash(rel)), path: p, mode: 0o644, size: info.Size()}
		if info.Mode()&0o100 != 0 {
			f.mode = 0o755
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

func writeTar(w io.Writer, files []file, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression) // without a name and a time
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode), Size: f.size, ModTime: at, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if err := into(t, f.path); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

func writeZip(w io.Writer, files []file, at time.Time) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(f.mode)
		e, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if err := into(e, f.path); err != nil {
			return err
		}
	}
	return z.Close()
}

func into(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}
