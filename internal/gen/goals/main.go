// Command goals writes what `runsheet bench --json` found into the table of goals of a
// document, between its marks:
//
//	go run ./internal/gen/goals docs/bench.md sqlite.json postgres.json
//
// It is no part of "make generate": a measurement cannot be made again exactly.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/runsheet/runsheet/internal/bench/report"
)

const (
	begin = "<!-- goals:begin -->\n"
	end   = "<!-- goals:end -->\n"
)

func main() {
	note := flag.String("note", "", "remark above the table")
	flag.Parse()
	if err := run(*note, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "goals:", err)
		os.Exit(1)
	}
}

func run(note string, args []string) error {
	if len(args) < 2 {
		return errors.New("give the document and at least one report")
	}
	var reports []report.Report
	for _, name := range args[1:] {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var r report.Report
		if err := json.Unmarshal(b, &r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if r.Schema != report.Schema || len(r.Measures) == 0 {
			return fmt.Errorf("%s is no report of this version, or an empty one", name)
		}
		reports = append(reports, r)
	}
	old, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	text, err := replace(string(old), table(note, reports))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return os.WriteFile(args[0], []byte(text), 0o644) //nolint:gosec // a document that everybody reads
}

// replace puts text between the marks.
func replace(document, text string) (string, error) {
	head, rest, found := strings.Cut(document, begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", errors.New("it has no marks of goals")
	}
	return head + begin + text + end + tail, nil
}

// table is what the marks enclose.
func table(note string, reports []report.Report) string {
	var b strings.Builder
	if note != "" {
		fmt.Fprintf(&b, "**%s**\n\n", note)
	}
	for _, r := range reports {
		fmt.Fprintf(&b, "%s\n\n| measure | goal | ours | range | ratio | verdict | limit | of limit | path |\n|---|---|---|---|---|---|---|---|---|\n", r.Head())
		for _, m := range r.Measures {
			// Columns of report.Columns in the order of a reader who looks for what is missed.
			c := m.Row()
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", c[0], c[3], c[1], c[2], c[4], c[5], c[6], c[7], c[8])
		}
		b.WriteString("\n")
	}
	return b.String()
}
