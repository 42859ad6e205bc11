package gguf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Tokens with a meaning of their own.
const (
	unknown = iota
	begin
	end
)

// Types of tokens.
const (
	typeNormal  int32 = 1
	typeUnknown int32 = 2
	typeControl int32 = 3
	typeByte    int32 = 6
)

// vocabulary is the tokenizer's table, and the slot in the embedding of each token.
type vocabulary struct {
	tokens []string
	scores []float32
	types  []int32
	slots  []int
	ids    map[string]int
}

// vocabularyOf makes the table. The tokenizer puts letters together pair by pair
// and only to what it has, so that it needs every beginning of every word.
func vocabularyOf(corpus string, width int) (*vocabulary, error) {
	v := &vocabulary{ids: map[string]int{}}
	v.add("<unk>", 0, typeUnknown)
	v.add("<s>", 0, typeControl)
	v.add("</s>", 0, typeControl)
	for b := range 256 {
		v.add(fmt.Sprintf("<0x%02X>", b), 0, typeByte)
	}
	words := slices.Concat(sentences(corpus)...)
	slices.Sort(words)
	words = slices.Compact(words)
	if len(words) == 0 {
		return nil, errors.New("gguf: the corpus has no word")
	}
	if len(words) >= width {
		return nil, fmt.Errorf("gguf: %d different words need a width of more than %d", len(words), width)
	}
	for _, w := range words {
		letters := []rune(piece(w))
		for _, r := range letters {
			v.add(string(r), -1000, typeNormal)
		}
		for n := 2; n <= len(letters); n++ {
			v.add(string(letters[:n]), float32(n), typeNormal)
		}
	}
	v.slots = slices.Repeat([]int{width - 1}, len(v.tokens))
	for i, w := range words {
		v.slots[v.ids[piece(w)]] = i
	}
	return v, nil
}

func (v *vocabulary) add(token string, score float32, kind int32) {
	if _, known := v.ids[token]; known {
		return
	}
	v.ids[token] = len(v.tokens)
	v.tokens, v.scores, v.types = append(v.tokens, token), append(v.scores, score), append(v.types, kind)
}

// piece is the token of a word: with the space before it, which the tokenizer
// writes as U+2581. A full stop has none.
func piece(word string) string {
	if strings.Trim(word, ".") == "" {
		return word
	}
	return "▁" + word
}
