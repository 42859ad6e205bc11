package research

import (
	"strings"

	"github.com/runsheet/runsheet/internal/llm/ask"
)

// Bounds of chunks.
const (
	// assumedContext is the context of a server that was told none: what Ollama has
	// by default.
	assumedContext = 4096
	// answerTokens is what the answer for one chunk may take, overhead what the
	// instructions do.
	answerTokens = 1100
	overhead     = 500
	minChunk     = 300
	maxChunk     = 4000
	// maxChunks bounds a run. What lies beyond is not read, and the report says so.
	maxChunks = 600
)

// chunk is a piece of a source's text.
type chunk struct {
	source int // index
	// start and end are offsets in characters; text is what lies between.
	start, end int
	text       []rune
}

// budget is how many tokens of a source one question may have.
func budget(contextTokens int) int64 {
	if contextTokens <= 0 {
		contextTokens = assumedContext
	}
	// Estimates are off by a third in either direction.
	return int64(min(max((contextTokens-answerTokens-overhead)*2/3, minChunk), maxChunk))
}

// split cuts a text into chunks of at most size estimated tokens: between
// paragraphs, else lines, else sentences, else words, else anywhere. Together they
// are the text.
func split(source int, text []rune, size int64) []chunk {
	var out []chunk
	for start := 0; start < len(text); {
		end := start + fits(text[start:], size)
		if end < len(text) {
			end = start + cutAt(text[start:end])
		}
		if strings.TrimSpace(string(text[start:end])) != "" {
			out = append(out, chunk{source, start, end, text[start:end]})
		}
		start = end
	}
	return out
}

// fits is how many characters have at most size estimated tokens, at least one.
func fits(text []rune, size int64) int {
	n := min(len(text), int(size)*4)
	for n > 1 {
		over := ask.Estimate(string(text[:n])) - size
		if over <= 0 {
			break
		}
		n = max(n-max(int(over), 1), 1)
	}
	return max(n, 1)
}

// cutAt is the best place to cut in the last third of text.
func cutAt(text []rune) int {
	from := len(text) * 2 / 3
	best, rank := len(text), 0
	for i := len(text) - 1; i > from && rank < 4; i-- {
		r, prev := text[i], text[i-1]
		found := 0
		switch {
		case r == '\n' && prev == '\n':
			found = 4
		case r == '\n':
			found = 3
		case r == ' ' && (prev == '.' || prev == '!' || prev == '?') || prev == '。':
			found = 2
		case r == ' ':
			found = 1
		}
		if found > rank {
			best, rank = i+1, found
		}
	}
	return best
}
