package config

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/runlog"
)

const (
	originDefault = "default"
	fileFlag      = "config"
	fileEnv       = "RUNSHEET_CONFIG"
)

// Sources are where Load looks.
type Sources struct {
	// Flags are those that AddFlags added, parsed; nil = none.
	Flags *pflag.FlagSet
	// Env is os.LookupEnv, or a test's; nil = an empty environment.
	Env func(string) (string, bool)
}

// AddFlags adds all flags of the configuration to fs.
func AddFlags(fs *pflag.FlagSet) {
	fs.String(fileFlag, "", "YAML configuration `file` (RUNSHEET_CONFIG)")
	AddDataFlag(fs)
	for _, k := range keys() {
		k = k.named()
		if k.flag == "" || k.name == "data" {
			continue
		}
		help := fmt.Sprintf("%s (%s)", k.help, k.env)
		v := &value{bool: k.bool, text: k.show(defaults(nil))}
		f := fs.VarPF(v, k.flag, "", help)
		if k.bool {
			f.NoOptDefVal = "true"
		}
	}
}

// AddDataFlag adds only --data, for commands that need the data folder and
// nothing else.
func AddDataFlag(fs *pflag.FlagSet) {
	fs.String("data", "", "data `folder` (RUNSHEET_DATA; default $XDG_DATA_HOME/runsheet or ~/.local/share/runsheet)")
}

// value is a flag that keeps its text; the key reads it.
type value struct {
	text string
	bool bool
}

func (v *value) String() string { return v.text }

func (v *value) Set(s string) error {
	v.text = s
	return nil
}

func (v *value) Type() string {
	if v.bool {
		return "bool"
	}
	return "string"
}

// defaults is the configuration of someone who says nothing.
func defaults(env func(string) (string, bool)) Config {
	c := Config{
		Listen:        "127.0.0.1:8420",
		Workers:       1,
		StopGrace:     10 * time.Second,
		CheckpointTTL: time.Hour,
		LeaseTTL:      30 * time.Second,
		Schedules:     defaultSchedules(),
		LogLevel:      slog.LevelInfo,
		LogFormat:     "text",
		LogMaxBytes:   runlog.DefaultMaxBytes,

		ArtifactMaxBytes: 1 << 30, RunMaxBytes: 4 << 30,
		RetentionDays: 30, RetentionRuns: 100_000, RetentionEventsDays: 30,

		Timezone: "UTC",
		Legacy:   true,

		LegacyTimezone: "Asia/Seoul",
		OIDC:           defaultOIDC(),
		Notify:         defaultNotify(),
		LLM:            defaultLLM(),
		origins:        map[string]string{},
	}
	if env != nil {
		c.Data = defaultData(env)
	}
	return c
}

// Load reads all sources and validates what they say. The error is a fault
// with code invalid_input whose detail names the value and its origin.
func Load(s Sources) (Config, error) {
	if s.Env == nil {
		s.Env = func(string) (string, bool) { return "", false }
	}
	c := defaults(s.Env)
	if err := c.readFile(s); err != nil {
		return Config{}, err
	}
	for _, k := range keys() {
		k = k.named()
		if v, ok := s.Env(k.env); ok {
			if err := c.set(k, v, "environment "+k.env); err != nil {
				return Config{}, err
			}
		}
		if v, ok := s.changed(k.flag); ok {
			if err := c.set(k, v, "flag --"+k.flag); err != nil {
				return Config{}, err
			}
		}
	}
	return c.finish()
}

// DataFolder is the data folder that Load would choose, for programs that use
// nothing else of the configuration. It reads the file too.
func DataFolder(s Sources) (string, error) {
	c, err := Load(s)
	return c.Data, err
}

func (s Sources) changed(name string) (string, bool) {
	if s.Flags == nil || name == "" {
		return "", false
	}
	f := s.Flags.Lookup(name)
	if f == nil || !f.Changed {
		return "", false
	}
	return f.Value.String(), true
}

func (c *Config) readFile(s Sources) error {
	path, origin := "", ""
	if v, ok := s.Env(fileEnv); ok && v != "" {
		path, origin = v, "environment "+fileEnv
	}
	if v, ok := s.changed(fileFlag); ok {
		path, origin = v, "flag --"+fileFlag
	}
	if path == "" {
		return nil
	}
	entries, err := parseFile(path)
	if err != nil {
		return err
	}
	c.File, c.origins["config"] = path, origin
	byName := map[string]key{}
	for _, k := range keys() {
		byName[k.name] = k
	}
	for _, e := range entries {
		k, ok := byName[e.name]
		if !ok {
			return fault.Newf(fault.InvalidInput, "%s: unknown key %q", e.place, e.name).
				WithHint("known keys: " + strings.Join(names(), ", "))
		}
		if err := c.set(k, e.text, "file "+e.place); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) set(k key, v, origin string) error {
	if err := k.set(c, v); err != nil {
		return fault.Newf(fault.InvalidInput, "%s (%s): %v", k.name, origin, err)
	}
	c.origins[k.name] = origin
	return nil
}

// finish checks what concerns more than one value.
func (c *Config) finish() (Config, error) {
	abs, err := filepath.Abs(c.Data)
	if err != nil {
		return Config{}, fault.Newf(fault.InvalidInput, "data (%s): %v", c.origin("data"), err)
	}
	c.Data = abs
	if c.Secrets.KeyFile != "" {
		if c.Secrets.KeyFile, err = filepath.Abs(c.Secrets.KeyFile); err != nil {
			return Config{}, fault.Newf(fault.InvalidInput, "secrets.key_file (%s): %v", c.origin("secrets.key_file"), err)
		}
	}
	if err := c.checkTLS(); err != nil {
		return Config{}, err
	}
	if !Loopback(c.Listen) && !c.BehindProxy && !c.TLS() {
		return Config{}, fault.Newf(fault.InvalidInput,
			"listen (%s): %q can be reached from other machines, and this server does not speak TLS", c.origin("listen"), c.Listen).
			WithHint("listen on 127.0.0.1, set tls_cert and tls_key (--tls-cert, --tls-key), or put a reverse proxy with TLS in front and set behind_proxy (--behind-proxy)")
	}
	if err := c.finishNotify(); err != nil {
		return Config{}, err
	}
	if err := c.finishOIDC(); err != nil {
		return Config{}, err
	}
	if err := c.finishLLM(); err != nil {
		return Config{}, err
	}
	return *c, c.checkBlobKeys()
}

// checkTLS makes sure that a certificate has its key.
func (c *Config) checkTLS() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return fault.New(fault.InvalidInput, "tls_cert and tls_key belong together: one of them is missing")
	}
	for name, path := range map[string]*string{"tls_cert": &c.TLSCert, "tls_key": &c.TLSKey} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fault.Newf(fault.InvalidInput, "%s (%s): %v", name, c.origin(name), err)
		}
		*path = abs
	}
	return nil
}

// checkBlobKeys makes sure that a bucket has its keys.
func (c *Config) checkBlobKeys() error {
	if (c.BlobAccessKey == "") != (c.BlobSecretKey == "") {
		return fault.New(fault.InvalidInput, "blob_access_key and blob_secret_key belong together: one of them is missing")
	}
	if strings.HasPrefix(c.BlobURL, "s3:") && c.BlobAccessKey == "" {
		return fault.Newf(fault.InvalidInput, "blob_url (%s) names a bucket, which needs blob_access_key and blob_secret_key", c.origin("blob_url")).
			WithHint("set RUNSHEET_BLOB_ACCESS_KEY and RUNSHEET_BLOB_SECRET_KEY")
	}
	return nil
}

func names() []string {
	var out []string
	for _, k := range keys() {
		out = append(out, k.name)
	}
	return out
}
