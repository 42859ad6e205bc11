package logtriage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/directive"
)

// TestOpenFollowsNothing: a link that was put into a path after the path was
// compared with the allow-list.
func TestOpenFollowsNothing(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"link": "x", "folder": "."} {
		if err := os.Symlink(filepath.Join(dir, to), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"link", "folder/x", "."} {
		if f, err := openReal(filepath.Join(dir, p)); err == nil {
			f.Close()
			t.Errorf("openReal(%s) opened it", p)
		}
	}
	if f, err := openReal(filepath.Join(dir, "no")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("openReal(no) = %v, %v", f, err)
	}
	f, err := openReal(filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// TestOverlap: where a path meets both patterns they overlap.
func TestOverlap(t *testing.T) {
	t.Parallel()
	elem := rapid.SampledFrom([]string{"a", "b", "ab", "*", "a*", "?", "*b", "**"})
	// Every short path: those that are drawn seldom meet both patterns.
	paths := []string{}
	for ends := []string{""}; len(ends[0]) < 8; {
		var next []string
		for _, p := range ends {
			for _, e := range []string{"a", "b", "ab", "bb"} {
				next = append(next, p+"/"+e)
			}
		}
		paths, ends = append(paths, next...), next
	}
	join := func(elems []string) string {
		s := ""
		for _, e := range elems {
			s += "/" + e
		}
		return s
	}
	both := 0
	rapid.Check(t, func(t *rapid.T) {
		x := join(rapid.SliceOfN(elem, 1, 4).Draw(t, "glob"))
		y := join(rapid.SliceOfN(elem, 1, 4).Draw(t, "allowed"))
		inX, inY := directive.Allow{Files: []string{x}}, directive.Allow{Files: []string{y}}
		for _, p := range paths {
			if !inX.File(p) || !inY.File(p) {
				continue
			}
			if both++; !overlap(x, y) {
				t.Fatalf("%s and %s both have %s", x, y, p)
			}
		}
	})
	if both == 0 {
		t.Error("no path met both")
	}
	for _, c := range [][2]string{{"/etc/*", "/var/log/**"}, {"/a/b*", "/a/c*"}, {"/a/*", "/a/b/c"}, {"/var/log/x/*.log", "/var/log/y/"}} {
		if overlap(c[0], c[1]) {
			t.Errorf("overlap(%s, %s)", c[0], c[1])
		}
	}
}
