package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/internal/node/kinds"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/draw"
	"github.com/runsheet/runsheet/internal/workflow/schema"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// This file has what is done with files alone, without a server.

// documentFile reads a file of definitions; - is stdin.
func (a *app) documentFile(name string) (string, []byte, error) {
	if name == "-" {
		b, err := a.read("-")
		return "stdin", b, err
	}
	b, err := a.read("@" + name)
	return name, b, err
}

// checkFile reads and checks a file. graphs has one for each workflow.
func checkFile(name string, text []byte) ([]workflow.Document, []*workflow.Graph, []workflow.Problem) {
	registry := kinds.Registry()
	docs, p := workflow.Read(name, text, registry)
	var graphs []*workflow.Graph
	for _, d := range docs {
		if d.Workflow == nil {
			continue
		}
		if g := workflow.Check(d.Workflow, registry, p); g != nil {
			graphs = append(graphs, g)
		}
	}
	return docs, graphs, p.List()
}

// valid is checkFile that prints what is wrong to stderr.
func (a *app) valid(name string, text []byte) ([]workflow.Document, []*workflow.Graph, error) {
	docs, graphs, problems := checkFile(name, text)
	for _, p := range problems {
		_, _ = fmt.Fprintln(a.err, clean(p.String())) // nobody is left to tell
	}
	if n := len(problems); n > 0 {
		return nil, nil, fmt.Errorf("%s is not valid: %s", name, plural(n, "problem"))
	}
	return docs, graphs, nil
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func (a *app) workflowInit() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "init [FILE]", Short: "Write a small workflow to begin with", Args: cobra.MaximumNArgs(1),
		Example: "  runsheet workflow init hello.yaml && runsheet workflow validate hello.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := a.out.Write([]byte(starter))
				return err
			}
			flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
			if force {
				flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
			}
			f, err := os.OpenFile(args[0], flags, 0o644)
			if errors.Is(err, os.ErrExist) {
				return usagef("%s is there already; --force writes over it", args[0])
			}
			if err != nil {
				return usagef("write %s: %v", args[0], err)
			}
			_, err = f.WriteString(starter)
			if err = errors.Join(err, f.Close()); err == nil {
				a.talk("wrote %s", args[0])
			}
			return err
		},
	}
	c.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	return c
}

const starter = `# Check it with: runsheet workflow validate FILE
kind: Workflow
workflow_id: hello
name: Hello
inputs:
  who: {type: string, default: world}
nodes:
  - node_id: greet
    type: data
    data_type: set
    config: {values: {text: "Hello, {{inputs.who}}!"}}
  - node_id: long_enough
    type: judgment
    config: {expr: "len(outputs.greet.text) > 7"}
    next: {"true": done, "false": too_short}
    depends_on: greet
  - {node_id: done, type: stop, config: {status: COMPLETED}}
  - {node_id: too_short, type: stop, config: {status: SKIPPED, reason: nobody to greet}}
outputs: {text: "{{outputs.greet.text}}"}
`

func (a *app) workflowValidate() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE...", Short: "Check files, without a server", Args: someArgs,
		Long:    "Validate prints file:line:column and what is wrong there, and ends with 1 if anything is.\n- is stdin.",
		Example: "  runsheet workflow validate examples/workflows/*",
		RunE: func(_ *cobra.Command, args []string) error {
			var failed error
			for _, arg := range args {
				name, text, err := a.documentFile(arg)
				if err != nil {
					return err
				}
				docs, _, err := a.valid(name, text)
				if err != nil {
					failed = err
					continue
				}
				a.talk("%s is valid: %s", name, plural(len(docs), "document"))
			}
			return failed
		},
	}
}

func (a *app) workflowFmt() *cobra.Command {
	var check, toJSON, write bool
	c := &cobra.Command{
		Use: "fmt FILE", Short: "Write a file in its canonical form, without a server", Args: oneArg,
		Long: "Fmt prints canonical YAML: one order of fields, without what is the default anyway. Comments are\n" +
			"not kept. The documents of a file keep their order; only workflows are changed.",
		RunE: func(_ *cobra.Command, args []string) error {
			if write && (args[0] == "-" || toJSON) {
				return usagef("--write is for YAML files")
			}
			name, text, err := a.documentFile(args[0])
			if err != nil {
				return err
			}
			docs, _, err := a.valid(name, text)
			if err != nil {
				return err
			}
			out := canonicalText(docs, toJSON)
			switch {
			case check && !bytes.Equal(out, text):
				return fmt.Errorf("%s is not in its canonical form", name)
			case check:
				return nil
			case write:
				return os.WriteFile(filepath.Clean(args[0]), out, 0o644)
			}
			_, err = a.out.Write(out)
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&check, "check", false, "print nothing, and end with 1 if the file is not like that")
	f.BoolVar(&toJSON, "to-json", false, "JSON instead of YAML; one document only")
	f.BoolVarP(&write, "write", "w", false, "write the file instead of printing it")
	return c
}

func canonicalText(docs []workflow.Document, toJSON bool) []byte {
	var out []byte
	for i, d := range docs {
		v := d.Value
		if d.Workflow != nil {
			v = d.Workflow.Canonical(kinds.Registry())
		}
		if i > 0 {
			out = append(out, "---\n"...)
		}
		if toJSON {
			out = append(append(out, bytes.TrimSpace(v.JSON(true))...), '\n')
			continue
		}
		out = append(out, v.YAML()...)
	}
	return out
}

func (a *app) workflowGraph() *cobra.Command {
	form := ""
	c := &cobra.Command{
		Use: "graph FILE", Short: "Draw the workflows of a file, without a server", Args: oneArg,
		Example: "  runsheet workflow graph etl.yaml\n  runsheet workflow graph etl.yaml --as dot | dot -Tsvg > etl.svg",
		RunE: func(_ *cobra.Command, args []string) error {
			drawing, known := map[string]func(*workflow.Graph) string{"tree": draw.Tree, "mermaid": draw.Mermaid, "dot": draw.DOT}[form]
			if !known {
				return usagef("--as is one of tree, mermaid, dot")
			}
			name, text, err := a.documentFile(args[0])
			if err != nil {
				return err
			}
			_, graphs, err := a.valid(name, text)
			if err != nil {
				return err
			}
			for _, g := range graphs {
				if form == "tree" {
					_, _ = fmt.Fprintln(a.out, g.Definition.ID)
				}
				if _, err := fmt.Fprint(a.out, drawing(g)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&form, "as", "tree", "`form`: tree, mermaid or dot")
	return c
}

func (a *app) workflowSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of documents, for editors", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(schema.JSON(kinds.Registry()))
			return err
		},
	}
}

// yamlOf is a stored definition as YAML.
func yamlOf(name string, definition []byte) ([]byte, error) {
	docs, err := source.Read(name, definition)
	if err != nil {
		return nil, err
	}
	return docs[0].YAML(), nil
}
