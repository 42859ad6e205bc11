package secret

import (
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// Grant allows uses of a secret. Its patterns are those of path.Match; "*" alone
// stands for everything.
type Grant struct {
	// WorkflowID is the id of a workflow, or a pattern.
	WorkflowID string `json:"workflow_id"`
	// Kinds are kinds of nodes such as "action/api_call", or patterns such as
	// "notification/*". At least one.
	Kinds []string `json:"kinds"`
	// Hosts are where the nodes may send to: "host" (any port), "host:port", or
	// "*.suffix" for all hosts below a suffix, each with or without a port. Empty =
	// only nodes that have no target, such as action/command.
	Hosts []string `json:"hosts"`
}

// Use is what somebody wants a secret for.
type Use struct {
	WorkflowID string
	// Kind of the node, "type/subtype".
	Kind string
	// Host is where the node sends to, with its port; "" = the kind has no target.
	Host string
}

// Allows reports whether g allows a use.
func (g Grant) Allows(u Use) bool {
	if u.WorkflowID == "" || u.Kind == "" || !matches(g.WorkflowID, u.WorkflowID) || !anyOf(g.Kinds, u.Kind, matches) {
		return false
	}
	if u.Host == "" {
		// What has no target can send anywhere: a grant that names hosts is not for it.
		return len(g.Hosts) == 0
	}
	return anyOf(g.Hosts, u.Host, hostMatches)
}

func anyOf(patterns []string, s string, match func(pattern, s string) bool) bool {
	for _, p := range patterns {
		if match(p, s) {
			return true
		}
	}
	return false
}

func matches(pattern, s string) bool {
	if pattern == "*" {
		return true
	}
	ok, err := path.Match(pattern, s)
	return err == nil && ok
}

// hostMatches compares a host with its port, or without, to a pattern. A pattern
// with a port fits only hosts with that port.
func hostMatches(pattern, host string) bool {
	if pattern == "*" {
		return true
	}
	wantName, wantPort, ok := splitHost(pattern)
	name, port, okHost := splitHost(host)
	if !ok || !okHost || wantPort != "" && wantPort != port {
		return false
	}
	if suffix, below := strings.CutPrefix(wantName, "*"); below {
		return len(name) > len(suffix) && strings.HasSuffix(name, suffix)
	}
	return name == wantName
}

// splitHost separates "host", "host:port", "1.2.3.4:80", "[::1]:80" and "::1",
// in lower case and without the root's dot.
func splitHost(s string) (name, port string, ok bool) {
	name = s
	if inner, bracket := strings.CutPrefix(s, "["); bracket {
		if name, port, ok = strings.Cut(inner, "]"); !ok || !strings.Contains(name, ":") {
			return "", "", false
		}
		if port != "" {
			if port, ok = strings.CutPrefix(port, ":"); !ok || !validPort(port) {
				return "", "", false
			}
		}
	} else if strings.Count(s, ":") == 1 {
		if name, port, _ = strings.Cut(s, ":"); !validPort(port) {
			return "", "", false
		}
	}
	if strings.Contains(name, ":") {
		ip, err := netip.ParseAddr(name)
		return ip.String(), port, err == nil
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name, port, name != "" && !strings.ContainsAny(name, "/@[]%?#\\ ")
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= 65535 && strconv.Itoa(n) == s
}

// CheckGrants returns invalid_input, with a place below at, for grants that could
// never be used or that say too much by mistake.
func CheckGrants(grants []Grant, at string) error {
	bad := func(where, code, text string) error {
		return fault.New(fault.InvalidInput, "the grants cannot be used").At(at+where, code, text)
	}
	if len(grants) > MaxGrants {
		return bad("", "too_many", "must be "+strconv.Itoa(MaxGrants)+" at most")
	}
	for i, g := range grants {
		one := "/" + strconv.Itoa(i)
		if !validPattern(g.WorkflowID) {
			return bad(one+"/workflow_id", "pattern", "must be a workflow's id, in which * and ? stand for anything")
		}
		if len(g.Kinds) == 0 || len(g.Kinds) > MaxListed {
			return bad(one+"/kinds", "count", "must name 1 to "+strconv.Itoa(MaxListed)+" kinds of nodes, such as action/api_call")
		}
		for k, kind := range g.Kinds {
			if !validPattern(kind) {
				return bad(one+"/kinds/"+strconv.Itoa(k), "pattern", "must be a kind of node such as action/api_call, in which * and ? stand for anything")
			}
		}
		if len(g.Hosts) > MaxListed {
			return bad(one+"/hosts", "count", "must name "+strconv.Itoa(MaxListed)+" hosts at most")
		}
		for k, host := range g.Hosts {
			if !validHost(host) {
				return bad(one+"/hosts/"+strconv.Itoa(k), "format", "must be host, host:port, *.suffix or *")
			}
		}
	}
	return nil
}

func validPattern(p string) bool {
	if p == "" || len(p) > 200 || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r > 0x7e }) {
		return false
	}
	_, err := path.Match(p, "")
	return err == nil
}

func validHost(p string) bool {
	if p == "*" {
		return true
	}
	if len(p) > 260 || strings.ContainsFunc(p, func(r rune) bool { return r > 0x7e }) {
		return false
	}
	name, _, ok := splitHost(p)
	if !ok {
		return false
	}
	if strings.Contains(name, ":") {
		return true // an address
	}
	if rest, below := strings.CutPrefix(name, "*."); below {
		name = rest
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
