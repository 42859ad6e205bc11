package command

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/envvar"
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
		case !envvar.Valid(name):
			bad = bad.At(at, "bad_name", "a variable's name has letters, digits and _ and does not begin with a digit")
		case strings.HasPrefix(name, "RUNSHEET_"):
			bad = bad.At(at, "reserved", "names that begin with RUNSHEET_ are set by the server")
		case name == "PATH":
			bad = bad.At(at, "reserved", "PATH is set by the server, because it decides which programs run")
		case envvar.Injects(name):
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

// escape makes a name a token of a JSON pointer (RFC 6901).
func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}
