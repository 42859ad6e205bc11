package research

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
)

// fetchTime bounds one URL with its redirects.
const fetchTime = 60 * time.Second

// fetched is what a URL gave.
type fetched struct {
	data      []byte
	mediaType string
	from      *url.URL // after redirects
}

// fetch gets a URL. Redirects are followed here, one by one, because each host
// must be allowed by the directive before it is asked. The error is one of those
// of this package or a fault of package outbound, none of which has more of the
// URL than its host.
func fetch(ctx context.Context, client *outbound.Client, d *directive.Snapshot, raw string, limit int64) (fetched, error) {
	limited, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	for hop := 0; ; hop++ {
		u, err := client.Check(raw)
		if err != nil {
			return fetched{}, err
		}
		if d == nil || !allowHost(d, u) {
			return fetched{from: u}, errNotAllowed
		}
		resp, err := client.Do(limited, outbound.Request{
			URL: raw, Header: http.Header{"Accept": {"text/html, text/markdown, text/plain, application/pdf;q=0.9, */*;q=0.1"}},
		})
		if err != nil {
			return fetched{}, ended(ctx, err)
		}
		next, err := redirect(u, resp)
		if err != nil || next == "" {
			if err == nil {
				return body(ctx, u, resp, limit)
			}
			resp.Body.Close()
			return fetched{}, err
		}
		resp.Body.Close()
		if hop >= outbound.MaxRedirects {
			return fetched{}, fault.Newf(fault.RedirectNotAllowed, "%s answers with another redirect after %d", u.Hostname(), hop)
		}
		raw = next
	}
}

// redirect is where a response leads, "" if it is none. The scheme must stay, or
// become https.
func redirect(from *url.URL, resp *http.Response) (string, error) {
	location := resp.Header.Get("Location")
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return "", nil
	}
	to, err := from.Parse(location)
	if err != nil || location == "" {
		return "", fault.Newf(fault.RedirectNotAllowed, "%s redirects to something that is no URL", from.Hostname())
	}
	if to.Scheme != from.Scheme && to.Scheme != "https" {
		return "", fault.Newf(fault.RedirectNotAllowed, "%s redirects to another scheme than %s", from.Hostname(), from.Scheme)
	}
	return to.String(), nil
}

func body(ctx context.Context, u *url.URL, resp *http.Response, limit int64) (fetched, error) {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fetched{}, statusError{resp.StatusCode}
	}
	if resp.ContentLength > limit {
		return fetched{}, errTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return fetched{}, ended(ctx, err)
	}
	if int64(len(data)) > limit {
		return fetched{}, errTooLarge
	}
	return fetched{data, resp.Header.Get("Content-Type"), u}, nil
}

// ended is the cause of ctx, or err.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// statusError is a status other than 200.
type statusError struct{ code int }

// Error implements error.
func (e statusError) Error() string {
	return fmt.Sprintf("the answer is %d %s", e.code, http.StatusText(e.code))
}

// passing reports whether a source may be read later.
func passing(err error) bool {
	if s, ok := errors.AsType[statusError](err); ok {
		return s.code == http.StatusRequestTimeout || s.code == http.StatusTooManyRequests || s.code >= 500
	}
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Kind() == fault.Unavailable
}
