package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// maxFile bounds a file, or the content of an artifact, that becomes a value.
const maxFile = 16 << 20

// maxRows bounds the rows of a table.
const maxRows = 100_000

// FileOptions configure a File.
type FileOptions struct {
	// Folders are those below which files may be read, absolute; none: nothing may.
	Folders []string
	// Closed reports places below them that are nobody's, such as the data folder of
	// the server; nil = none.
	Closed func(real string) bool
}

// File reads a file of the server. It implements node.Node. Make one with NewFile.
type File struct{ o FileOptions }

// NewFile returns the node.
func NewFile(o FileOptions) File { return File{o} }

// Forms in which content is read.
const (
	asJSON = "json"
	asYAML = "yaml"
	asCSV  = "csv"
	asText = "text"
)

// Kind implements node.Node.
func (File) Kind() workflow.Kind {
	return kind("file", "reads a file of the server",
		workflow.Field{Name: "path", Type: workflow.FieldString, Required: true, Doc: "below a folder of sources.folders; a relative one is looked for in each of them"},
		workflow.Field{Name: "as", Type: workflow.FieldString, Enum: []string{asJSON, asYAML, asCSV, asText}, Doc: "without it by the name's ending"})
}

func kind(subtype, doc string, fields ...workflow.Field) workflow.Kind {
	return workflow.Kind{
		Type: "data", Subtype: subtype, SubtypeField: "data_type", Doc: doc,
		Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry, InMap: true, Fields: fields,
	}
}

// Run implements node.Node.
func (f File) Run(_ context.Context, c node.Call) (node.Result, error) {
	name, _ := c.Config["path"].(string)
	raw, err := f.read(name)
	if err != nil {
		return node.Result{}, err
	}
	as, _ := c.Config["as"].(string)
	content, as, err := decode(raw, name, as)
	if err != nil {
		return node.Result{}, node.Fatal("unreadable", fmt.Errorf("%s: %w", filepath.Base(name), err))
	}
	sum := sha256.Sum256(raw)
	return node.Result{Value: map[string]any{
		"path": name, "format": as, "size": int64(len(raw)), "sha256": hex.EncodeToString(sum[:]), "content": content,
	}}, nil
}

// read opens a file below one of the folders. Links lead nowhere outside of the
// folder, whoever puts them there meanwhile.
func (f File) read(name string) ([]byte, error) {
	if name == "" {
		return nil, node.Fatal("invalid_config", errors.New("path is empty"))
	}
	err := error(node.Fatal("source_not_allowed", errors.New("path is not below a folder of sources.folders")))
	for _, folder := range f.o.Folders {
		rel := name
		if filepath.IsAbs(name) {
			var none error
			if rel, none = filepath.Rel(folder, filepath.Clean(name)); none != nil {
				continue
			}
		}
		if !filepath.IsLocal(rel) {
			continue
		}
		var raw []byte
		if raw, err = f.below(folder, rel); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return raw, err
		}
	}
	return nil, err
}

func (f File) below(folder, rel string) ([]byte, error) {
	if real, err := filepath.EvalSymlinks(filepath.Join(folder, rel)); err == nil && f.o.Closed != nil && f.o.Closed(real) {
		return nil, node.Fatal("source_not_allowed", errors.New("path leads to a place of the server's own"))
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, opened(err)
	}
	defer root.Close()
	before, err := root.Stat(rel)
	if err != nil {
		return nil, opened(err)
	}
	if !before.Mode().IsRegular() {
		return nil, node.Fatal("unreadable", errors.New("path is not a regular file"))
	}
	// A pipe that took the file's place would keep a plain open waiting for ever.
	file, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, opened(err)
	}
	defer file.Close()
	if after, err := file.Stat(); err != nil || !os.SameFile(before, after) {
		return nil, node.Fail("unreadable", "", errors.New("the file was replaced while it was opened"))
	}
	return readAll(file)
}

func readAll(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, node.Fail("unreadable", "", errors.New("the content could not be read"))
	}
	if len(raw) > maxFile {
		return nil, node.Fatal("too_large", fmt.Errorf("the content has more than %d MiB", maxFile>>20))
	}
	return raw, nil
}

// opened says why, with fs.ErrNotExist in its chain where that is why.
func opened(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return node.Fatal("not_found", fmt.Errorf("there is no such file: %w", fs.ErrNotExist))
	case errors.Is(err, fs.ErrPermission):
		return node.Fatal("unreadable", errors.New("the server may not read it"))
	}
	return node.Fatal("source_not_allowed", errors.New("path cannot be opened below its folder"))
}

// decode makes a value of content; as "" is by the ending of name.
func decode(raw []byte, name, as string) (any, string, error) {
	if as == "" {
		switch strings.ToLower(filepath.Ext(name)) {
		case ".json":
			as = asJSON
		case ".yaml", ".yml":
			as = asYAML
		case ".csv":
			as = asCSV
		default:
			as = asText
		}
	}
	switch as {
	case asJSON:
		v, err := jsonValue(raw)
		return v, as, err
	case asYAML:
		docs, err := source.Read("file.yaml", raw)
		if err != nil {
			return nil, as, errors.New("it is no YAML that can be used")
		}
		if len(docs) == 1 {
			return docs[0].Plain(), as, nil
		}
		list := make([]any, len(docs))
		for i, d := range docs {
			list[i] = d.Plain()
		}
		return list, as, nil
	case asCSV:
		v, err := table(raw)
		return v, as, err
	case asText:
		if !utf8.Valid(raw) {
			return nil, as, errors.New("it is no text in UTF-8")
		}
		return string(bytes.TrimPrefix(raw, bom)), as, nil
	}
	return nil, as, fmt.Errorf("as is %q, which is none of json, yaml, csv and text", as)
}

var bom = []byte("\ufeff")

func jsonValue(raw []byte) (any, error) {
	var doc any
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, bom)))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, errors.New("it is no JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one JSON value")
	}
	v, err := source.Of(numbers(doc))
	if err != nil {
		return nil, errors.New("it is no JSON that can be used")
	}
	return v.Plain(), nil
}

// numbers puts int64 and float64 in the place of json.Number.
func numbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, err := x.Float64()
		if err != nil {
			return x.String()
		}
		return f
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = numbers(x[k])
		}
	}
	return v
}

// table reads CSV: objects by the names in the first line. All values are texts.
func table(raw []byte) (any, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, bom)))
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return []any{}, nil
	}
	if err != nil {
		return nil, errors.New("it is no CSV")
	}
	for i, name := range head {
		if name == "" {
			return nil, fmt.Errorf("column %d has no name", i+1)
		}
		if slices.Contains(head[:i], name) {
			return nil, fmt.Errorf("two columns have the name of column %d", i+1)
		}
	}
	out := []any{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			line, _ := r.FieldPos(0)
			return nil, fmt.Errorf("it is no CSV from line %d on", line)
		}
		if len(out) == maxRows {
			return nil, fmt.Errorf("it has more than %d rows", maxRows)
		}
		one := make(map[string]any, len(head))
		for i, name := range head {
			one[name] = row[i]
		}
		out = append(out, one)
	}
}
