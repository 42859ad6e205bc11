// Package export writes what people defined as files that they can read, review,
// keep in git and move: templates, directives and the settings of the queue.
//
//	files, err := export.Collect(ctx, cl, export.Options{Format: export.YAML})
//	err = export.WriteDir(dir, files)
//
// Everything comes through the API with the caller's rights, so that nobody
// exports what he may not read. Ids, times and names of people are left out, keys
// and files are sorted: an export changes where a definition changes. Secrets are
// not in it; what somebody wrote into the params of a template is, because it is
// part of the definition.
//
// A new resource adds itself with a Kind in kinds().
package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/client"
)

// Format of the files.
type Format string

// The formats.
const (
	YAML Format = "yaml"
	JSON Format = "json"
)

// Options of Collect.
type Options struct {
	// Format of the definitions; "" = YAML.
	Format Format
	// Runs adds runs.jsonl, the history of runs, oldest first.
	Runs bool
}

// File is one file of an export; Path has slashes and is relative.
type File struct {
	Path    string
	Content []byte
}

// Document is one definition.
type Document struct {
	// Path is the file's, without extension.
	Path string
	// Body encodes to a JSON object.
	Body any
}

// Kind is a kind of definition.
type Kind interface {
	// Documents reads all of the kind that the caller may see, in any order.
	Documents(ctx context.Context, cl *client.Client) ([]Document, error)
}

// kinds are all that is exported.
func kinds() []Kind { return []Kind{queue{}, templates{}, directives{}} }

// Collect reads everything. The files are sorted by path; only runs.jsonl comes
// last.
func Collect(ctx context.Context, cl *client.Client, o Options) ([]File, error) {
	var out []File
	ext, encode := ".yaml", toYAML
	switch o.Format {
	case YAML, "":
	case JSON:
		ext, encode = ".json", toJSON
	default:
		return nil, fmt.Errorf("the format %q is neither yaml nor json", o.Format)
	}
	for _, k := range kinds() {
		docs, err := k.Documents(ctx, cl)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			b, err := encode(d.Body)
			if err != nil {
				return nil, fmt.Errorf("encode %s: %w", d.Path, err)
			}
			out = append(out, File{d.Path + ext, b})
		}
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if o.Runs {
		runs, err := history(ctx, cl)
		if err != nil {
			return nil, err
		}
		out = append(out, File{"runs.jsonl", runs})
	}
	return out, nil
}

// history leaves params out: those of a job may hold a token that was meant for
// this job only, and no history needs them.
func history(ctx context.Context, cl *client.Client) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for r, err := range cl.Runs(ctx, client.RunFilter{Sort: "started_at", PageSize: 200}) {
		if err != nil {
			return nil, fmt.Errorf("read runs: %w", err)
		}
		// An empty field of the same name hides the run's.
		if err := enc.Encode(struct {
			client.Run
			Params json.RawMessage `json:"params,omitempty"`
		}{Run: r}); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func toJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return out.Bytes(), err
}
