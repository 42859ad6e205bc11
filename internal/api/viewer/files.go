package viewer

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// maxPlain bounds a file that is unpacked for a client that reads no packed form,
// in bytes. Ours are far smaller.
const maxPlain = 8 << 20

// Files serves files below prefix, which ends in a slash. A path that is no
// file and has no extension gets index.html, so that pages have URLs; anything
// else is given to missing.
//
// A file may be there in the packed forms name.br and name.gz instead of as name.
// The client gets the one it prefers; one that reads neither gets the .gz
// unpacked. What lies below assets/ has a hash of its content in its name and may
// be kept for ever.
func Files(prefix string, files fs.FS, missing http.HandlerFunc) http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			missing(w, r)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, prefix)
		packed := fs.ValidPath(name) && exists(files, name+".gz")
		info, err := fs.Stat(files, strings.TrimSuffix(name, "/"))
		switch {
		case packed:
		case name == "" || err != nil && !strings.Contains(name, "."):
			name = ""
		case err != nil || info.IsDir() || name == "index.html" || exists(files, bare(name)+".gz") && bare(name) != name:
			missing(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", CSP)
		w.Header().Set("Cache-Control", caching(name))
		if packed {
			servePacked(w, r, files, name)
			return
		}
		c := r.Clone(r.Context())
		c.URL.Path = "/" + name
		server.ServeHTTP(w, c)
	})
}

// bare is the name of what a packed file holds.
func bare(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, ".br"), ".gz")
}

func exists(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.Mode().IsRegular()
}

func caching(name string) string {
	if strings.HasPrefix(name, "assets/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

// servePacked answers with the form of a file that the client can read.
func servePacked(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	accepts := r.Header.Get("Accept-Encoding")
	suffix := ".gz"
	switch {
	case accepted(accepts, "br") && exists(files, name+".br"):
		suffix = ".br"
		h.Set("Content-Encoding", "br")
	case accepted(accepts, "gzip"):
		h.Set("Content-Encoding", "gzip")
	}
	data, err := fs.ReadFile(files, name+suffix)
	if err == nil && h.Get("Content-Encoding") == "" {
		data, err = unpacked(data)
	}
	if err != nil {
		h.Del("Content-Encoding")
		http.Error(w, "the file cannot be read", http.StatusInternalServerError) // embedded: cannot happen
		return
	}
	// ServeContent leaves the length out for an encoded answer.
	if h.Get("Content-Encoding") != "" && r.Header.Get("Range") == "" {
		h.Set("Content-Length", strconv.Itoa(len(data)))
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}

func unpacked(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, maxPlain))
}

// accepted reports whether a header of Accept-Encoding allows a coding. q=0 is a
// no; an order of preference is not looked at, as browsers state none.
func accepted(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		_, q, found := strings.Cut(strings.ReplaceAll(params, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || err == nil && weight > 0
	}
	return false
}
