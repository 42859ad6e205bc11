package config

import (
	"errors"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// Readable says what data nodes of workflows may read on this server.
type Readable struct {
	// Folders are absolute; none = no files.
	Folders []string
	// Databases are URLs by name.
	Databases map[string]Secret
	names     []string // in the order in which they were given
}

var sourceName = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func sourceKeys() []key {
	return []key{
		renamed("sources-folders", list("sources.folders", "folders below which workflows may read files, absolute, comma-separated", func(c *Config) *[]string { return &c.Readable.Folders },
			func(v string) error {
				if !filepath.IsAbs(v) || filepath.Clean(v) == filepath.Dir(filepath.Clean(v)) {
					return errors.New("must be absolute folders, and not the whole file system")
				}
				return nil
			})),
		{
			name: "sources.databases", help: "databases from which workflows may read, comma-separated: NAME=postgres://... or NAME=sqlite:///path; a comma inside is %2C",
			set: func(c *Config, v string) error {
				c.Readable.Databases, c.Readable.names = map[string]Secret{}, nil
				for item := range strings.SplitSeq(v, ",") {
					if item = strings.TrimSpace(item); item == "" {
						continue
					}
					name, address, ok := strings.Cut(item, "=")
					if _, twice := c.Readable.Databases[name]; !ok || twice || !sourceName.MatchString(name) {
						return errors.New("each database is NAME=URL, its name once and of a-z, 0-9, _ and -")
					}
					if err := checkSource(address); err != nil {
						return err
					}
					c.Readable.Databases[name] = Secret(address)
					c.Readable.names = append(c.Readable.names, name)
				}
				return nil
			},
			show: func(c Config) string {
				out := make([]string, len(c.Readable.names))
				for i, name := range c.Readable.names {
					out[i] = name + "=" + c.Readable.Databases[name].String()
				}
				return strings.Join(out, ",")
			},
		},
	}
}

func checkSource(address string) error {
	u, err := url.Parse(address)
	if err == nil {
		switch u.Scheme {
		case "postgres", "postgresql":
			return nil
		case "sqlite":
			if u.Host == "" && filepath.IsAbs(u.Path) {
				return nil
			}
		}
	}
	return errors.New("the URL of a database must be postgres://... or sqlite:///path") // without the URL, which may have a password
}
