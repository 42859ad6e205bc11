// Command deps writes deps.txt, the packages that are linked into runsheet, and
// docs/licences.md, the modules that they come from with their licences. It
// fails when a module has no licence file or one that it does not know, because
// that needs a person's decision. Run it from the repository's root.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// platforms are those that runsheet is released for. What one links, the
// licence list must name; deps.txt is for the first.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"}

// licences are recognised by words that the text of each has and the others
// have not. Order matters: the first match wins.
var licences = []struct {
	name string
	text *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`Apache License\s+Version 2\.0`)},
	{"MPL-2.0", regexp.MustCompile(`Mozilla Public License,? [Vv]ersion 2\.0`)},
	{"BSD-3-Clause", regexp.MustCompile(`(?s)Redistribution and use in source and binary forms.*(Neither the name|names? of (its|the) )`)},
	{"BSD-2-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms`)},
	{"MIT", regexp.MustCompile(`Permission is hereby granted, free of charge`)},
	{"ISC", regexp.MustCompile(`Permission to use, copy, modify, and(/or)? distribute this software`)},
	{"CC0-1.0", regexp.MustCompile(`CC0 1\.0 Universal`)},
	{"Unlicense", regexp.MustCompile(`This is free and unencumbered software released into the public domain`)},
}

type module struct{ Path, Version, Dir string }

type pkg struct {
	ImportPath string
	Standard   bool
	Module     *module
}

func main() {
	if err := write(); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("write the lists of dependencies", "error", err)
		os.Exit(1)
	}
}

func write() error {
	var linked []string
	modules := map[string]module{}
	for i, platform := range platforms {
		pkgs, err := list(platform)
		if err != nil {
			return err
		}
		for _, p := range pkgs {
			if p.Standard {
				continue
			}
			if i == 0 {
				linked = append(linked, p.ImportPath)
			}
			if p.Module != nil && p.Module.Version != "" {
				modules[p.Module.Path] = *p.Module
			}
		}
	}
	slices.Sort(linked)
	head := "# The packages beside Go's own that are linked into runsheet on " + platforms[0] + ".\n# Written by make generate. A new line needs a reason in the pull request.\n"
	if err := os.WriteFile("deps.txt", []byte(head+strings.Join(linked, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	return writeLicences(modules)
}

func writeLicences(modules map[string]module) error {
	var out bytes.Buffer
	fmt.Fprintln(&out, "<!-- Written by make generate. Do not edit. -->\n# Licences of what is linked in\n\nRunsheet itself is under Apache-2.0, see LICENSE. Its binary contains code of these modules.\n\n| module | licence |\n|---|---|")
	all := slices.SortedFunc(func(yield func(module) bool) {
		for _, m := range modules {
			if !yield(m) {
				return
			}
		}
	}, func(a, b module) int { return cmp.Compare(a.Path, b.Path) })
	for _, m := range all {
		name, err := licence(m)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "| %s | %s |\n", m.Path, name)
	}
	return os.WriteFile(filepath.Join("docs", "licences.md"), out.Bytes(), 0o644)
}

// licence recognises the licence of a module from its file.
func licence(m module) (string, error) {
	var files []string
	for _, pattern := range []string{"LICEN[CS]E*", "COPYING*", "[Ll]icen[cs]e*", "UNLICENSE*"} {
		found, err := filepath.Glob(filepath.Join(m.Dir, pattern))
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // a folder of that name
		}
		for _, l := range licences {
			if l.text.Match(text) {
				return l.name, nil
			}
		}
	}
	return "", fmt.Errorf("module %s: no licence that is known here among %q", m.Path, files)
}

// list asks the go command what is linked on a platform.
func list(platform string) ([]pkg, error) {
	system, arch, _ := strings.Cut(platform, "/")
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Module", "./cmd/runsheet") //nolint:noctx // ends with us
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w", platform, err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}
