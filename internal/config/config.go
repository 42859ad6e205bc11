// Package config is the server's configuration: one struct, its defaults and
// its rules.
//
// A value comes from the first of these that has one: a command line flag, an
// environment variable, the YAML file, the default. Each value keeps its
// origin, which `runsheet config print` shows. The file is strict: an unknown
// key, a doubled key or a value of the wrong kind fails with line and column.
//
//	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
//	config.AddFlags(flags)
//	cfg, err := config.Load(config.Sources{Flags: flags, Env: os.LookupEnv})
//
// Settings that people change while the server runs (the worker count after
// the first start, pausing) are not configuration: they live in the store.
package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"
	_ "time/tzdata" // zones also where the system has no zone files
)

// Config is the whole configuration. Load fills and validates it; a value is
// not changed afterwards.
type Config struct {
	// File is the YAML file that was read, "" if none.
	File string
	// Listen is the host:port of the API. Port 0 takes a free one.
	Listen string
	// BehindProxy says that a reverse proxy ends TLS in front of the server. A
	// Listen other than loopback needs it, or TLS.
	BehindProxy bool
	// TLSCert and TLSKey are absolute paths of PEM files; both are set or none.
	// With them the server speaks HTTPS only.
	TLSCert, TLSKey string
	// Pprof is the host:port, on loopback, of Go's profiles of the server; "" = off.
	Pprof string
	// AllowedHosts are names that requests may carry in Host, besides loopback
	// and the listen address; lower case, without port.
	AllowedHosts []string
	// AdminToken is a bearer token with all rights; "" = none.
	AdminToken Secret

	// Data is the absolute path of the data folder.
	Data string
	// DatabaseURL is a PostgreSQL URL; "" = SQLite inside Data.
	DatabaseURL Secret
	// RedisURL leads to a Redis server that carries hints between instances, as
	// redis.CheckURL wants it; "" = none.
	RedisURL Secret
	// CheckpointTTL is how long Redis keeps checkpoints of workflows; 0 = 1 h.
	CheckpointTTL time.Duration
	// BlobURL says where artifacts are kept, as blob.ParsePlace reads it, valid;
	// "" = inside Data.
	BlobURL string
	// BlobAccessKey and BlobSecretKey sign requests to a bucket; both are set or
	// none.
	BlobAccessKey, BlobSecretKey Secret
	// BlobSessionToken belongs to keys that are lent for a time; "" = lasting.
	BlobSessionToken Secret
	// ArtifactMaxBytes, RunMaxBytes and TenantQuotaBytes bound one artifact, those
	// of a run and those of a tenant; 0 = no limit.
	ArtifactMaxBytes, RunMaxBytes, TenantQuotaBytes int64
	// RetentionDays and RetentionRuns say for how long, and how many, finished runs
	// are kept; RetentionEventsDays is for events. 0 = for ever, all.
	RetentionDays, RetentionRuns, RetentionEventsDays int

	// Workers is the worker count of a new installation. Later the stored one
	// counts.
	Workers int
	// StopGrace is how long running work may take to end when the server stops.
	StopGrace time.Duration
	// LeaseTTL is how long an instance that falls silent keeps its jobs.
	LeaseTTL time.Duration
	// CommandAllow are the executables that command jobs may start: absolute
	// paths, patterns of path.Match, or "*". Empty = the job type is off.
	CommandAllow []string
	// OutboundAllow are targets beside public addresses that http jobs may reach,
	// as outbound.CheckAllow wants them.
	OutboundAllow []string
	// OIDC is logging in at an OpenID provider.
	OIDC OIDC
	// Notify is how workflows tell people something.
	Notify Notify
	// Readable is what workflows may read.
	Readable Readable
	// LLM is the servers of language models.
	LLM LLM
	// Demo adds demonstration data and allows a few harmless commands.
	Demo bool

	// LogLevel is the least severe level of the server's own log.
	LogLevel slog.Level
	// LogFormat is "text" or "json".
	LogFormat string
	// LogMaxBytes is the cap of one run's log in bytes.
	LogMaxBytes int64
	// CalendarsDir is the folder of calendar packs; "" = calendars inside Data,
	// which need not exist.
	CalendarsDir string
	// Secrets says where their master key is.
	Secrets Secrets
	// Schedules says how schedules are fired.
	Schedules Schedules
	// Timezone is the IANA zone of new schedules, valid.
	Timezone string
	// Legacy says whether the endpoints outside of /api answer that programs of an
	// earlier time use.
	Legacy bool
	// LegacyTimezone is the IANA zone of schedules that are made there without one.
	LegacyTimezone string
	// LLMCreateMissing says that a job which names a directive that does not exist
	// makes one.
	LLMCreateMissing bool
	// LLMGPUs are rules "MODEL=LOCK" for models that share a device, and
	// LLMGPUCapacity "LOCK=NUMBER" for devices that more than one may use.
	LLMGPUs, LLMGPUCapacity []string

	origins map[string]string
}

// TLS reports whether the server speaks HTTPS.
func (c Config) TLS() bool { return c.TLSCert != "" }

// Secret is text that is never shown. The zero value means that none is set.
type Secret string

// masked stands for a secret wherever one would be printed.
const masked = "********"

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the value from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// Setting is one value for a person.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	// Origin is "default", "file F:LINE:COLUMN", "environment NAME" or "flag --name".
	Origin string `json:"origin"`
}

// Settings lists all values in the order of the documentation, secrets masked.
func (c Config) Settings() []Setting {
	out := []Setting{{Key: "config", Value: c.File, Origin: c.origin("config")}}
	for _, k := range keys() {
		out = append(out, Setting{Key: k.name, Value: k.show(c), Origin: c.origin(k.name)})
	}
	return out
}

func (c Config) origin(key string) string {
	if o, ok := c.origins[key]; ok {
		return o
	}
	return originDefault
}

// defaultData is $XDG_DATA_HOME/runsheet, else ~/.local/share/runsheet (on
// Windows %LocalAppData%\runsheet), else ./data.
func defaultData(env func(string) (string, bool)) string {
	if dir, ok := env("XDG_DATA_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "runsheet")
	}
	if runtime.GOOS == "windows" {
		if dir, ok := env("LocalAppData"); ok && filepath.IsAbs(dir) {
			return filepath.Join(dir, "runsheet")
		}
	}
	home, ok := env("HOME")
	if !ok || !filepath.IsAbs(home) {
		var err error
		if home, err = os.UserHomeDir(); err != nil || !filepath.IsAbs(home) {
			return "data"
		}
	}
	return filepath.Join(home, ".local", "share", "runsheet")
}
