package doctor

import (
	"os"

	"github.com/runsheet/runsheet/internal/vault"
)

// secrets looks at the master key of secrets. Whether it is the one of the database
// is seen by the server, which says so when it starts.
func (e *exam) secrets() {
	const name = "secrets key"
	if e.Config.Secrets.Key != "" {
		e.ok(name, "given by the configuration")
		return
	}
	path := e.Config.SecretsKeyFile()
	key, err := vault.ReadKey(path)
	if err != nil {
		e.bad(Fail, name, "bring the key back from where you keep a copy; without it the secrets are lost", "%v", err)
		return
	}
	if key == nil {
		if e.Config.DatabaseURL != "" {
			e.bad(Warn, name, "give all instances the same key: RUNSHEET_SECRETS_KEY or secrets.key_file", "there is none, so no secret can be set")
			return
		}
		e.ok(name, "not made yet: no secret was set")
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		e.bad(Fail, name, "", "%v", err)
		return
	}
	if others := info.Mode().Perm() & 0o077; permissions && others != 0 {
		e.bad(Fail, name, "chmod 600 "+path, "others may use %s (mode %04o)", path, info.Mode().Perm())
		return
	}
	e.ok(name, "%s", path)
}
