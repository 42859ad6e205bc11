// Command faults writes docs/errors.md, the list of all fault codes, from the
// register in internal/fault. Run it from the repository's root.
package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/runsheet/runsheet/internal/fault"
)

func main() {
	if err := os.WriteFile(filepath.Join("docs", "errors.md"), page(), 0o644); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("write the error codes", "error", err)
		os.Exit(1)
	}
}

func page() []byte {
	var out bytes.Buffer
	fmt.Fprintln(&out, `<!-- Written by make generate from internal/fault/codes.go. Do not edit. -->
# Error codes

Every error answer of the API is a problem document (RFC 9457). Its `+"`code`"+` is one of these and never changes its
meaning; `+"`type`"+` is `+"`/problems/{code}`"+`. The kind decides the HTTP status and the exit code of the command line.

| code | kind | title | what to do |
|---|---|---|---|`)
	for _, c := range fault.Codes() {
		e := c.Entry()
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", c, e.Kind, e.Title, e.Remedy)
	}
	return out.Bytes()
}
