package story

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// Bounds of params. Those that a schema can say are in schema.json, too.
const (
	defaultLength = 1000
	// usualSection is how many words a section has if nobody says how many there are.
	usualSection = 400
	maxSections  = 40
	// minSection and maxSection bound the words of a section: fewer are no section,
	// and more are too much to lose when a server is killed.
	minSection, maxSection = 25, 2000
)

// params is what a job says. The zero value of each field means that it was not
// given.
type params struct {
	Topic       string   `json:"topic"`
	Genre       string   `json:"genre"`
	Style       string   `json:"style"`
	Language    string   `json:"language"`
	Length      int      `json:"length"`
	Sections    int      `json:"sections"`
	Model       string   `json:"model"`
	Seed        *int64   `json:"seed"`
	Temperature *float64 `json:"temperature"`
	ResearchRun string   `json:"research_run_id"`
}

// decode reads params that met the schema. Texts lose their control characters:
// they go into questions and into the front matter.
func decode(raw json.RawMessage) (params, error) {
	var p params
	if len(raw) > 0 {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			return p, fault.FromJSON(err, "params do not fit the schema of story")
		}
	}
	for _, s := range []*string{&p.Topic, &p.Genre, &p.Style, &p.Language} {
		*s = line(*s)
	}
	if p.Length == 0 {
		p.Length = defaultLength
	}
	return p, nil
}

// check finds all that is wrong with p. No fault quotes a text of it.
func (p params) check() error {
	bad := fault.New(fault.InvalidInput, "params of story are not valid")
	if strings.ContainsFunc(p.Language, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -_(),'’", r)
	}) {
		bad = bad.At("/language", "bad_language", "must be the name of a language: letters, digits, spaces and - _ ( ) , '")
	}
	if strings.ContainsFunc(p.Model, unicode.IsControl) || strings.TrimSpace(p.Model) != p.Model {
		bad = bad.At("/model", "bad_model", "must have no control characters and no spaces at its ends")
	}
	switch {
	case p.Sections == 0:
	case p.Sections > max(1, p.Length/minSection):
		bad = bad.At("/sections", "too_many", "a section has at least 25 words: ask for fewer sections or for more words")
	case p.Sections*maxSection < p.Length:
		bad = bad.At("/sections", "too_few", "a section has at most 2000 words: ask for more sections or for fewer words")
	}
	if p.ResearchRun != "" && id.Check(id.Run, p.ResearchRun) != nil {
		bad = bad.At("/research_run_id", "bad_id", "must be the id of a run")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// sections is how many there are to be, and whether they were asked for.
func (p params) sections() (n int, asked bool) {
	if p.Sections > 0 {
		return p.Sections, true
	}
	n = (p.Length + usualSection/2) / usualSection
	return min(max(n, 1), maxSections, max(1, p.Length/minSection)), false
}
