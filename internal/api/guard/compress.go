package guard

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

const (
	// worthwhile is the least size, in bytes, that is compressed when the size is
	// known.
	worthwhile = 1024
	// maxGzips bounds the compressors at work, each of which takes about a
	// megabyte. Answers beyond go out as they are.
	maxGzips = 32
	// stall is how long a client may leave a piece of the answer unread.
	stall = 30 * time.Second
	// piece is how many bytes of the answer go out under one time limit.
	piece = 64 << 10
)

// compressor sends an answer, in gzip when the caller takes it and the content
// is text of some size. It also remembers the status and the size for the log,
// and gives up on a client that reads nothing for a while: neither its handler
// nor what the handler holds may wait for ever. How long an answer takes as a
// whole is not bounded.
type compressor struct {
	http.ResponseWriter
	conn    *http.ResponseController
	tokens  chan struct{}
	accepts bool
	gz      *gzip.Writer
	status  int
	sent    int64
}

func newCompressor(w http.ResponseWriter, r *http.Request, tokens chan struct{}) *compressor {
	c := &compressor{
		ResponseWriter: w, conn: http.NewResponseController(w), tokens: tokens,
		accepts: acceptsGzip(r) && r.Method != http.MethodHead && r.Header.Get("Range") == "",
	}
	c.extend()
	return c
}

// extend gives the client new time to read. It is called before anything is
// sent, also an empty answer: the limit belongs to the connection and outlives
// the request before.
func (c *compressor) extend() {
	// The operating system compares the limit with its own clock. A writer that
	// has no connection, as in tests, knows no limit.
	_ = c.conn.SetWriteDeadline(clock.System{}.Now().Add(stall))
}

// token takes the right to compress, if there is one left.
func (c *compressor) token() bool {
	select {
	case c.tokens <- struct{}{}:
		return true
	default:
		return false
	}
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
			if c.accepts && !small && !empty && h.Get("Content-Encoding") == "" && h.Get("Content-Range") == "" && c.token() {
				h.Set("Content-Encoding", "gzip")
				h.Del("Content-Length")
				c.gz = gzip.NewWriter(c.ResponseWriter)
			}
		}
	}
	c.extend()
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
	var w io.Writer = c.ResponseWriter
	if c.gz != nil {
		w = c.gz
	}
	done := 0
	for {
		part := b[done:min(len(b), done+piece)]
		c.extend()
		n, err := w.Write(part)
		done += n
		c.sent += int64(n)
		if err != nil || done == len(b) {
			return done, err
		}
	}
}

// FlushError implements what http.ResponseController looks for.
func (c *compressor) FlushError() error {
	c.extend()
	if c.gz != nil {
		if err := c.gz.Flush(); err != nil {
			return err
		}
	}
	return c.conn.Flush()
}

// Unwrap lets http.ResponseController reach the connection's deadlines.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *compressor) close() error {
	c.extend() // net/http sends the rest after the handler
	if c.gz == nil {
		return nil
	}
	return c.gz.Close()
}

// free gives the token back. Nothing is written any more.
func (c *compressor) free() {
	if c.gz != nil {
		c.gz = nil
		<-c.tokens
	}
}
