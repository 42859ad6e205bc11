package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/runsheet/runsheet/internal/fault"
)

// unreachable says which server could not be talked to and why, in words for
// the person who wrote the URL. The password is not among them.
func unreachable(cfg *pgx.ConnConfig, err error) error {
	addresses := []string{address(cfg.Host, cfg.Port)}
	for _, f := range cfg.Fallbacks { // other hosts, and the same ones without TLS
		if a := address(f.Host, f.Port); !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	verdict := "does not answer"
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		verdict = "refuses the connection"
	}
	text := fmt.Sprintf("the database at %s %s: %s", strings.Join(addresses, ", "), verdict, why(cfg, err))
	return fault.Wrap(err, fault.StorageUnavailable, text).
		WithHint("Check that PostgreSQL runs there, and host, port, database and user of --database-url (RUNSHEET_DATABASE_URL).")
}

func address(host string, port uint16) string {
	_, a := pgconn.NetworkAddress(host, port)
	return a
}

// why is the cause without the layers of the driver around it.
func why(cfg *pgx.ConnConfig, err error) string {
	var (
		pg  *pgconn.PgError
		dns *net.DNSError
		op  *net.OpError
	)
	text := err.Error()
	switch {
	case errors.As(err, &pg):
		text = pg.Message
	case errors.As(err, &dns):
		text = "the host name is not known (" + dns.Err + ")"
	case errors.As(err, &op):
		text = op.Err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		text = "no answer within " + cfg.ConnectTimeout.String()
	}
	return hide(text, cfg.Password)
}

// invalidURL says what is wrong with a URL that cannot be read.
func invalidURL(raw string, err error) error {
	text := "the database URL is not valid"
	if cause := errors.Unwrap(err); cause != nil {
		password := ""
		u, parseErr := url.Parse(raw)
		if parseErr == nil && u.User != nil {
			password, _ = u.User.Password()
		}
		// What cannot be parsed may hold a password at any place.
		if parseErr == nil {
			text += ": " + hide(cause.Error(), password)
		}
	}
	return fault.Wrap(err, fault.InvalidInput, text)
}

func hide(text, password string) string {
	if password == "" {
		return text
	}
	return strings.ReplaceAll(text, password, "********")
}
