package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/task"
)

// maxBody bounds what is kept of a response.
const maxBody = 64 << 10 // bytes of the artifact

// artifactName is the artifact that holds the body.
const artifactName = "response"

// content is what was read of a body.
type content struct {
	head  []byte // the first maxBody bytes
	total int64  // bytes that were read in all
}

// read reads the whole body, so that a transfer which breaks off is noticed, and
// keeps its beginning.
func read(resp *http.Response) (content, error) {
	var head bytes.Buffer
	n, err := io.CopyN(&head, resp.Body, maxBody)
	if errors.Is(err, io.EOF) {
		return content{head.Bytes(), n}, nil
	}
	if err != nil {
		return content{head.Bytes(), n}, err
	}
	rest, err := io.Copy(io.Discard, resp.Body)
	return content{head.Bytes(), n + rest}, err
}

// record makes outputs and artifact of a response, also of one that came in part.
func (t *Task) record(ctx context.Context, h task.Host, p params, resp *http.Response, c content) error {
	h.Output("status", strconv.Itoa(resp.StatusCode))
	h.Output("headers", headers(resp.Header, outbound.Credentials(p.header(""))))
	h.Output("origin", outbound.Origin(resp.Request.URL))
	h.Output("body_bytes", strconv.FormatInt(c.total, 10))
	if c.total > int64(len(c.head)) {
		h.Output("body_truncated", "true")
	}
	if len(c.head) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), afterTime)
		defer cancel()
	}
	_, err := h.Artifact(ctx, artifactName, mediaType(resp.Header.Get("Content-Type"), c.head), bytes.NewReader(c.head))
	return err
}

// mediaType is the server's word if it is well formed, else a guess.
func mediaType(said string, head []byte) string {
	if kind, params, err := mime.ParseMediaType(said); err == nil && len(said) <= 200 && strings.Contains(kind, "/") {
		if s := mime.FormatMediaType(kind, params); s != "" {
			return s
		}
	}
	return http.DetectContentType(head)
}

// headers is a JSON object of the response's headers, fit for people.
func headers(h http.Header, secrets []string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // keeps the text short
	if err := e.Encode(outbound.Shown(h, secrets)); err != nil {
		return "{}" // strings always encode
	}
	return strings.TrimSpace(b.String())
}
