// Package directive is the domain of directives: named, versioned sets of
// instructions and permissions under which work with language models is done.
//
// A directive says how a model is to be asked (system prompt, model, sampling),
// what the work may read (files, hosts, containers) and how much it may cost
// (tokens, time). Versions are immutable. A job is bound to the version that is
// current when it is added, and its runs keep that version for ever, so that
// what a run was allowed to do can always be told. Archiving a directive takes
// the permission away: jobs under it that have not begun fail.
//
// Everything here is pure.
package directive

import (
	"path"
	"strings"
	"time"
)

// Directive is a named, versioned set of instructions and permissions.
type Directive struct {
	ID     string
	Tenant string
	// Name is unique among the tenant's living directives, case-sensitive.
	Name string
	// Version counts from 1; every change that is not a no-op adds one.
	Version     int
	Description string
	Content     Content
	// Archived directives stay readable, and nothing is done under them.
	Archived  bool
	CreatedBy string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Content is what a version says. The zero value says nothing and allows
// nothing: the server's defaults hold, and no file, host or container may be
// read. It is stored as JSON: fields may be added, never renamed.
type Content struct {
	// System is put before every question, as the system prompt. It is stored, and
	// shown to whoever may read directives: it is no place for secrets.
	System string `json:"system_prompt,omitempty"`
	// Server is the name of the LLM server, "" = the first that has the model.
	Server string `json:"server,omitempty"`
	// Model is used where params name none; "" = the server's default model.
	Model string `json:"model,omitempty"`
	// Temperature is used where params have none; nil = the model's own.
	Temperature *float64 `json:"temperature,omitempty"`
	// ContextTokens is the size of the context window in tokens; 0 = the model's own.
	ContextTokens int    `json:"context_tokens,omitempty"`
	Allow         Allow  `json:"allow,omitzero"`
	Limits        Limits `json:"limits,omitzero"`
}

// Allow is what work may read. The zero value allows nothing.
type Allow struct {
	// Files are patterns of absolute paths with forward slashes. In a pattern *
	// and ? stand for what is no slash, and ** as a whole element for any number of
	// elements; one that ends with a slash, or with /**, allows everything below
	// it. Links are resolved before a path is compared.
	Files []string `json:"files,omitempty"`
	// Hosts are names that URLs may have, "example.org" or "*.example.org" (any
	// name below); without ":port" it is that of the scheme only. Private
	// addresses must be allowed by the server's configuration besides.
	Hosts []string `json:"hosts,omitempty"`
	// Containers are names of containers whose log may be read; * and ? as in a
	// path.
	Containers []string `json:"containers,omitempty"`
}

// Limits bound what one run may cost. The zero value means no limit but the
// job's own.
type Limits struct {
	// Tokens of prompts and completions of one run; it is checked between calls,
	// and what remains bounds the next. 0 = no limit.
	Tokens int64 `json:"tokens,omitempty"`
	// CallTokens is how many tokens one call may make; 0 = what the work needs.
	CallTokens int64 `json:"call_tokens,omitempty"`
	// TimeMS is how long one run may take, in milliseconds; 0 = no limit.
	TimeMS int64 `json:"time_ms,omitempty"`
}

// Time is how long one run may take; 0 = no limit.
func (l Limits) Time() time.Duration { return time.Duration(l.TimeMS) * time.Millisecond }

// Snapshot is the version under which a run works.
type Snapshot struct {
	ID, Name string
	Version  int
	Content  Content
}

// File reports whether a file may be read. p is absolute, clean, with forward
// slashes and without links.
func (a Allow) File(p string) bool {
	if !path.IsAbs(p) && !windowsAbs(p) || path.Clean(p) != p {
		return false
	}
	for _, pattern := range a.Files {
		if strings.HasSuffix(pattern, "/") {
			pattern += "**"
		}
		if matchPath(strings.Split(pattern, "/"), strings.Split(p, "/")) {
			return true
		}
	}
	return false
}

// windowsAbs reports whether p begins with a drive, C:/.
func windowsAbs(p string) bool {
	return len(p) >= 3 && p[1] == ':' && p[2] == '/' && (p[0]|0x20) >= 'a' && (p[0]|0x20) <= 'z'
}

// matchPath compares elements. Stars are handled from the back, so that the cost
// is that of the product of the lengths.
func matchPath(pattern, elems []string) bool {
	// reach[i] says that the pattern so far matches the first i elements.
	reach := make([]bool, len(elems)+1)
	reach[0] = true
	for _, want := range pattern {
		next := make([]bool, len(elems)+1)
		if want == "**" {
			on := false
			for i := range next {
				on = on || reach[i]
				next[i] = on
			}
		} else {
			for i, e := range elems {
				if ok, err := path.Match(want, e); reach[i] && err == nil && ok {
					next[i+1] = true
				}
			}
		}
		reach = next
	}
	return reach[len(elems)]
}

// Host reports whether a URL may have this host and port. port is the scheme's own
// where the URL has none, and standard says that it is that one.
func (a Allow) Host(host, port string, standard bool) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, want := range a.Hosts {
		want = strings.ToLower(want)
		name, wantPort := want, ""
		if i := strings.LastIndexByte(want, ':'); i >= 0 && !strings.HasSuffix(want, "]") {
			name, wantPort = want[:i], want[i+1:]
		}
		name = strings.Trim(name, "[]")
		if wantPort != "" && wantPort != port || wantPort == "" && !standard {
			continue
		}
		if name == host || strings.HasPrefix(name, "*.") && len(host) > len(name[1:]) && strings.HasSuffix(host, name[1:]) {
			return true
		}
	}
	return false
}

// Container reports whether the log of a container may be read.
func (a Allow) Container(name string) bool {
	for _, want := range a.Containers {
		if ok, err := path.Match(want, name); err == nil && ok {
			return true
		}
	}
	return false
}
