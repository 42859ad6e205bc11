package research

import (
	"time"
)

// Version is that of the form of research.json; docs/research.schema.json describes
// it. Fields may be added under the same version.
const Version = 1

// Report is research.json.
type Report struct {
	Version   int      `json:"version"`
	Topic     string   `json:"topic"`
	Questions []string `json:"questions"`
	Language  string   `json:"language,omitempty"`
	// Basis is what findings rest on: BasisSources, or BasisModel where there were
	// no sources.
	Basis string `json:"basis"`
	// Summary is the model's, "" if it gave none. Numbers in brackets are ids of
	// findings that exist.
	Summary       string    `json:"summary"`
	Findings      []Finding `json:"findings"`
	OpenQuestions []string  `json:"open_questions"`
	Tags          []string  `json:"tags"`
	Sources       []Source  `json:"sources"`
	Model         string    `json:"model"`
	Chunks        Chunks    `json:"chunks"`
	Notes         []Note    `json:"notes"`
}

// The values of Report.Basis.
const (
	BasisSources = "sources"
	BasisModel   = "model"
)

// Finding is one thing that a source says, or with BasisModel that the model
// claims: then it has no source and no quote.
type Finding struct {
	ID   int    `json:"id"` // from 1, the best first
	Text string `json:"text"`
	// SourceID is the id of an entry of Sources.
	SourceID *string `json:"source_id"`
	// Quote is the source's text from Start to End, which are offsets in characters
	// in the text of the source.
	Quote *string `json:"quote"`
	Start *int    `json:"start"`
	End   *int    `json:"end"`
	// Page (from 1) where the source has pages, Line (from 1) where it has none.
	Page *int `json:"page,omitempty"`
	Line *int `json:"line,omitempty"`
	// Question is the index in Questions, from 1, that it helps to answer.
	Question *int `json:"question,omitempty"`
}

// Source is what was, or could not be, read.
type Source struct {
	ID   string `json:"id"`   // s1, s2, in the order of params
	Kind string `json:"kind"` // file, url, text
	Name string `json:"name"`
	// Origin is the path, or the URL without user, query and fragment.
	Origin string `json:"origin,omitempty"`
	// Format is text, markdown, html or pdf.
	Format string `json:"format,omitempty"`
	// SHA256 and Bytes are of what was read, Chars of the text that was made of it.
	SHA256      string     `json:"sha256,omitempty"`
	Bytes       int64      `json:"bytes"`
	Chars       int        `json:"chars"`
	RetrievedAt *time.Time `json:"retrieved_at,omitempty"`
	// Error is why it was not read.
	Error string `json:"error,omitempty"`
}

// Chunks counts the pieces in which sources were shown to the model.
type Chunks struct {
	Total int `json:"total"`
	// Asked were shown, and Unusable of them got no usable answer.
	Asked    int `json:"asked"`
	Unusable int `json:"unusable"`
	// Dropped counts findings whose quote is not in the chunk.
	Dropped int `json:"dropped_findings"`
}

// Note says what a reader should know of how the report came about.
type Note struct {
	Code     string `json:"code"`
	Text     string `json:"text"`
	SourceID string `json:"source_id,omitempty"`
}

// The codes of notes.
const (
	noteNoSources = "no_sources"
	noteUnread    = "source_unread"
	noteTruncated = "source_truncated"
	noteLost      = "pages_lost"
	noteChanged   = "source_changed"
	noteTooMuch   = "chunks_left_out"
	noteUnusable  = "chunks_unusable"
	noteDropped   = "findings_dropped"
	noteLimit     = "directive_limit"
	noteUnsorted  = "not_reduced"
	noteNothing   = "nothing_found"
)
