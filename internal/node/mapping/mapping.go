// Package mapping declares the node that runs a small graph of nodes once for each
// item of a list. Package engine runs it: the items are its business, because each
// of them is a place from which a run resumes.
package mapping

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// The outcomes.
const (
	// Success: no item failed.
	Success = "success"
	// Partial: items failed, but no more than may.
	Partial = "partial"
)

// Orders in which items start.
const (
	OrderStrict = "strict"
	OrderAny    = "any"
)

// What becomes of a map of which an item fails.
const (
	ItemFail    = "fail"
	ItemCollect = "collect"
)

// Bounds.
const (
	MaxCheckpointEvery = 10_000
	MaxBatch           = 1_000
)

// Kind is what the language knows of it.
func Kind() workflow.Kind {
	return workflow.Kind{
		Type: "map", Doc: "runs nodes once for each item of a list, and resumes at the item", OnCrash: workflow.CrashRetry, Stores: true,
		Outcomes: []string{Success, Partial}, Plain: []string{Success, Partial}, Check: check,
		Fields: []workflow.Field{
			{Name: "items", Type: workflow.FieldAny, Required: true, Doc: "the list; it is kept once when the map begins, so that a run that resumes sees the same items"},
			{Name: "as", Type: workflow.FieldString, Constant: true, Doc: "a second name of item within the nodes"},
			{Name: "concurrency", Type: workflow.FieldInteger, Doc: "items at once, 1 to 64; 1 if absent"},
			{
				Name: "order", Type: workflow.FieldString, Constant: true, Enum: []string{OrderStrict, OrderAny},
				Doc: "strict begins items in the order of the list; any lets a failed item wait for its next attempt behind others; strict if absent",
			},
			{Name: "checkpoint_every", Type: workflow.FieldInteger, Constant: true, Doc: "items for each checkpoint: after a crash at most that many more run again; 1 if absent"},
			{Name: "batch_size", Type: workflow.FieldInteger, Constant: true, Doc: "items that the nodes get at once, as a list in item; 1, a single item, if absent"},
			{Name: "max_failures", Type: workflow.FieldAny, Doc: "how many items may fail, a number or a percentage such as \"2%\"; 0 if absent"},
			{
				Name: "on_item_error", Type: workflow.FieldString, Constant: true, Enum: []string{ItemFail, ItemCollect},
				Doc: "fail ends the map at the first item that failed; collect goes on and lists them, up to max_failures; fail if absent",
			},
			{Name: "nodes", Type: workflow.FieldNodes, Required: true, Doc: "what is done with an item; a later node reads an earlier one's outputs of the same item"},
		},
	}
}

var (
	name    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	percent = regexp.MustCompile(`^(100|[0-9]{1,2})(\.[0-9]{1,3})?%$`)
)

func check(n workflow.Node, report func(at source.Pos, code, text string)) {
	bounded := func(field string, most int64) {
		v := n.Config.Get(field)
		if v != nil && v.Kind == source.Int && (v.Int < 1 || v.Int > most) {
			report(v.Pos, "out_of_range", fmt.Sprintf("%s must be from 1 to %d", field, most))
		}
	}
	bounded("concurrency", workflow.MaxConcurrency)
	bounded("checkpoint_every", MaxCheckpointEvery)
	bounded("batch_size", MaxBatch)
	if v := n.Config.Get("as"); v != nil && v.Kind == source.String && !name.MatchString(v.Str) {
		report(v.Pos, "invalid_name", "as must be a name of letters, digits and _, and not begin with a digit")
	}
	if v := n.Config.Get("items"); v != nil && v.Kind != source.List && v.Kind != source.String {
		report(v.Pos, "wrong_type", "items must be a list, or a {{ }} that gives one, not "+v.Kind.String())
	}
	v := n.Config.Get("max_failures")
	if v == nil {
		return
	}
	switch v.Kind {
	case source.Int:
		if v.Int < 0 {
			report(v.Pos, "out_of_range", "max_failures must not be below 0")
		}
	case source.String:
		if !computed(v.Str) && !percent.MatchString(v.Str) {
			report(v.Pos, "wrong_type", `max_failures must be a number or a percentage such as "2%"`)
		}
	case source.Null, source.Bool, source.Float, source.List, source.Map:
		report(v.Pos, "wrong_type", `max_failures must be a number or a percentage such as "2%", not `+v.Kind.String())
	}
}

func computed(text string) bool { return strings.Contains(text, "{{") }
