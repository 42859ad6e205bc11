package gguf

import (
	"bytes"
	"strings"
	"testing"
)

// That a server reads the file and continues the corpus is tested where there is a
// server: see package llm.
func TestWrite(t *testing.T) {
	t.Parallel()
	var one, two bytes.Buffer
	if err := (Model{Name: "a"}).Write(&one); err != nil {
		t.Fatal(err)
	}
	if err := (Model{Name: "a"}).Write(&two); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("the same model is written differently")
	}
	if !bytes.HasPrefix(one.Bytes(), []byte("GGUF\x03\x00\x00\x00")) || one.Len()%alignment != 0 {
		t.Errorf("%d bytes that begin with %q", one.Len(), one.Bytes()[:8])
	}
	two.Reset()
	if err := (Model{Name: "b"}).Write(&two); err != nil || bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Errorf("another name gives the same file, %v", err)
	}
}

func TestProbabilities(t *testing.T) {
	t.Parallel()
	m := Model{Corpus: "a b\na c", End: 0.25, Width: 8}
	v, err := vocabularyOf(m.Corpus, m.Width)
	if err != nil {
		t.Fatal(err)
	}
	next := m.follow(v)
	after := func(word string) []float64 { return next[v.slots[v.ids[piece(word)]]] }
	for _, c := range []struct {
		after []float64
		token int
		want  float64
	}{
		{after("a"), v.ids[piece("b")], 0.5},
		{after("a"), v.ids[piece("c")], 0.5},
		{after("a"), end, 0},
		{after("b"), v.ids[piece("a")], 0.75},
		{after("c"), v.ids[piece("a")], 0.75},
		{after("c"), end, 0.25},
		{next[m.Width-1], v.ids[piece("a")], 1},
	} {
		if got := c.after[c.token]; got != c.want {
			t.Errorf("token %q has probability %v, want %v", v.tokens[c.token], got, c.want)
		}
	}
}

func TestWordsMustFit(t *testing.T) {
	t.Parallel()
	for _, m := range []Model{{Corpus: " \n"}, {Corpus: strings.Join(strings.Split("abcdefgh", ""), " "), Width: 8}} {
		if err := m.Write(&bytes.Buffer{}); err == nil {
			t.Errorf("%+v is written", m)
		}
	}
}
