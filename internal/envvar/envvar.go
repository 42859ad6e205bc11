// Package envvar knows which environment variables a job may be given. The
// command job refuses the others; what makes command jobs of something else, such
// as a crontab, has to know them too.
package envvar

import (
	"regexp"
	"slices"
	"strings"
)

var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Valid reports whether a name has only letters, digits and _ and does not begin
// with a digit.
func Valid(n string) bool { return name.MatchString(n) }

// Reserved reports whether the server sets a variable itself: PATH, because it
// decides which programs run, and all that begins with RUNSHEET_.
func Reserved(n string) bool { return n == "PATH" || strings.HasPrefix(n, "RUNSHEET_") }

// injectors are variables that a loader, a shell or an interpreter takes code
// from. With them anyone who may set a variable could run anything in the name
// of an allowed executable. The list is a fence, not a wall: an allowed program
// may have such variables of its own.
var injectors = []string{
	"BASHOPTS", "BASH_ENV", "CLASSPATH", "DOTNET_STARTUP_HOOKS", "ENV", "GCONV_PATH", "GLIBC_TUNABLES", "IFS",
	"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "LESSCLOSE", "LESSOPEN", "LOCPATH", "LUA_CPATH", "LUA_INIT", "LUA_PATH",
	"GIT_ASKPASS", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND",
	"GIT_SEQUENCE_EDITOR", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_TEMPLATE_DIR", "MAKEFILES", "MAKEFLAGS",
	"NODE_OPTIONS", "NODE_PATH", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES",
	"PERL5DB", "PERL5LIB", "PERL5OPT", "PERLLIB", "PHPRC", "PHP_INI_SCAN_DIR", "PROMPT_COMMAND", "PS4",
	"PYTHONBREAKPOINT", "PYTHONHOME", "PYTHONINSPECT", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE",
	"RSYNC_RSH", "RUBYLIB", "RUBYOPT", "SHELLOPTS", "TAR_OPTIONS", "ZDOTDIR", "_JAVA_OPTIONS",
}

// Injects reports whether a variable makes an allowed program run other code.
func Injects(n string) bool {
	up := strings.ToUpper(n)
	for _, prefix := range []string{"LD_", "DYLD_", "BASH_FUNC_", "GIT_CONFIG"} {
		if strings.HasPrefix(up, prefix) {
			return true
		}
	}
	return slices.Contains(injectors, up)
}
