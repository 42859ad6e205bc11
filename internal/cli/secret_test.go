package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/client"
)

// secretAnswer is the part of the fake server that knows secrets.
func secretAnswer(w http.ResponseWriter, request string) bool {
	s := client.Secret{
		Name: "BLOG_TOKEN", Description: "for the blog", Version: 3, ValueVersion: 2, ValueSetAt: now.Add(-time.Hour), CreatedBy: "ann", CreatedAt: now.Add(-2 * time.Hour),
		UpdatedBy: "bob", UpdatedAt: now.Add(-time.Minute), LastUsedAt: new(now.Add(-time.Second)),
		Grants: []client.SecretGrant{
			{WorkflowID: "blog-*", Kinds: []string{"action/api_call"}, Hosts: []string{"blog.example.com"}},
			{WorkflowID: "nightly", Kinds: []string{"action/command"}, Hosts: []string{}},
		},
	}
	var out any = s
	switch request {
	case "GET /secrets":
		none := client.Secret{Name: "SHORT", Version: 1, ValueVersion: 1, ValueSetAt: now, CreatedAt: now, UpdatedAt: now, Grants: []client.SecretGrant{}}
		out = map[string]any{"items": []any{s, none}, "next_cursor": nil}
	case "GET /secrets/BLOG_TOKEN", "PUT /secrets/BLOG_TOKEN":
	case "PUT /secrets/SHORT":
		s.Name, s.Grants, s.Warnings = "SHORT", []client.SecretGrant{}, []string{"the value is short"}
		out = s
	case "DELETE /secrets/BLOG_TOKEN":
		w.WriteHeader(http.StatusNoContent)
		return true
	default:
		return false
	}
	_ = json.NewEncoder(w).Encode(out)
	return true
}

func TestSecretGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"secret_help":        "secret set --help",
		"secret_ls":          "secret ls",
		"secret_get":         "secret get BLOG_TOKEN",
		"secret_argument":    "secret set BLOG_TOKEN geheim",
		"secret_assigned":    "secret set BLOG_TOKEN=geheim",
		"secret_flag":        "secret set BLOG_TOKEN --value geheim",
		"secret_empty":       "secret set BLOG_TOKEN",
		"secret_grant_usage": "secret grant BLOG_TOKEN blog",
		"secret_revoke_none": "secret revoke BLOG_TOKEN workflow=other",
		"secret_rm":          "secret rm --yes BLOG_TOKEN",
		"secret_rm_asks":     "secret rm BLOG_TOKEN",
		"secret_rotate_help": "secret rotate-key --help",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

func TestSecretRequests(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("line 1\nline 2\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const grant = `{"workflow_id":"w","kinds":["a/b","c"],"hosts":["h:1","*.x"]}`
	const blog, nightly = `{"workflow_id":"blog-*","kinds":["action/api_call"],"hosts":["blog.example.com"]}`, `{"workflow_id":"nightly","kinds":["action/command"]}`
	for args, body := range map[string]string{
		"secret set BLOG_TOKEN":                                                 `{"value":"from stdin"}`,
		"secret set BLOG_TOKEN --value-file -":                                  `{"value":"from stdin"}`,
		"secret set BLOG_TOKEN --value-file " + file:                            `{"value":"line 1\nline 2"}`,
		"secret set BLOG_TOKEN --description x":                                 `{"description":"x","value":"from stdin"}`,
		"secret set SHORT --grant workflow=w,kind=a/b,kind=c,host=h:1,host=*.x": `{"grants":[` + grant + `],"value":"from stdin"}`,
		"secret grant BLOG_TOKEN workflow=w,kind=a/b,kind=c,host=h:1,host=*.x":  `{"grants":[` + blog + `,` + nightly + `,` + grant + `]}`,
		"secret grant BLOG_TOKEN workflow=nightly,kind=action/command":          `{"grants":[` + blog + `,` + nightly + `]}`,
		"secret revoke BLOG_TOKEN workflow=nightly":                             `{"grants":[` + blog + `]}`,
		"secret revoke BLOG_TOKEN workflow=nightly,kind=action/command":         `{"grants":[` + blog + `]}`,
		"secret revoke BLOG_TOKEN --all":                                        `{"grants":[]}`,
	} {
		f := serve(t, "FAILED")
		_, talk, code := f.invoke(t.Context(), t, "from stdin\n", strings.Fields(args)...)
		if got := f.bodies[max(len(f.bodies)-1, 0):]; code != 0 || len(got) != 1 || got[0] != body {
			t.Errorf("%s: exit %d, %s, sent %s", args, code, talk, got)
		}
		if strings.Contains(talk, "from stdin") {
			t.Errorf("%s repeats the value", args)
		}
		if strings.HasPrefix(args, "secret set SHORT") && !strings.Contains(talk, "the value is short") {
			t.Errorf("%s does not warn: %s", args, talk)
		}
	}
}
