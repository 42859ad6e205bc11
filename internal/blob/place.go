package blob

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Place says where blobs are kept. Either Dir or Bucket is set.
type Place struct {
	// Dir is the absolute path of a folder.
	Dir string

	// Bucket is the name of an S3 bucket, which must exist.
	Bucket string
	// Prefix begins all names in the bucket; "" or ending with a slash.
	Prefix string
	// Endpoint is the host[:port] of the S3 server.
	Endpoint string
	// Plain is HTTP without TLS.
	Plain bool
	// Region is the bucket's; "" = the server is asked.
	Region string
	// PathStyle puts the bucket's name into the path of a URL, not into its host.
	PathStyle bool
}

// amazon is the endpoint where none is given.
const amazon = "s3.amazonaws.com"

// ParsePlace reads file:///absolute/folder or
// s3://bucket/prefix?endpoint=...&region=...&path_style=.... The endpoint is
// host[:port] with TLS, or a URL with http or https; without it, it is Amazon's.
// Without path_style, it is on except at Amazon, and without region it is
// us-east-1 except there. An error does not repeat the URL, because somebody may
// have put a password into it.
func ParsePlace(text string) (Place, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Place{}, errors.New("must be a well-formed URL")
	}
	if u.User != nil {
		return Place{}, errors.New("must not contain a user or a password; keys have settings of their own")
	}
	if u.Fragment != "" {
		return Place{}, errors.New("must not contain a #")
	}
	switch u.Scheme {
	case "file":
		return folderPlace(u)
	case "s3":
		return bucketPlace(u)
	}
	return Place{}, errors.New("must begin with file:// or s3://")
}

func folderPlace(u *url.URL) (Place, error) {
	dir := filepath.FromSlash(u.Path)
	if vol := filepath.VolumeName(strings.TrimPrefix(dir, string(filepath.Separator))); vol != "" {
		dir = dir[1:] // file:///C:/folder
	}
	if u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || !filepath.IsAbs(dir) {
		return Place{}, errors.New("must name a folder by its absolute path, such as file:///srv/artifacts")
	}
	return Place{Dir: filepath.Clean(dir)}, nil
}

func bucketPlace(u *url.URL) (Place, error) {
	p := Place{Bucket: u.Host, Endpoint: amazon}
	if !plainName(p.Bucket, "") || len(p.Bucket) < 3 || len(p.Bucket) > 63 {
		return Place{}, errors.New("must name a bucket of 3 to 63 characters: s3://bucket/prefix?endpoint=https://host")
	}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		for part := range strings.SplitSeq(prefix, "/") {
			if part == "" || part == "." || part == ".." || !plainName(part, "_=") {
				return Place{}, errors.New("the prefix may have letters, digits and .-_= between single slashes")
			}
		}
		p.Prefix = prefix + "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Place{}, errors.New("must have a well-formed query after the question mark")
	}
	for name, values := range query {
		if !slices.Contains([]string{"endpoint", "region", "path_style"}, name) {
			// A key that was put here would show if the name were repeated.
			return Place{}, errors.New("may have the parameters endpoint, region and path_style only")
		}
		if len(values) != 1 || values[0] == "" {
			return Place{}, fmt.Errorf("needs one value of %s", name)
		}
	}
	if err := p.server(query.Get("endpoint")); err != nil {
		return Place{}, err
	}
	if p.Region = query.Get("region"); !plainName(p.Region, "") {
		return Place{}, errors.New("must have a plain region such as eu-central-1")
	}
	if atAmazon := p.Endpoint == amazon || strings.HasSuffix(p.Endpoint, ".amazonaws.com"); !atAmazon {
		p.PathStyle = true
		if p.Region == "" {
			p.Region = "us-east-1"
		}
	}
	if v := query.Get("path_style"); v != "" {
		if p.PathStyle, err = strconv.ParseBool(v); err != nil {
			return Place{}, errors.New("path_style must be true or false")
		}
	}
	return p, nil
}

// server reads the endpoint.
func (p *Place) server(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	e, err := url.Parse(endpoint)
	if err != nil || e.Host == "" || e.Hostname() == "" || e.User != nil || strings.Trim(e.Path, "/") != "" || e.RawQuery != "" || e.Fragment != "" ||
		e.Scheme != "http" && e.Scheme != "https" {
		return errors.New("endpoint must be host:port, http://host:port or https://host:port")
	}
	p.Endpoint, p.Plain = e.Host, e.Scheme == "http"
	return nil
}

// plainName reports whether s has letters, digits, dots, dashes and the given
// others only.
func plainName(s, others string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-"+others, r)
	})
}

// String is the place for a person.
func (p Place) String() string {
	if p.Bucket == "" {
		return p.Dir
	}
	return "s3://" + p.Bucket + "/" + p.Prefix + " at " + p.Endpoint
}
