// Command events writes the table of docs/events.md, which lists all events,
// from the catalogue in internal/event. The text around the table is written
// by hand. Run it from the repository's root.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/runsheet/runsheet/internal/event"
)

// The marks between which the table stands.
const (
	begin = "<!-- Written by make generate from internal/event/catalogue.go. Do not edit. -->\n"
	end   = "<!-- End of what make generate writes. -->\n"
)

func main() {
	if err := run(filepath.Join("docs", "events.md")); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("write the catalogue of events", "error", err)
		os.Exit(1)
	}
}

func run(file string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := bytes.Cut(page, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return errors.New(file + " has lost the marks around its table")
	}
	var out bytes.Buffer
	out.Write(head)
	out.WriteString(begin)
	table(&out)
	out.WriteString(end)
	out.Write(tail)
	return os.WriteFile(file, out.Bytes(), 0o644)
}

func table(out *bytes.Buffer) {
	fmt.Fprint(out, "| type | topic | announced when | fields |\n|---|---|---|---|\n")
	for _, e := range event.Catalogue() {
		var fields []string
		for _, f := range e.Fields {
			fields = append(fields, "`"+f.Name+"` "+f.Doc)
		}
		fmt.Fprintf(out, "| `%s` | `%s` | %s | %s |\n", e.Type, e.Topic, e.When, strings.Join(fields, "<br>"))
	}
}
