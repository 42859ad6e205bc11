package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
)

func TestCheckPointsAtWhatIsWrong(t *testing.T) {
	t.Parallel()
	tk, err := New(Options{Allow: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	long, _ := json.Marshal(strings.Repeat("x", maxString))
	for in, want := range map[string][]string{
		``:                                 nil, // a template
		`{}`:                               nil,
		`{"env":{"HOME":"/x","LANG":"C"}}`: nil,
		`{"argv":["/bin/sh","x"],"artifacts":["a/**/b"]}`: nil,
		`{"argv":["","\u0000"]}`:                          {"/argv/0", "/argv/1"},
		`{"argv":["/bin/sh","a\u0000b"]}`:                 {"/argv/1"},
		`{"argv":["/bin/sh",` + string(long) + `]}`:       {"/argv/1"},
		`{"env":{"K":` + string(long) + `}}`:              {"/env/K"},
		`{"env":{"K":"a\u0000b"}}`:                        {"/env/K"},
		`{"env":{"RUNSHEET_RUN_ID":"run_x"}}`:             {"/env/RUNSHEET_RUN_ID"},
		`{"env":{"LD_PRELOAD":"/x.so","PATH":"/x"}}`:      {"/env/LD_PRELOAD", "/env/PATH"},
		`{"env":{"DYLD_INSERT_LIBRARIES":"x"}}`:           {"/env/DYLD_INSERT_LIBRARIES"},
		`{"env":{"GIT_AUTHOR_NAME":"x","GIT_CONFIG_KEY_0":"x","GIT_SSH_COMMAND":"x","TAR_OPTIONS":"x"}}`: {"/env/GIT_CONFIG_KEY_0", "/env/GIT_SSH_COMMAND", "/env/TAR_OPTIONS"},
		`{"env":{"PYTHONPATH":"x","pythonuserbase":"x"}}`:                                                {"/env/PYTHONPATH", "/env/pythonuserbase"},
		`{"env":{"BASH_ENV":"x","NODE_OPTIONS":"x"}}`:                                                    {"/env/BASH_ENV", "/env/NODE_OPTIONS"},
		`{"env":{"A=B":"x","a/b~c":"","":""}}`:                                                           {"/env/", "/env/A=B", "/env/a~1b~0c"},
		`{"artifacts":["/etc/passwd","../x","a/../../x","a[","ok","a//b","a/./b","..",""]}`: {
			"/artifacts/0", "/artifacts/1", "/artifacts/2", "/artifacts/3", "/artifacts/5", "/artifacts/6",
			"/artifacts/7", "/artifacts/8",
		},
		`{"argv":["sh"],"shell":true}`:  {},
		`{"argv":"sh"}`:                 {"/argv"},
		`{"limits":{"open_files":5.0}}`: {"/limits/open_files"},
		`[]`:                            {""},
	} {
		err := tk.Check(json.RawMessage(in))
		if (err == nil) != (want == nil) {
			t.Errorf("%.60s: %v", in, err)
			continue
		}
		if err == nil {
			continue
		}
		if !fault.Is(err, fault.InvalidInput) {
			t.Errorf("%.60s: code %s", in, fault.From(err).Code)
		}
		got := []string{}
		for _, f := range fault.From(err).Fields {
			got = append(got, f.Pointer)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%.60s: %s", in, d)
		}
	}
}

func TestTypeIsOffByDefault(t *testing.T) {
	t.Parallel()
	for _, allow := range [][]string{nil, {""}, {" "}} {
		tk, err := New(Options{Allow: allow})
		if err != nil {
			t.Fatal(err)
		}
		if err := tk.Check(json.RawMessage(`{"argv":["/bin/true"]}`)); !fault.Is(err, fault.JobTypeDisabled) {
			t.Errorf("%q: got %v", allow, err)
		}
		if err := tk.Disabled(); !fault.Is(err, fault.JobTypeDisabled) || fault.From(err).Hint == "" {
			t.Errorf("%q: disabled with %v", allow, err)
		}
	}
	tk, err := New(Options{Allow: []string{"/bin/true"}})
	if err != nil || tk.Disabled() != nil {
		t.Errorf("a program is allowed, and it is disabled: %v, %v", tk.Disabled(), err)
	}
}

func TestBadAllowEntries(t *testing.T) {
	t.Parallel()
	for _, e := range []string{"ls", "bin/*", "./x", "/bin/../x", "/bin/", "/bin/[", "**"} {
		if _, err := New(Options{Allow: []string{e}}); err == nil {
			t.Errorf("%q was taken", e)
		}
	}
}

// place is a small file system: two folders of programs, links between them, and
// a folder that anyone may write to.
func place(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"bin", "sbin", "evil", "sub/deep"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"bin/box", "bin/tool", "bin/tool3.11", "sbin/adm", "evil/sh", "sub/deep/x"} {
		if err := os.WriteFile(filepath.Join(root, f), []byte("#!/bin/true\n"), 0o700); err != nil { // #nosec: must be executable
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "bin/data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"bin/ls": "box", "bin/sh": "box", "bin/tool3": "tool3.11", "bin/trap": "../evil/sh",
		"bin/dangling": "../evil/nothing", "merged": "bin", "link": "evil",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestAllowList(t *testing.T) {
	t.Parallel()
	root := place(t)
	for name, c := range map[string]struct {
		allow, ask, want string // want "" means refused; ^ stands for root
	}{
		"exact":                    {"^/bin/tool", "^/bin/tool", "^/bin/tool"},
		"other":                    {"^/bin/tool", "^/bin/box", ""},
		"bare":                     {"^/bin/tool", "tool", "^/bin/tool"},
		"bare, first hit decides":  {"^/sbin/adm", "adm", "^/sbin/adm"},
		"bare, other":              {"^/bin/tool", "box", ""},
		"bare, unknown":            {"*", "nothing", ""},
		"bare, not executable":     {"*", "data", ""},
		"prefix is not enough":     {"^/bin/tool", "^/bin/tool3.11", ""},
		"relative with slash":      {"*", "bin/tool", ""},
		"dot slash":                {"*", "./tool", ""},
		"dot dot":                  {"^/bin/*", "^/bin/../evil/sh", ""},
		"dot dot, everything":      {"*", "^/bin/../evil/sh", ""},
		"double slash":             {"^/bin/tool", "^/bin//tool", ""},
		"only dots":                {"*", "..", ""},
		"slash at the end":         {"*", "^/bin/tool/", ""},
		"pattern":                  {"^/bin/t*", "^/bin/tool", "^/bin/tool"},
		"pattern stops at slash":   {"^/*", "^/bin/tool", ""},
		"pattern for folder":       {"^/*/tool", "^/bin/tool", "^/bin/tool"},
		"pattern, deep":            {"^/sub/*/x", "^/sub/deep/x", "^/sub/deep/x"},
		"named link":               {"^/bin/tool3", "^/bin/tool3", "^/bin/tool3"},
		"target of a named link":   {"^/bin/tool3", "^/bin/tool3.11", ""},
		"multi-call, allowed name": {"^/bin/ls", "^/bin/ls", "^/bin/ls"},
		"multi-call, other name":   {"^/bin/ls", "^/bin/sh", ""},
		"multi-call, the box":      {"^/bin/ls", "^/bin/box", ""},
		"pattern, link inside":     {"^/bin/*", "^/bin/tool3", "^/bin/tool3"},
		"pattern, link leads out":  {"^/bin/*", "^/bin/trap", ""},
		"pattern, dangling link":   {"^/bin/*", "^/bin/dangling", ""},
		"link leads to allowed":    {"^/bin/*,^/evil/sh", "^/bin/trap", "^/bin/trap"},
		"linked folder, asked":     {"^/bin/tool", "^/merged/tool", "^/bin/tool"},
		"linked folder, allowed":   {"^/merged/tool", "^/bin/tool", "^/bin/tool"},
		"linked folder, pattern":   {"^/merged/t*", "^/merged/tool", "^/bin/tool"},
		"folder link leads out":    {"^/*/sh", "^/link/sh", "^/evil/sh"},
		"folder link, not allowed": {"^/link2/sh", "^/link/sh", ""},
		"not there yet":            {"^/bin/new", "^/bin/new", "^/bin/new"},
		"everything":               {"*", "^/evil/sh", "^/evil/sh"},
		"NUL":                      {"*", "^/bin/tool\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here := func(s string) string { return strings.ReplaceAll(s, "^", root) }
			tk, err := New(Options{Allow: strings.Split(here(c.allow), ","), Path: here("relative:^/bin:^/sbin")})
			if err != nil {
				t.Fatal(err)
			}
			got, err := tk.allow.resolve(here(c.ask))
			if got != here(c.want) {
				t.Errorf("got %q, want %q (%v)", got, here(c.want), err)
			}
			if c.want != "" {
				return
			}
			f := fault.From(err)
			if f.Code != fault.CommandNotAllowed || len(f.Fields) != 1 || f.Fields[0].Pointer != "/argv/0" {
				t.Errorf("refused with %+v", f)
			}
		})
	}
}
