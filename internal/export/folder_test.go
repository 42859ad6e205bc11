package export

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// contents are all files below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		out[path] = string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestWriteDirKeepsWhatIsNotItsOwn: an export removes what an earlier one wrote
// and leaves everything else.
func TestWriteDirKeepsWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	put(t, filepath.Join(dir, "templates", "mine.yaml"), "mine")
	put(t, filepath.Join(dir, "mine.json"), "mine")
	write := func(paths ...string) {
		t.Helper()
		var files []File
		for _, p := range paths {
			files = append(files, File{p, []byte(p)})
		}
		if err := WriteDir(dir, files); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want map[string]string) {
		t.Helper()
		want["templates/mine.yaml"], want["mine.json"] = "mine", "mine"
		if d := cmp.Diff(want, contents(t, dir)); d != "" {
			t.Errorf("files (-want +got):\n%s", d)
		}
	}
	write("queue.yaml", "templates/a.yaml", "templates/b.yaml", "runs.jsonl")
	check(map[string]string{
		"queue.yaml": "queue.yaml", "templates/a.yaml": "templates/a.yaml", "templates/b.yaml": "templates/b.yaml", "runs.jsonl": "runs.jsonl",
		".runsheet-export": ".runsheet-export\nqueue.yaml\nruns.jsonl\ntemplates/a.yaml\ntemplates/b.yaml\n",
	})
	if err := os.Remove(filepath.Join(dir, "templates", "b.yaml")); err != nil { // by its owner
		t.Fatal(err)
	}
	write("queue.json", "templates/a.json")
	check(map[string]string{
		"queue.json": "queue.json", "templates/a.json": "templates/a.json",
		".runsheet-export": ".runsheet-export\nqueue.json\ntemplates/a.json\n",
	})
}

// TestWriteDirRefuses: a file of somebody else in the way, and a list that is
// none, change nothing.
func TestWriteDirRefuses(t *testing.T) {
	t.Parallel()
	files := []File{{"queue.yaml", []byte("q")}, {"templates/a.yaml", []byte("a")}}
	for name, list := range map[string]string{
		"foreign": "", "outside": ".runsheet-export\n../outside.yaml\n", "merge": "<<<<<<< HEAD\nqueue.yaml\n", "code": "main.go\n",
	} {
		dir := t.TempDir()
		if list == "" {
			put(t, filepath.Join(dir, "templates", "a.yaml"), "mine")
		} else {
			put(t, filepath.Join(dir, listName), list)
		}
		before := contents(t, dir)
		err := WriteDir(dir, files)
		if _, is := errors.AsType[*Foreign](err); err == nil || is != (list == "") {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(before, contents(t, dir)); d != "" {
			t.Errorf("%s: changed (-before +after):\n%s", name, d)
		}
	}
}
