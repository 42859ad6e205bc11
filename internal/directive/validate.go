package directive

import (
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/fault"
)

// Bounds of a directive's content.
const (
	// MaxSystem bounds the system prompt, in bytes.
	MaxSystem = 32 << 10
	// MaxAllowed bounds each list of Allow.
	MaxAllowed = 200
	// MaxTime bounds Limits.Time.
	MaxTime = 366 * 24 * time.Hour

	maxPattern     = 1024 // bytes
	maxTemperature = 2
)

var (
	hostName      = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)
	containerName = regexp.MustCompile(`^[A-Za-z0-9_.*?-]{1,128}$`)
)

// Validate reports what cannot be meant, as a fault with code invalid_input and
// pointers into the JSON form of the API.
func (c Content) Validate() error {
	bad := func(pointer, code, detail string) error {
		return fault.New(fault.InvalidInput, "the directive cannot be used").At(pointer, code, detail)
	}
	switch {
	case len(c.System) > MaxSystem:
		return bad("/system_prompt", "too_long", "at most "+strconv.Itoa(MaxSystem)+" bytes")
	case !utf8.ValidString(c.System) || strings.ContainsRune(c.System, 0):
		return bad("/system_prompt", "encoding", "must be UTF-8 without NUL")
	case c.Temperature != nil && (*c.Temperature < 0 || *c.Temperature > maxTemperature || *c.Temperature != *c.Temperature):
		return bad("/temperature", "out_of_range", "must be 0 to 2")
	case c.ContextTokens < 0:
		return bad("/context_tokens", "out_of_range", "must not be negative")
	case c.Limits.Tokens < 0:
		return bad("/limits/tokens", "out_of_range", "must not be negative")
	case c.Limits.CallTokens < 0:
		return bad("/limits/call_tokens", "out_of_range", "must not be negative")
	case c.Limits.TimeMS < 0 || c.Limits.TimeMS > MaxTime.Milliseconds():
		return bad("/limits/time", "out_of_range", "must be PT0S to PT8784H")
	}
	for _, l := range []struct {
		name  string
		items []string
		wrong func(string) string
	}{{"files", c.Allow.Files, wrongFile}, {"hosts", c.Allow.Hosts, wrongHost}, {"containers", c.Allow.Containers, wrongContainer}} {
		at := "/allow/" + l.name
		if len(l.items) > MaxAllowed {
			return bad(at, "too_long", "at most "+strconv.Itoa(MaxAllowed)+" items")
		}
		for i, item := range l.items {
			if why := l.wrong(item); why != "" {
				return bad(at+"/"+strconv.Itoa(i), "format", why)
			}
		}
	}
	return nil
}

// wrongFile says what is wrong with a pattern of files; "" = nothing. A pattern
// that is no clean absolute path would match nothing, or something else than it
// seems to.
func wrongFile(pattern string) string {
	dir := strings.TrimSuffix(pattern, "/")
	switch {
	case len(pattern) > maxPattern || !utf8.ValidString(pattern) || strings.ContainsFunc(pattern, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "must be at most 1024 bytes of UTF-8 without control characters"
	case !path.IsAbs(pattern) && !windowsAbs(pattern):
		return "must be an absolute path with forward slashes"
	case pattern != "/" && path.Clean(dir) != dir:
		return "must be a clean path, without . and .. and double slashes"
	}
	for elem := range strings.SplitSeq(dir, "/") {
		if strings.Contains(elem, "**") && elem != "**" {
			return "** must stand alone between slashes"
		}
		if _, err := path.Match(elem, ""); err != nil {
			return "is not a pattern"
		}
	}
	return ""
}

func wrongHost(host string) string {
	const why = "must be a host's name such as example.org, *.example.org or example.org:8443, without scheme and path"
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		if n, err := strconv.ParseUint(host[i+1:], 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != host[i+1:] {
			return why
		}
		name = host[:i]
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		if ip, err := netip.ParseAddr(inner); !closed || err != nil || !ip.Is6() {
			return why
		}
		return ""
	}
	if len(name) > 253 || !hostName.MatchString(name) {
		return why
	}
	return ""
}

func wrongContainer(name string) string {
	if !containerName.MatchString(name) {
		return "must be a container's name: letters, digits and _ . -, with * and ? as wildcards, at most 128"
	}
	return ""
}
