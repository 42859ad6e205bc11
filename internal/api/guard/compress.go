package guard

import (
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
)

// worthwhile is the least size, in bytes, that is compressed when the size is
// known.
const worthwhile = 1024

// compressor sends an answer, in gzip when the caller takes it and the content
// is text of some size. It also remembers the status and the size for the log.
type compressor struct {
	http.ResponseWriter
	accepts bool
	gz      *gzip.Writer
	status  int
	sent    int64
}

func newCompressor(w http.ResponseWriter, r *http.Request) *compressor {
	return &compressor{ResponseWriter: w, accepts: acceptsGzip(r) && r.Method != http.MethodHead && r.Header.Get("Range") == ""}
}

func acceptsGzip(r *http.Request) bool {
	for _, v := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(v, ",") {
			name, params, _ := strings.Cut(part, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !found || err == nil && weight > 0
		}
	}
	return false
}

func compressible(media string) bool {
	media, _, _ = strings.Cut(media, ";")
	switch media {
	case "application/json", "application/problem+json", "application/yaml", "text/javascript", "application/javascript", "image/svg+xml":
		return true
	}
	return strings.HasPrefix(media, "text/") && media != "text/event-stream"
}

// WriteHeader decides about compression and sends the head.
func (c *compressor) WriteHeader(status int) {
	if c.status != 0 {
		return
	}
	if status == http.StatusSwitchingProtocols {
		c.status = status // the connection is not ours from here on
	}
	if status >= 200 {
		c.status = status
		h := c.Header()
		if compressible(h.Get("Content-Type")) {
			h.Add("Vary", "Accept-Encoding")
			size, err := strconv.Atoi(h.Get("Content-Length"))
			small := err == nil && size < worthwhile
			empty := status == http.StatusNoContent || status == http.StatusNotModified
			if c.accepts && !small && !empty && h.Get("Content-Encoding") == "" && h.Get("Content-Range") == "" {
				h.Set("Content-Encoding", "gzip")
				h.Del("Content-Length")
				c.gz = gzip.NewWriter(c.ResponseWriter)
			}
		}
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *compressor) Write(b []byte) (int, error) {
	if c.status == 0 {
		if c.Header().Get("Content-Type") == "" {
			c.Header().Set("Content-Type", http.DetectContentType(b))
		}
		c.WriteHeader(http.StatusOK)
	}
	c.sent += int64(len(b))
	if c.gz != nil {
		return c.gz.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

// FlushError implements what http.ResponseController looks for.
func (c *compressor) FlushError() error {
	if c.gz != nil {
		if err := c.gz.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the connection's deadlines.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *compressor) close() error {
	if c.gz == nil {
		return nil
	}
	return c.gz.Close()
}
