// Package gguf writes language models that are small enough for tests, in the
// format GGUF version 3, which llama.cpp and Ollama read.
//
// A model is a genuine one of architecture llama whose weights are computed, not
// trained. It continues a text word by word as its corpus does: the words that
// follow a word in the corpus come with the probability that they have there. So
// a real server samples readable text and counts real tokens, and with a seed, or
// at temperature 0, always the same.
//
// How: each word of the corpus has a place of its own in the embedding, all
// others share one. The blocks have weights of zero, so that what goes in comes
// out; they only take time. The last layer holds the logarithm of the probability
// of each next word.
//
//	err := gguf.Model{}.Write(file)
//
// The tokenizer has every word of the corpus as one token, with the space before
// it; other text becomes bytes.
package gguf

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Tale is the corpus of a Model that has none: ten sentences about a robot.
const Tale = `once upon a time a small robot lived in a quiet house .
the robot kept a queue of little jobs .
every morning the robot read the list and did the first job .
one day the lamp went dark and the robot stopped .
when the light came back the robot knew where to go on .
the robot finished the last job and the house was quiet .
a small cat came in and sat on the list .
the cat slept in the light and the robot waited .
then the cat woke up and the robot did the next job .
and every day after that the cat and the robot did the jobs together .`

// Model says what to write. The zero value continues Tale, without an end and as
// fast as possible.
type Model struct {
	// Name is written into the file, so that equal models can be different files.
	Name string
	// Corpus is what the model knows: words between spaces, a sentence a line. "" =
	// Tale. After an unknown word comes the beginning of a line; after a line the
	// next, and after the last the first.
	Corpus string
	// End is the probability that the text ends at the end of a line, 0 = never, 1 =
	// always.
	End float64
	// Blocks and Width make it slow: each of the Blocks (0 = 1) costs time for each
	// token. Width (0 = 256) must exceed the number of different words.
	Blocks, Width int
	// Context is the longest text in tokens; 0 = 2048.
	Context int
}

// Shape of the blocks: one head of headSize, as little as possible to multiply.
const (
	headSize = 32
	feed     = 8
)

// Unseen is the logarithm of the probability of a word that never follows.
const unseen = -20

// Write writes the file.
func (m Model) Write(w io.Writer) error {
	if m.Corpus == "" {
		m.Corpus = Tale
	}
	for p, n := range map[*int]int{&m.Blocks: 1, &m.Width: 256, &m.Context: 2048} {
		if *p == 0 {
			*p = n
		}
	}
	v, err := vocabularyOf(m.Corpus, m.Width)
	if err != nil {
		return err
	}
	f := file{keys: m.keys(v), tensors: m.tensors(v)}
	return f.write(w)
}

func (m Model) keys(v *vocabulary) []pair {
	return []pair{
		{"general.architecture", "llama"},
		{"general.name", m.Name},
		{"general.file_type", uint32(0)}, // 32-bit floating point
		{"general.alignment", uint32(alignment)},
		{"llama.context_length", uint32(m.Context)},
		{"llama.embedding_length", uint32(m.Width)},
		{"llama.block_count", uint32(m.Blocks)},
		{"llama.feed_forward_length", uint32(feed)},
		{"llama.attention.head_count", uint32(1)},
		{"llama.attention.head_count_kv", uint32(1)},
		{"llama.attention.key_length", uint32(headSize)},
		{"llama.attention.value_length", uint32(headSize)},
		{"llama.attention.layer_norm_rms_epsilon", float32(1e-6)},
		{"llama.rope.dimension_count", uint32(headSize)},
		{"llama.vocab_size", uint32(len(v.tokens))},
		{"tokenizer.ggml.model", "llama"},
		{"tokenizer.ggml.pre", "default"},
		{"tokenizer.ggml.tokens", v.tokens},
		{"tokenizer.ggml.scores", v.scores},
		{"tokenizer.ggml.token_type", v.types},
		{"tokenizer.ggml.bos_token_id", uint32(begin)},
		{"tokenizer.ggml.eos_token_id", uint32(end)},
		{"tokenizer.ggml.unknown_token_id", uint32(unknown)},
		{"tokenizer.ggml.add_bos_token", true},
		{"tokenizer.ggml.add_eos_token", false},
		{"tokenizer.chat_template", "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"},
	}
}

func (m Model) tensors(v *vocabulary) []tensor {
	n, width := len(v.tokens), m.Width
	in, out := make([]float32, n*width), make([]float32, n*width)
	for t, slot := range v.slots {
		in[t*width+slot] = 1
	}
	for slot, next := range m.follow(v) {
		for t := range n {
			out[t*width+slot] = unseen
			if p := next[t]; p > 0 {
				out[t*width+slot] = float32(math.Log(p))
			}
		}
	}
	// The norm makes the one number that is not zero sqrt(width).
	norm := repeat(width, float32(1/math.Sqrt(float64(width))))
	all := []tensor{
		{"token_embd.weight", []uint64{uint64(width), uint64(n)}, in},
		{"output_norm.weight", []uint64{uint64(width)}, norm},
		{"output.weight", []uint64{uint64(width), uint64(n)}, out},
	}
	wide, head, inner := uint64(width), uint64(headSize), uint64(feed)
	ones, zeros := repeat(width, 1), make([]float32, width*headSize)
	for b := range m.Blocks {
		p := fmt.Sprintf("blk.%d.", b)
		all = append(all,
			tensor{p + "attn_norm.weight", []uint64{wide}, ones},
			tensor{p + "attn_q.weight", []uint64{wide, head}, zeros},
			tensor{p + "attn_k.weight", []uint64{wide, head}, zeros},
			tensor{p + "attn_v.weight", []uint64{wide, head}, zeros},
			tensor{p + "attn_output.weight", []uint64{head, wide}, zeros},
			tensor{p + "ffn_norm.weight", []uint64{wide}, ones},
			tensor{p + "ffn_gate.weight", []uint64{wide, inner}, zeros[:width*feed]},
			tensor{p + "ffn_up.weight", []uint64{wide, inner}, zeros[:width*feed]},
			tensor{p + "ffn_down.weight", []uint64{inner, wide}, zeros[:width*feed]})
	}
	return all
}

// follow returns, for each slot, the probability of each token to be the next.
func (m Model) follow(v *vocabulary) [][]float64 {
	next := make([][]float64, m.Width)
	for i := range next {
		next[i] = make([]float64, len(v.tokens))
	}
	lines := sentences(m.Corpus)
	for i, line := range lines {
		slot := m.Width - 1 // of all that is no word
		for _, word := range line {
			next[slot][v.ids[piece(word)]]++
			slot = v.slots[v.ids[piece(word)]]
		}
		first := lines[(i+1)%len(lines)][0]
		next[slot][end] += m.End
		next[slot][v.ids[piece(first)]] += 1 - m.End
	}
	for _, row := range next {
		sum := 0.0
		for _, n := range row {
			sum += n
		}
		for t := range row {
			row[t] /= max(sum, 1)
		}
	}
	return next
}

func sentences(corpus string) [][]string {
	var out [][]string
	for line := range strings.Lines(corpus) {
		if words := strings.Fields(line); len(words) > 0 {
			out = append(out, words)
		}
	}
	return out
}

func repeat(n int, x float32) []float32 { return slices.Repeat([]float32{x}, n) }
