package command

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/process"
)

// params is what a job says. The zero value of each field means that it was not
// given.
type params struct {
	Argv      []string          `json:"argv"`
	Env       map[string]string `json:"env"`
	Stdin     string            `json:"stdin"`
	Artifacts []string          `json:"artifacts"`
	Limits    process.Limits    `json:"limits"`
}

func decode(raw json.RawMessage) (params, error) {
	var p params
	if len(raw) == 0 {
		return p, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fault.FromJSON(err, "params do not fit the schema of command")
	}
	return p, nil
}

// names are the environment's names, sorted so that runs are repeatable.
func (p params) names() []string { return slices.Sorted(maps.Keys(p.Env)) }

// maxString is the kernel's bound on one argument or variable (MAX_ARG_STRLEN),
// its final zero included.
const maxString = 128 << 10

// check finds all that is wrong with p by itself.
func (p params) check() error {
	bad := fault.New(fault.InvalidInput, "params of command are not valid")
	for i, s := range p.Argv {
		at := "/argv/" + strconv.Itoa(i)
		switch {
		case i == 0 && s == "":
			bad = bad.At(at, "empty", "the executable has no name")
		case strings.ContainsRune(s, 0):
			bad = bad.At(at, "nul", "an argument cannot contain a NUL character")
		case len(s) >= maxString:
			bad = bad.At(at, "too_long", "an argument is at most 131071 bytes long")
		}
	}
	for _, name := range p.names() {
		at := "/env/" + escape(name)
		value := p.Env[name]
		switch {
		case !envName.MatchString(name):
			bad = bad.At(at, "bad_name", "a variable's name has letters, digits and _ and does not begin with a digit")
		case strings.HasPrefix(name, "RUNSHEET_"):
			bad = bad.At(at, "reserved", "names that begin with RUNSHEET_ are set by the server")
		case name == "PATH":
			bad = bad.At(at, "reserved", "PATH is set by the server, because it decides which programs run")
		case injects(name):
			bad = bad.At(at, "unsafe_variable", "this variable makes an allowed program run other code")
		case strings.ContainsRune(value, 0):
			bad = bad.At(at, "nul", "a variable cannot contain a NUL character")
		case len(name)+1+len(value) >= maxString:
			bad = bad.At(at, "too_long", "a variable is at most 131071 bytes long, its name included")
		}
	}
	for i, s := range p.Artifacts {
		if err := checkPattern(s); err != nil {
			bad = bad.At("/artifacts/"+strconv.Itoa(i), "bad_pattern", err.Error())
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

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

func injects(name string) bool {
	up := strings.ToUpper(name)
	for _, prefix := range []string{"LD_", "DYLD_", "BASH_FUNC_", "GIT_CONFIG"} {
		if strings.HasPrefix(up, prefix) {
			return true
		}
	}
	return slices.Contains(injectors, up)
}

// escape makes a name a token of a JSON pointer (RFC 6901).
func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}
