package directive_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	hot, cold, nan, two := 2.01, -0.1, math.NaN(), 2.0
	files := func(p ...string) directive.Content { return directive.Content{Allow: directive.Allow{Files: p}} }
	hosts := func(h ...string) directive.Content { return directive.Content{Allow: directive.Allow{Hosts: h}} }
	containers := func(h ...string) directive.Content {
		return directive.Content{Allow: directive.Allow{Containers: h}}
	}
	for pointer, bad := range map[string][]directive.Content{
		"/system_prompt":        {{System: strings.Repeat("é", directive.MaxSystem/2+1)}, {System: "a\x00b"}, {System: "\xff"}},
		"/temperature":          {{Temperature: &hot}, {Temperature: &cold}, {Temperature: &nan}},
		"/context_tokens":       {{ContextTokens: -1}},
		"/limits/tokens":        {{Limits: directive.Limits{Tokens: -1}}},
		"/limits/call_tokens":   {{Limits: directive.Limits{CallTokens: -1}}},
		"/limits/time":          {{Limits: directive.Limits{TimeMS: -1}}, {Limits: directive.Limits{TimeMS: directive.MaxTime.Milliseconds() + 1}}},
		"/allow/files":          {files(slices.Repeat([]string{"/a"}, directive.MaxAllowed+1)...)},
		"/allow/files/0":        {files("a"), files(""), files("/a/../b"), files("/a//b"), files("/a/./b"), files("/a/b**"), files("/[a"), files("/a\nb"), files("/" + strings.Repeat("x", 1024)), files("/a//")},
		"/allow/files/1":        {files("/a", "./b")},
		"/allow/hosts/0":        {hosts(""), hosts("http://a"), hosts("a/b"), hosts("*"), hosts("a.*.b"), hosts("a:0"), hosts("a:65536"), hosts("a:080"), hosts("[1.2.3.4]"), hosts("[::1"), hosts("a b"), hosts("-a"), hosts("a..b")},
		"/allow/containers/0":   {containers(""), containers("a/b"), containers("a b"), containers(strings.Repeat("x", 129))},
		"/allow/containers":     {containers(slices.Repeat([]string{"a"}, directive.MaxAllowed+1)...)},
		"/allow/containers/199": {containers(append(slices.Repeat([]string{"a"}, 199), "ü")...)},
	} {
		for i, c := range bad {
			err := c.Validate()
			if !fault.Is(err, fault.InvalidInput) || fault.From(err).Fields[0].Pointer != pointer {
				t.Errorf("%s, case %d: %v", pointer, i, err)
			}
		}
	}
	good := directive.Content{
		System: strings.Repeat("x", directive.MaxSystem), Temperature: &two, ContextTokens: 8192,
		Allow: directive.Allow{
			Files:      append(slices.Repeat([]string{"/a"}, 193), "/", "/**", "/var/log/", "/var/**/x?.log", "C:/logs/*", "/a/[ab]*", "/ü"),
			Hosts:      []string{"example.org", "*.example.org", "a:8443", "[::1]", "[::1]:80", "10.0.0.1", "host_1"},
			Containers: []string{"web-*", "db_?.1"},
		},
		Limits: directive.Limits{Tokens: 1, CallTokens: 1, TimeMS: directive.MaxTime.Milliseconds()},
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	if err := (directive.Content{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
}
