package task

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// Registry holds the job types of a server. It is filled once at start and
// read-only afterwards.
type Registry struct{ tasks map[string]Task }

// NewRegistry returns a registry of the given types. Two tasks of one type
// are an error of the programmer and panic.
func NewRegistry(tasks ...Task) *Registry {
	r := &Registry{tasks: map[string]Task{}}
	for _, t := range tasks {
		if _, twice := r.tasks[t.Type()]; twice {
			panic("task: type " + t.Type() + " registered twice")
		}
		r.tasks[t.Type()] = t
	}
	return r
}

// Find returns the task of a job type, or a fault with code job_type_unknown.
func (r *Registry) Find(jobType string) (Task, error) {
	if t, ok := r.tasks[jobType]; ok {
		return t, nil
	}
	return nil, fault.Newf(fault.JobTypeUnknown, "no job type %q; known: %s", clip(jobType), strings.Join(r.Types(), ", "))
}

// Types lists the job types, sorted.
func (r *Registry) Types() []string {
	return slices.SortedFunc(maps.Keys(r.tasks), cmp.Compare[string])
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
