// Command kinds writes docs/workflow-kinds.md, which says what each kind of node takes,
// from what the kinds say of themselves. Run it from the repository's root.
package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/node/kinds"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/schema"
)

const head = "<!-- Written by make generate from internal/node/kinds. Do not edit. -->\n# Types of nodes\n\n" +
	"What each node of a [workflow](workflows.md) can be. A value may be a `{{ }}` unless it says *constant*; an *expression* is written without braces.\n\n"

func main() {
	page := append([]byte(head), reference(kinds.Registry())...)
	if err := os.WriteFile(filepath.Join("docs", "workflow-kinds.md"), page, 0o644); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("write the page of kinds", "error", err)
		os.Exit(1)
	}
}

// reference is the description of all kinds in Markdown, from the second level of
// headings on.
func reference(kinds workflow.Kinds) []byte {
	var b strings.Builder
	for _, k := range kinds.List() {
		fmt.Fprintf(&b, "## %s\n\n%s.\n\n", k.Name(), sentence(k.Doc))
		if k.Subtype != "" {
			fmt.Fprintf(&b, "Written as `type: %s` with `%s: %s`.", k.Type, k.SubtypeField, k.Subtype)
		} else {
			fmt.Fprintf(&b, "Written as `type: %s`.", k.Type)
		}
		for _, alias := range aliases(k) {
			fmt.Fprintf(&b, " `type: %s` is another way to write it.", alias)
		}
		b.WriteString(" " + traits(k) + "\n\n")
		if len(k.Fields) > 0 {
			b.WriteString("| field of `config` | value | meaning |\n|---|---|---|\n")
			rows(&b, "", k.Fields)
			b.WriteString("\n")
		}
	}
	return []byte(strings.TrimRight(b.String(), "\n") + "\n")
}

func sentence(doc string) string {
	if doc == "" {
		return doc
	}
	return strings.ToUpper(doc[:1]) + doc[1:]
}

// traits says what the language knows of a kind beside its fields.
func traits(k workflow.Kind) string {
	var out []string
	outcomes := "`" + strings.Join(k.Outcomes, "`, `") + "`"
	switch {
	case k.Labels != nil && len(k.Outcomes) == 0:
		outcomes = "those that its config names"
	case k.Labels != nil:
		outcomes += " and those that its config names"
	}
	out = append(out, "Outcomes: "+outcomes+".")
	if k.Soft {
		out = append(out, "A failure does not fail the run, unless the node says `on_error: fail`.")
	}
	if k.InMap {
		out = append(out, "It may be within a map.")
	}
	if k.Secrets {
		out = append(out, "Its config may read secrets.")
	}
	if k.OnCrash != workflow.CrashRetry && k.OnCrash != "" {
		out = append(out, fmt.Sprintf("After a crash of the server: `on_crash: %s`, unless it says otherwise.", k.OnCrash))
	}
	return strings.Join(out, " ")
}

func rows(b *strings.Builder, within string, list []workflow.Field) {
	for _, f := range list {
		value := string(f.Type)
		if len(f.Enum) > 0 {
			value = "`" + strings.Join(f.Enum, "`, `") + "`"
		}
		if f.Required {
			value += ", required"
		}
		if f.Constant {
			value += ", constant"
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", within, f.Name, value, strings.ReplaceAll(schema.Describe(f), "|", "\\|"))
		rows(b, within+f.Name+".", f.Fields)
	}
}

// aliases are other words for a kind, in order.
func aliases(k workflow.Kind) []string {
	var out []string
	for alias, full := range workflow.Aliases() {
		if full == k.Name() || full == k.Type {
			out = append(out, alias)
		}
	}
	slices.Sort(out)
	return out
}
