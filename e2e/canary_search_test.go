//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
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

	"github.com/jackc/pgx/v5"
)

// secrets are known values that a test looks for, and every form in which one
// could be written somewhere. Not safe for concurrent use.
type secrets struct {
	t     testing.TB
	forms []form
	// starts finds the forms by their first bytes, so that a long text is read once
	// and not once for each form; maybe says which of them are worth a look.
	starts map[uint64][]int
	maybe  [1 << 16]bool
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
		known := map[string]bool{}
		for how, text := range writings(v) {
			if known[text] {
				continue
			}
			if known[text] = true; s.starts == nil {
				s.starts = map[uint64][]int{}
			}
			at := binary.LittleEndian.Uint64([]byte(text)) // no writing is shorter than its value
			s.starts[at] = append(s.starts[at], len(s.forms))
			s.maybe[scatter(at)] = true
			s.forms = append(s.forms, form{name, how, []byte(text), stored})
		}
	}
}

// scatter makes an index of s.maybe.
func scatter(at uint64) uint64 { return at * 0x9E3779B97F4A7C15 >> 48 }

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
	found := map[int]bool{} // one hit of each form tells enough
	for i := 0; i+8 <= len(content); i++ {
		at := binary.LittleEndian.Uint64(content[i:])
		if !s.maybe[scatter(at)] {
			continue
		}
		for _, n := range s.starts[at] {
			f := s.forms[n]
			if found[n] || f.stored && mayStore || !bytes.HasPrefix(content[i:], f.bytes) {
				continue
			}
			found[n] = true
			around := content[max(0, i-120):min(len(content), i+len(f.bytes)+40)]
			s.hits = append(s.hits, fmt.Sprintf("%s: %s, %s: %q", place, f.of, f.how, around))
		}
	}
}

// walk searches all files below dir, but not the files and folders of skip.
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
		if slices.Contains(skip, rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
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

// tables searches every row of a PostgreSQL database.
func (s *secrets) tables(db string) {
	s.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	text := func(sql string) []string {
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			s.t.Fatal(err)
		}
		out, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			s.t.Fatal(err)
		}
		return out
	}
	tables := text(`SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'`)
	if len(tables) < 10 {
		s.t.Errorf("tables: %v", tables)
	}
	for _, table := range tables {
		for _, row := range text("SELECT t::text FROM " + pgx.Identifier{table}.Sanitize() + " t") {
			s.look("table "+table, []byte(row), true)
		}
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
