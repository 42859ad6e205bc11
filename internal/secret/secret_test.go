package secret_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/secret"
)

func TestName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"A": true, "_x9": true, "BLOG_TOKEN": true, strings.Repeat("a", 128): true,
		"": false, "9a": false, "a-b": false, "a b": false, "ä": false, "a.b": false, strings.Repeat("a", 129): false, "a\n": false,
	} {
		if err := secret.CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{
		"x": true, strings.Repeat("v", secret.MaxValue): true,
		"": false, strings.Repeat("v", secret.MaxValue+1): false, "canary\xff": false,
	} {
		err := secret.CheckValue(value)
		if (err == nil) != ok {
			t.Errorf("%.20q: %v", value, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the fault repeats the value: %v", err)
		}
	}
}

func TestGrantAllows(t *testing.T) {
	t.Parallel()
	call := func(host string) secret.Use {
		return secret.Use{WorkflowID: "nightly-load", Kind: "action/api_call", Host: host}
	}
	grant := func(hosts ...string) secret.Grant {
		return secret.Grant{WorkflowID: "nightly-*", Kinds: []string{"action/api_call", "notification/*"}, Hosts: hosts}
	}
	for _, c := range []struct {
		name string
		g    secret.Grant
		u    secret.Use
		want bool
	}{
		{"host", grant("api.example.com"), call("api.example.com:443"), true},
		{"any case, root's dot", grant("API.example.com"), call("api.Example.com.:443"), true},
		{"host with port", grant("api.example.com:443"), call("api.example.com:443"), true},
		{"other port", grant("api.example.com:443"), call("api.example.com:8443"), false},
		{"unknown port", grant("api.example.com:443"), call("api.example.com"), false},
		{"other host", grant("api.example.com"), call("evil.example.com:443"), false},
		{"below", grant("*.example.com"), call("a.b.example.com:443"), true},
		{"below with port", grant("*.example.com:443"), call("a.example.com:80"), false},
		{"the suffix itself", grant("*.example.com"), call("example.com:443"), false},
		{"end of a word", grant("*.example.com"), call("badexample.com:443"), false},
		{"a longer name", grant("api.example.com"), call("api.example.com.evil.net:443"), false},
		{"a prefix", grant("example.com"), call("notexample.com:443"), false},
		{"every host", grant("*"), call("anything:1"), true},
		{"address", grant("[::1]:80"), call("[::1]:80"), true},
		{"address without port", grant("::1"), call("[::1]:80"), true},
		{"no hosts", grant(), call("api.example.com:443"), false},
		{"no target, but hosts", grant("api.example.com"), secret.Use{WorkflowID: "nightly-load", Kind: "action/api_call"}, false},
		{"no target, every host", grant("*"), secret.Use{WorkflowID: "nightly-load", Kind: "action/api_call"}, false},
		{"no target", grant(), secret.Use{WorkflowID: "nightly-load", Kind: "notification/email"}, true},
		{"other kind", grant(), secret.Use{WorkflowID: "nightly-load", Kind: "action/command"}, false},
		{"other workflow", grant(), secret.Use{WorkflowID: "daily", Kind: "notification/email"}, false},
		{"no workflow", secret.Grant{WorkflowID: "*", Kinds: []string{"*"}}, secret.Use{Kind: "a/b"}, false},
		{"everything", secret.Grant{WorkflowID: "*", Kinds: []string{"*"}, Hosts: []string{"*"}}, call("x:1"), true},
		{"no kinds", secret.Grant{WorkflowID: "*", Hosts: []string{"*"}}, call("x:1"), false},
		{"the zero grant", secret.Grant{}, call(""), false},
		{"a host that is none", grant("*.example.com"), call("a@b:c:d.example.com"), false},
	} {
		if got := c.g.Allows(c.u); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if got := (secret.Secret{Grants: []secret.Grant{{}, c.g}}).Allows(c.u); got != c.want {
			t.Errorf("%s: the secret says %v", c.name, got)
		}
	}
	if (secret.Secret{}).Allows(call("x:1")) {
		t.Error("a secret without grants is usable")
	}
}

func TestCheckGrants(t *testing.T) {
	t.Parallel()
	good := secret.Grant{WorkflowID: "w", Kinds: []string{"action/*"}, Hosts: []string{"a.b:443", "*.x.y", "[::1]:8", "::1", "10.0.0.1", "*", "localhost", "*.x:1"}}
	if err := secret.CheckGrants([]secret.Grant{good}, "/grants"); err != nil {
		t.Error(err)
	}
	for at, g := range map[string]secret.Grant{
		"/grants/0/workflow_id": {Kinds: []string{"a/b"}},
		"/grants/0/kinds":       {WorkflowID: "w"},
		"/grants/0/kinds/1":     {WorkflowID: "w", Kinds: []string{"a", "["}},
		"/grants/0/hosts":       {WorkflowID: "w", Kinds: []string{"a"}, Hosts: make([]string, 101)},
		"/grants/0/hosts/0":     {WorkflowID: "w", Kinds: []string{"a"}, Hosts: []string{"https://x"}},
	} {
		err := secret.CheckGrants([]secret.Grant{g}, "/grants")
		if f := fault.From(err); f == nil || f.Code != fault.InvalidInput || len(f.Fields) != 1 || f.Fields[0].Pointer != at {
			t.Errorf("%s: %v", at, err)
		}
	}
	for _, host := range []string{"", ".", "a..b", "*", "a*.b", "x.*.y", "a b", "ä.de", "a:0", "a:99999", "a:b", "[::1", "user@host", "a/b", "*.", "**.a"} {
		err := secret.CheckGrants([]secret.Grant{{WorkflowID: "w", Kinds: []string{"k"}, Hosts: []string{host}}}, "")
		if (err == nil) != (host == "*") {
			t.Errorf("host %q: %v", host, err)
		}
	}
	if secret.CheckGrants(make([]secret.Grant, 101), "") == nil {
		t.Error("too many grants are taken")
	}
}
