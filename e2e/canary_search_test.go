//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secrets are known values that a test looks for, and every form in which one
// could be written somewhere. Not safe for concurrent use.
type secrets struct {
	t     testing.TB
	forms []form
	// hits are the places where a secret was found.
	hits []string
	// looked counts the bytes that were searched.
	looked int
}

type form struct {
	of, how string
	bytes   []byte
	// stored secrets are the users' own data: the database and the backup keep
	// them, and nothing else does.
	stored bool
}

// add makes value, called name, one of the secrets.
func (s *secrets) add(name, value string, stored bool) {
	s.t.Helper()
	if len(value) < 8 {
		s.t.Fatalf("%s is too short to be searched for", name)
	}
	for _, v := range slices.Compact([]string{value, strings.ToLower(value)}) {
		for how, text := range writings(v) {
			s.forms = append(s.forms, form{name, how, []byte(text), stored})
		}
	}
}

// writings are the ways to write a value.
func writings(v string) map[string]string {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)          // a string always encodes
	safe, _ := json.Marshal(v) // as above
	out := map[string]string{
		"plain": v, "in hex": hex.EncodeToString([]byte(v)), "in upper hex": strings.ToUpper(hex.EncodeToString([]byte(v))),
		"URL-encoded": url.QueryEscape(v), "path-encoded": url.PathEscape(v), "as userinfo": url.User(v).String(),
		"JSON-escaped": strings.Trim(strings.TrimSpace(plain.String()), `"`), "HTML-safe JSON": strings.Trim(string(safe), `"`), "quoted": strings.Trim(fmt.Sprintf("%q", v), `"`),
	}
	for i := range 3 {
		// What stands before and behind changes the first and the last characters.
		for how, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := e.EncodeToString([]byte(strings.Repeat("x", i) + v))
			out[fmt.Sprint("in ", how, " at ", i)] = text[[]int{0, 2, 3}[i] : len(text)-2]
		}
	}
	return out
}

// look searches what a place holds. mayStore says that the users' own data
// belong there.
func (s *secrets) look(place string, content []byte, mayStore bool) {
	s.looked += len(content)
	for _, f := range s.forms {
		if f.stored && mayStore {
			continue
		}
		if i := bytes.Index(content, f.bytes); i >= 0 {
			around := content[max(0, i-120):min(len(content), i+len(f.bytes)+40)]
			s.hits = append(s.hits, fmt.Sprintf("%s: %s, %s: %q", place, f.of, f.how, around))
		}
	}
}

// walk searches all files below dir, but not below the folders of skip.
func (s *secrets) walk(dir string, mayStore func(rel string) bool, skip ...string) {
	s.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains(skip, rel) {
			return fs.SkipDir
		}
		s.look("the name of "+rel, []byte(rel), mayStore(rel))
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s.look(rel, b, mayStore(rel))
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestSearchFinds plants a secret in each way, to see that the search of
// TestSecretsStayInside is able to fail.
func TestSearchFinds(t *testing.T) {
	t.Parallel()
	const value = `Kanari"<&>/+ ß\7`
	for how, text := range writings(value) {
		for _, around := range []string{"", "x", "\x00\xff"} {
			s := &secrets{t: t}
			s.add("planted", value, true)
			s.look("here", []byte(around+text+around), false)
			if len(s.hits) == 0 {
				t.Errorf("%s in %q is not found", how, around)
			}
			s.hits = nil
			s.look("here", []byte(around+text+around), true)
			s.look("here", []byte(around+text[1:]+around), false)
			if len(s.hits) > 0 && !strings.Contains(how, "base64") {
				t.Errorf("%s in %q: %v", how, around, s.hits)
			}
		}
	}
	for i := range 6 {
		s := &secrets{t: t}
		s.add("planted", value, false)
		s.look("here", []byte(base64.StdEncoding.EncodeToString([]byte("0123456"[:i]+value+"89"))), true)
		if len(s.hits) == 0 {
			t.Errorf("base64 at %d is not found", i)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"keys/a", "logs/b"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("so "+value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &secrets{t: t}
	s.add("planted", value, false)
	s.walk(dir, func(string) bool { return false }, "keys")
	if len(s.hits) == 0 || strings.Contains(fmt.Sprint(s.hits), "keys/a") || !strings.Contains(fmt.Sprint(s.hits), "logs/b") {
		t.Errorf("walk: %v", s.hits)
	}
}
