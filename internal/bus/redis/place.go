package redis

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// place is what a URL says.
type place struct {
	addr           string // host:port
	tls            *tls.Config
	user, password string
	// database names the channels: messages cross Redis databases, and
	// installations that share a server must not disturb each other.
	database int
}

// CheckURL returns nil when text is a URL that Open takes, and what is wrong with
// it otherwise, without repeating it: it may hold a password.
func CheckURL(text string) error {
	_, err := parse(text)
	return err
}

// parse reads redis://[[user]:password@]host[:port][/database], or rediss:// for
// TLS.
func parse(text string) (place, error) {
	var p place
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" || u.Opaque != "" {
		return p, errors.New("must be a URL such as redis://:password@host:6379/0, or rediss:// for TLS")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return p, errors.New("must not have a query or a fragment")
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return p, errors.New("must have a port from 1 to 65535")
	}
	p.addr = net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "rediss" {
		p.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	if u.User != nil {
		p.user = u.User.Username()
		p.password, _ = u.User.Password()
		if p.password == "" {
			return p, errors.New("must give a password with the user, as in redis://user:password@host")
		}
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		n, err := strconv.ParseUint(db, 10, 16)
		if err != nil {
			return p, errors.New("must end with the number of a database, such as /0, or with nothing")
		}
		p.database = int(n)
	}
	return p, nil
}
