//go:build unix

package testsvc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tool returns the path of a server that scripts/tool.sh knows, which is built
// when nobody has done so yet.
func tool(name string) (string, error) { return runTool(name) }

// builtTool is tool for what takes minutes to build: it is not built here.
func builtTool(name string) (string, error) { return runTool(name, "FIND_ONLY=1") }

func runTool(name string, env ...string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		script := filepath.Join(dir, "scripts", "tool.sh")
		if _, err := os.Stat(script); err == nil {
			cmd := exec.Command(script, name) //nolint:noctx // the build takes as long as the machine needs
			cmd.Env = append(os.Environ(), env...)
			out, err := cmd.Output()
			if err != nil {
				why := err.Error()
				if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == notBuilt {
					why = "not built; make llm-test builds it"
				}
				return "", &missing{fmt.Sprintf("%s (%s: %s)", name, script, why)}
			}
			return strings.TrimSpace(string(out)), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", &missing{name}
		}
		dir = up
	}
}

// notBuilt is how tool.sh exits with FIND_ONLY.
const notBuilt = 3
