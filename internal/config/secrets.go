package config

import (
	"path/filepath"

	"github.com/runsheet/runsheet/internal/vault"
)

// Secrets says where the master key of secrets is.
type Secrets struct {
	// Key is the key itself, as vault.ParseKey reads it; "" = it is in the file.
	Key Secret
	// KeyFile is an absolute path; "" = secrets.key inside the data folder.
	KeyFile string
}

// SecretsKeyFile is the path of the key file, which is not used if there is a key.
func (c Config) SecretsKeyFile() string {
	if c.Secrets.KeyFile != "" {
		return c.Secrets.KeyFile
	}
	return filepath.Join(c.Data, "secrets.key")
}

func secretsKeys() []key {
	return []key{
		{
			name: "secrets.key", help: "master key that secrets are encrypted with, 32 bytes in base64; without it in secrets.key_file",
			set: func(c *Config, v string) error {
				c.Secrets.Key = Secret(v)
				if v == "" {
					return nil
				}
				_, err := vault.ParseKey(v)
				return err
			},
			show: func(c Config) string { return c.Secrets.Key.String() },
		},
		renamed("secrets-key-file", text("secrets.key_file", "file with the master key of secrets; without it secrets.key in the data folder, made when SQLite needs it first",
			func(c *Config) *string { return &c.Secrets.KeyFile }, anything)),
	}
}
