package story

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Bounds of an outline, in characters.
const (
	maxTitle   = 120
	maxSummary = 600
)

// outline is the plan of a story. It is stored as outline.json: fields may be
// added, never renamed.
type outline struct {
	Version  int    `json:"version"`
	Title    string `json:"title"`
	Sections []plan `json:"sections"`
	// Fixed says that the model gave no usable outline.
	Fixed bool `json:"fixed,omitempty"`
}

// plan is a section of an outline.
type plan struct {
	Heading string `json:"heading"`
	Summary string `json:"summary"`
}

const outlineVersion = 1

// format is the JSON Schema of an outline with least to most sections.
func format(least, most int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"object","required":["title","sections"],"properties":{"title":{"type":"string"},`+
		`"sections":{"type":"array","minItems":%d,"maxItems":%d,"items":{"type":"object","required":["heading","summary"],`+
		`"properties":{"heading":{"type":"string"},"summary":{"type":"string"}}}}}}`, least, most))
}

// restore reads outline.json. It reports whether that is a usable outline, and
// leaves o alone if not.
func (o *outline) restore(raw []byte) bool {
	var got outline
	if len(raw) == 0 || json.Unmarshal(raw, &got) != nil || len(got.Sections) == 0 {
		return false
	}
	*o = got
	return true
}

// bounds is how many sections an outline may have: exactly what was asked for, or
// about as many as are usual.
func (p params) bounds() (least, most int) {
	n, asked := p.sections()
	if asked {
		return n, n
	}
	return max(1, n-2, (p.Length+maxSection-1)/maxSection), min(n+2, maxSections, max(1, p.Length/minSection))
}

// readOutline reads what a model gave as an outline.
func readOutline(raw []byte, least, most int) (outline, error) {
	o := outline{Version: outlineVersion}
	var said struct {
		Title    string `json:"title"`
		Sections []struct {
			Heading string `json:"heading"`
			Summary string `json:"summary"`
		} `json:"sections"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return o, errors.New("it must be an object with title and sections, each section with heading and summary")
	}
	if n := len(said.Sections); n < least || n > most {
		return o, fmt.Errorf("it has %d sections, and it must have %s", n, between(least, most))
	}
	if o.Title = label(said.Title, maxTitle); o.Title == "" {
		return o, errors.New("title is empty")
	}
	for i, s := range said.Sections {
		one := plan{Heading: label(s.Heading, maxTitle)}
		if r := []rune(line(s.Summary)); len(r) > 0 {
			one.Summary = string(r[:min(len(r), maxSummary)])
		}
		if one.Heading == "" || one.Summary == "" {
			return o, fmt.Errorf("section %d has no heading or no summary", i+1)
		}
		o.Sections = append(o.Sections, one)
	}
	return o, nil
}

func between(least, most int) string {
	if least == most {
		return fmt.Sprintf("exactly %d", least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

// fixedOutline is the plan of a story for which the model has none. Headings are
// numbers because the language is not known; summaries are for the model. Only the
// params of a job become the title: of a direct request nothing is kept.
func fixedOutline(p params, direct bool) outline {
	o := outline{Version: outlineVersion, Title: "Story", Fixed: true}
	for _, text := range []string{p.Genre, p.Topic} {
		if text = label(text, maxTitle); text != "" && !direct {
			o.Title = text
		}
	}
	n, _ := p.sections()
	for i := range n {
		s := "What happens next: the situation gets harder, and somebody must decide something."
		switch {
		case n == 1:
			s = "The whole story, from its beginning to its end."
		case i == 0:
			s = "The beginning: who the people are, where they are, and what disturbs their day."
		case i == n-1:
			s = "The end: what becomes of everything that was told before."
		case i == n-2:
			s = "The turn: what was hidden comes out."
		}
		o.Sections = append(o.Sections, plan{Heading: fmt.Sprint(i + 1), Summary: s})
	}
	return o
}
