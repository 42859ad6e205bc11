package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/outbound"
)

// key is one setting: its names, and how it is read and shown. All sources
// give text, so that a value means the same wherever it stands.
type key struct {
	name string // in the file; a dot is a level
	env  string
	flag string // "" = only file and environment
	help string
	bool bool // the flag needs no value
	set  func(*Config, string) error
	show func(Config) string
}

// minTokenLen is the least length of an admin token in characters.
const minTokenLen = 32

// keys is the whole configuration, in the order in which it is shown.
func keys() []key {
	return append([]key{
		text("listen", "address of the API, host:port; port 0 takes a free one", func(c *Config) *string { return &c.Listen }, checkListen),
		flag("behind_proxy", "a reverse proxy in front ends TLS: allow to listen on other than loopback", func(c *Config) *bool { return &c.BehindProxy }),
		text("tls_cert", "PEM file with the certificate for HTTPS; read again when it changes", func(c *Config) *string { return &c.TLSCert }, anything),
		text("tls_key", "PEM file with the key of tls_cert", func(c *Config) *string { return &c.TLSKey }, anything),
		pprofKey(), list("allowed_hosts", "host names that requests may carry, comma-separated", func(c *Config) *[]string { return &c.AllowedHosts }, checkHost),
		{
			name: "admin_token", help: "bearer token with all rights, 32 characters or more",
			set: func(c *Config, v string) error {
				if v != "" && len([]rune(v)) < minTokenLen {
					return fmt.Errorf("must have %d characters or more", minTokenLen)
				}
				if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
					return errors.New("must not contain white space or control characters")
				}
				c.AdminToken = Secret(v)
				return nil
			},
			show: func(c Config) string { return c.AdminToken.String() },
		},
		text("data", "data folder", func(c *Config) *string { return &c.Data }, func(v string) error {
			if v == "" {
				return errors.New("must not be empty")
			}
			return nil
		}),
		{
			name: "database_url", flag: "database-url", help: "PostgreSQL URL; without it SQLite in the data folder",
			set: func(c *Config, v string) error { c.DatabaseURL = Secret(v); return checkDatabase(v) },
			show: func(c Config) string {
				if u, err := url.Parse(c.DatabaseURL.Reveal()); err == nil && u.RawQuery == "" {
					return u.Redacted()
				}
				return c.DatabaseURL.String()
			},
		},
		redisURL(), duration("checkpoint_ttl", "time that Redis keeps checkpoints of workflows, 1m to 24h; the database has them all", time.Minute, 24*time.Hour, func(c *Config) *time.Duration { return &c.CheckpointTTL }),
		text("blob_url", "where artifacts and run logs are kept: file:///folder or s3://bucket/prefix?endpoint=https://host; without it in the data folder",
			func(c *Config) *string { return &c.BlobURL }, checkBlob),
		secret("blob_access_key", "access key of an S3 bucket", func(c *Config) *Secret { return &c.BlobAccessKey }),
		secret("blob_secret_key", "secret key of an S3 bucket", func(c *Config) *Secret { return &c.BlobSecretKey }),
		secret("blob_session_token", "session token of keys that are lent for a time", func(c *Config) *Secret { return &c.BlobSessionToken }),
		number("workers", "worker count of a new installation, 0 to 1024", 0, 1024, func(c *Config) *int { return &c.Workers }),
		duration("stop_grace", "time that running work has when the server stops, 0s to 1h", 0, time.Hour, func(c *Config) *time.Duration { return &c.StopGrace }),
		duration("lease_ttl", "time after which a silent instance loses its jobs, 5s to 10m", 5*time.Second, 10*time.Minute, func(c *Config) *time.Duration { return &c.LeaseTTL }),
		renamed("allow-command", list("command.allow", "executables that command jobs may start, comma-separated: absolute paths, patterns or *",
			func(c *Config) *[]string { return &c.CommandAllow }, checkAllow)),
		renamed("allow-outbound", list("outbound.allow", "targets that are not public and that jobs may reach, comma-separated: host:port, address:port or network:port",
			func(c *Config) *[]string { return &c.OutboundAllow }, outbound.CheckAllow)),
		flag("demo", "add demonstration data and allow a few harmless commands", func(c *Config) *bool { return &c.Demo }),
		{
			name: "log_level", flag: "log-level", help: "least severe level of the server's own log: debug, info, warn or error",
			set: func(c *Config, v string) error {
				i := slices.Index(levels, v)
				if i < 0 {
					return errors.New("must be debug, info, warn or error")
				}
				c.LogLevel = slog.Level(i*4 - 4)
				return nil
			},
			show: func(c Config) string { return strings.ToLower(c.LogLevel.String()) },
		},
		text("log_format", "form of the server's own log: text or json", func(c *Config) *string { return &c.LogFormat }, func(v string) error {
			if v != "text" && v != "json" {
				return errors.New("must be text or json")
			}
			return nil
		}),
		{
			name: "log_max_bytes", flag: "log-max-bytes", help: "cap of one run's log in bytes, 4KiB to 1GiB",
			set:  func(c *Config, v string) (err error) { c.LogMaxBytes, err = parseBytes(v); return err },
			show: func(c Config) string { return strconv.FormatInt(c.LogMaxBytes, 10) },
		},
		renamed("calendars-dir", text("calendars.dir", "folder with calendar packs, *.cal and *.zip; without it calendars in the data folder", func(c *Config) *string { return &c.CalendarsDir }, anything)),
		text("timezone", "IANA time zone of new schedules", func(c *Config) *string { return &c.Timezone }, checkZone),
		renamed("legacy-enabled", flag("legacy.enabled", "answer at /queue, /jobs, /schedules and /scheduler as well, for programs of an earlier time", func(c *Config) *bool { return &c.Legacy })),
		renamed("llm-create-missing-directive", flag("llm.create_missing_directive", "a job that names a directive which does not exist makes one that says and allows nothing", func(c *Config) *bool { return &c.LLMCreateMissing })),
	}, slices.Concat(secretsKeys(), scheduleKeys(), fileKeys(), oidcKeys(), llmKeys(), gpuKeys(), notifyKeys(), sourceKeys())...)
}

// levels has slog's levels -4, 0, 4 and 8. Read-only.
var levels = []string{"debug", "info", "warn", "error"}

// named fills in the names that follow from the name in the file.
func (k key) named() key {
	if k.env == "" {
		k.env = "RUNSHEET_" + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
	}
	return k
}

func renamed(flag string, k key) key {
	k.flag = flag
	return k
}

func text(name, help string, field func(*Config) *string, check func(string) error) key {
	return key{
		name: name, flag: strings.ReplaceAll(name, "_", "-"), help: help,
		set: func(c *Config, v string) error {
			*field(c) = v
			return check(v)
		},
		show: func(c Config) string { return *field(&c) },
	}
}

// secret is a key without a flag, which other users of the machine could see.
func secret(name, help string, field func(*Config) *Secret) key {
	return key{
		name: name, help: help,
		set: func(c *Config, v string) error {
			if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				return errors.New("must not contain white space or control characters")
			}
			*field(c) = Secret(v)
			return nil
		},
		show: func(c Config) string { return field(&c).String() },
	}
}

func flag(name, help string, field func(*Config) *bool) key {
	return key{
		name: name, flag: strings.ReplaceAll(name, "_", "-"), help: help, bool: true,
		set: func(c *Config, v string) error {
			switch v {
			case "true", "1":
				*field(c) = true
			case "false", "0", "":
				*field(c) = false
			default:
				return errors.New("must be true or false")
			}
			return nil
		},
		show: func(c Config) string { return strconv.FormatBool(*field(&c)) },
	}
}

func list(name, help string, field func(*Config) *[]string, check func(string) error) key {
	return key{
		name: name, flag: strings.ReplaceAll(name, "_", "-"), help: help,
		set: func(c *Config, v string) error {
			var out []string
			for item := range strings.SplitSeq(v, ",") {
				if item = strings.TrimSpace(item); item == "" {
					continue
				}
				if err := check(item); err != nil {
					return err
				}
				out = append(out, item)
			}
			*field(c) = out
			return nil
		},
		show: func(c Config) string { return strings.Join(*field(&c), ",") },
	}
}

func number(name, help string, low, high int, field func(*Config) *int) key {
	return key{
		name: name, flag: strings.ReplaceAll(name, "_", "-"), help: help,
		set: func(c *Config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < low || n > high {
				return fmt.Errorf("must be a whole number from %d to %d", low, high)
			}
			*field(c) = n
			return nil
		},
		show: func(c Config) string { return strconv.Itoa(*field(&c)) },
	}
}

func duration(name, help string, low, high time.Duration, field func(*Config) *time.Duration) key {
	return key{
		name: name, flag: strings.ReplaceAll(name, "_", "-"), help: help,
		set: func(c *Config, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d < low || d > high {
				return fmt.Errorf("must be a duration such as 30s or 5m, from %s to %s", low, high)
			}
			*field(c) = d
			return nil
		},
		show: func(c Config) string { return field(&c).String() },
	}
}

func parseBytes(v string) (int64, error) {
	digits, factor := v, int64(1)
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if s, ok := strings.CutSuffix(v, unit); ok {
			digits, factor = strings.TrimSpace(s), 1<<(10*(i+1))
		}
	}
	const low, high = 4 << 10, 1 << 30
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n*factor < low || n*factor > high {
		return 0, errors.New("must be a number of bytes from 4KiB to 1GiB, such as 10485760 or 10MiB")
	}
	return n * factor, nil
}

func anything(string) error { return nil }

func checkListen(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("must be host:port, such as 127.0.0.1:8420")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("must end with a port from 0 to 65535")
	}
	return nil
}

func pprofKey() key {
	return text("pprof", "address on loopback, host:port, for Go's profiles of the server, which administrators may read; without it there are none",
		func(c *Config) *string { return &c.Pprof }, checkPprof)
}

// checkPprof refuses other machines: profiles are not behind TLS, and show how busy
// the server is with what.
func checkPprof(v string) error {
	if v == "" {
		return nil
	}
	if err := checkListen(v); err != nil {
		return err
	}
	if !Loopback(v) {
		return errors.New("must be an address on loopback, such as 127.0.0.1:6060")
	}
	return nil
}

// Loopback reports whether only this machine reaches a host:port.
func Loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func checkHost(v string) error {
	if v != strings.ToLower(v) || strings.ContainsAny(v, "/:@ *") {
		return fmt.Errorf("%q must be a host name in lower case, without scheme and port", v)
	}
	return nil
}

func checkAllow(v string) error {
	if v == "*" {
		return nil
	}
	if !filepath.IsAbs(v) {
		return fmt.Errorf("%q must be an absolute path, a pattern that begins like one, or *", v)
	}
	if _, err := path.Match(v, ""); err != nil {
		return fmt.Errorf("%q is not a well-formed pattern", v)
	}
	return nil
}

func checkDatabase(v string) error {
	if v == "" {
		return nil
	}
	// The parser's own message would repeat the URL and with it the password.
	if u, err := url.Parse(v); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("must be a URL that begins with postgres:// or postgresql://")
	}
	return nil
}

func checkBlob(v string) error {
	if v == "" {
		return nil
	}
	_, err := blob.ParsePlace(v)
	return err
}

func checkZone(v string) error {
	if v == "" || v == "Local" {
		return errors.New("must be an IANA time zone such as UTC or Europe/Zurich")
	}
	if _, err := time.LoadLocation(v); err != nil {
		return fmt.Errorf("%q is not a known IANA time zone", v)
	}
	return nil
}
