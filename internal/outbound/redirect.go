package outbound

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// MaxRedirects is the most that Do follows.
const MaxRedirects = 3

// redirects reports whether a status asks to look elsewhere.
func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// harmless are the headers that may go to another origin. All others may hold
// credentials, whatever their name.
var harmless = []string{"Accept", "Accept-Language", "User-Agent"}

// follow returns the request to which a redirect leads. The scheme stays: http
// after https would show everything to everybody, and https after http means that
// the URL of the job should be corrected. A request that changes something goes
// to its own origin only.
func (c *Client) follow(r Request, from *url.URL, location string, status int) (Request, *url.URL, error) {
	refuse := func(why string) (Request, *url.URL, error) {
		return r, nil, fault.Newf(fault.RedirectNotAllowed, "%s redirects %s", host(from), why)
	}
	next, err := from.Parse(location)
	if err != nil || strings.ContainsFunc(location, ambiguous) { // the text of err repeats the location
		return refuse("to something that is no URL")
	}
	if next.Scheme != from.Scheme {
		return refuse("to another scheme than " + from.Scheme)
	}
	to, err := c.Check(next.String())
	if err != nil {
		f := fault.From(err)
		if f.Code == fault.TargetNotAllowed {
			return r, nil, f
		}
		return refuse("to a place that cannot be followed: " + f.Detail)
	}
	post := r.Method == http.MethodPost && (status == http.StatusMovedPermanently || status == http.StatusFound)
	if post || status == http.StatusSeeOther && r.Method != http.MethodHead {
		r.Method, r.Body, r.Stream = http.MethodGet, nil, nil
		r.Header = r.Header.Clone()
		for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Idempotency-Key"} {
			r.Header.Del(name)
		}
	}
	if r.Stream != nil {
		return refuse("a body that can be sent only once")
	}
	r.URL = to.String()
	if origin(from) == origin(to) {
		return r, to, nil
	}
	if len(r.Body) > 0 || r.Method != "" && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuse("a " + r.Method + " to another host, " + host(to))
	}
	kept := http.Header{}
	for name, values := range r.Header {
		if slices.Contains(harmless, http.CanonicalHeaderKey(name)) {
			kept[name] = values
		}
	}
	r.Header = kept
	return r, to, nil
}
