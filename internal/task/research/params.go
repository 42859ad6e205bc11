package research

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
)

// defaultFindings is max_findings of params without it.
const defaultFindings = 40

// params is what a job says. The zero value of each field means that it was not
// given.
type params struct {
	Topic       string   `json:"topic"`
	Questions   []string `json:"questions"`
	Sources     []source `json:"sources"`
	Language    string   `json:"language"`
	Model       string   `json:"model"`
	Seed        *int64   `json:"seed"`
	Temperature *float64 `json:"temperature"`
	MaxFindings int      `json:"max_findings"`
}

// source is one of path, url and text.
type source struct {
	Path string `json:"path"`
	URL  string `json:"url"`
	Text string `json:"text"`
	Name string `json:"name"`
}

func decode(raw json.RawMessage) (params, error) {
	p := params{MaxFindings: defaultFindings}
	if len(raw) == 0 {
		return p, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fault.FromJSON(err, "params do not fit the schema of research")
	}
	return p, nil
}

// check finds all that is wrong with p by itself.
func (p params) check(client *outbound.Client) error {
	bad := fault.New(fault.InvalidInput, "params of research are not valid")
	for i, s := range p.Sources {
		at := pointer(i)
		given := 0
		for _, v := range []string{s.Path, s.URL, s.Text} {
			if v != "" {
				given++
			}
		}
		if given != 1 {
			bad = bad.At(at, "one_of", "must have one of path, url and text")
			continue
		}
		switch {
		case s.Path != "":
			if why := checkPath(s.Path); why != "" {
				bad = bad.At(at+"/path", "bad_path", why)
			}
		case s.URL != "":
			if _, err := client.Check(s.URL); err != nil {
				f := fault.From(err)
				bad = bad.At(at+"/url", string(f.Code), f.Detail)
			}
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// checkPath says what is wrong with a path, "" if nothing.
func checkPath(p string) string {
	switch {
	case strings.ContainsFunc(p, unicode.IsControl):
		return "must not have control characters"
	case !filepath.IsAbs(p):
		return "must be absolute: the server has no folder of yours"
	case strings.HasPrefix(filepath.ToSlash(p), "//"):
		return "must not be on another machine"
	case path.Clean(filepath.ToSlash(p)) != filepath.ToSlash(p):
		return "must be plain: without .., . and double slashes"
	}
	return ""
}

// allowed reports whether a directive names a source, as far as its name tells.
// Texts come with the params and need nobody's permission.
func (s source) allowed(d *directive.Snapshot) bool {
	switch {
	case s.Path != "":
		return d != nil && d.Content.Allow.File(filepath.ToSlash(s.Path))
	case s.URL != "":
		u, err := url.Parse(s.URL)
		return err == nil && d != nil && allowHost(d, u)
	}
	return true
}

func allowHost(d *directive.Snapshot, u *url.URL) bool {
	own := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	port := cmp.Or(u.Port(), own)
	return own != "" && d.Content.Allow.Host(u.Hostname(), port, port == own)
}

// label is what a refusal calls a source: the path, or scheme and host. The rest of
// a URL may hold secrets.
func (s source) label() string {
	if s.Path != "" {
		return s.Path
	}
	if u, err := url.Parse(s.URL); err == nil && s.URL != "" {
		return outbound.Origin(u)
	}
	return "text"
}

// guard refuses sources that the directive does not name.
func (p params) guard(d *directive.Snapshot) error {
	var found []directive.Outside
	for i, s := range p.Sources {
		if !s.allowed(d) {
			found = append(found, directive.Outside{At: i, Name: s.label()})
		}
	}
	return directive.Refuse(d, found)
}

func pointer(i int) string { return fmt.Sprintf("/sources/%d", i) }
