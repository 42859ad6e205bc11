package event

import (
	"fmt"
	"slices"
	"strings"
)

// maxTerms bounds a filter.
const maxTerms = 50

// WorkflowRunKey is the key of Event.Data that holds the run of a workflow.
const WorkflowRunKey = "workflow_run_id"

// Filter chooses events. The zero value lets all through. It is immutable.
type Filter struct{ terms []term }

// term is a topic, or a topic and the id of one object.
type term struct {
	topic Topic
	id    string
}

// ParseFilter reads terms, any of which lets an event through: a topic ("run")
// lets all its events through, and job:ID, run:ID, template:ID, approval:ID or
// workflow:ID (of a run) lets through whatever names that object, whichever its topic. No terms let all through.
// The error says which term is wrong; it is for the person who wrote it.
func ParseFilter(terms []string) (Filter, error) {
	var f Filter
	if len(terms) > maxTerms {
		return f, fmt.Errorf("there may be %d topics at most", maxTerms)
	}
	for _, t := range terms {
		name, id, one := strings.Cut(t, ":")
		topic := Topic(name)
		if !slices.Contains(Topics(), topic) {
			return Filter{}, fmt.Errorf("there is no topic %q; known: %s", clip(name), topicNames())
		}
		if one && (topic == TopicQueue || !strings.HasPrefix(id, idPrefix(topic)) || len(id) > 64) {
			return Filter{}, fmt.Errorf("%q is not a topic with an id, such as run:run_01jh0000000000000000000000", clip(t))
		}
		f.terms = append(f.terms, term{topic, id})
	}
	return f, nil
}

func idPrefix(t Topic) string {
	switch t {
	case TopicTemplate:
		return "tmpl_"
	case TopicApproval:
		return "appr_"
	case TopicWorkflow:
		return "wfrun_"
	case TopicJob, TopicRun, TopicQueue, TopicGroup, TopicLock, TopicSchedule:
	}
	return string(t) + "_"
}

func topicNames() string {
	var all []string
	for _, t := range Topics() {
		all = append(all, string(t))
	}
	return strings.Join(all, ", ")
}

// Match reports whether e passes.
func (f Filter) Match(e Event) bool {
	return len(f.terms) == 0 || slices.ContainsFunc(f.terms, func(t term) bool { return t.match(e) })
}

func (t term) match(e Event) bool {
	if t.id == "" {
		return e.Type.Topic() == t.topic
	}
	return t.id == e.JobID || t.id == e.RunID || t.id == e.TemplateID ||
		t.topic == TopicApproval && t.id == e.Data["approval_id"] ||
		t.topic == TopicWorkflow && t.id == e.Data[WorkflowRunKey]
}

func clip(s string) string {
	const limit = 60
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
