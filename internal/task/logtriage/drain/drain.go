// Package drain groups log messages by template while they stream past.
//
// It is the algorithm of P. He, J. Zhu, Z. Zheng, M. R. Lyu, "Drain: An Online
// Log Parsing Approach with Fixed Depth Tree", ICWS 2017: messages are routed by
// their number of words and by their first words through a tree of fixed depth to
// a few candidates, and join the one with which they share most words at the same
// places; where they differ the template gets a wildcard. The tree, the
// candidates at a leaf and the groups as a whole are bounded; a message for
// which there is no room belongs to no group.
//
// The same messages in the same order always give the same groups.
package drain

import (
	"bytes"
	"strings"
)

// Wildcard stands in a template where its messages differ.
const Wildcard = "<*>"

// Options configure a Tree.
type Options struct {
	// Groups is how many there can be; it must be positive.
	Groups int
	// Similarity is the share of words, 0 to 1, that a message must have in common
	// with a template to join it; 0 = 0.5.
	Similarity float64
}

// Shape of the tree. The depth is the paper's 4 (root, length, two words); the
// paper's maxChild is 100.
const (
	firstWords  = 2
	maxChildren = 100
	maxLeaf     = 200
	// cacheSize bounds the memory of messages seen before.
	cacheSize = 4096
)

// None is the group of a message for which there was no room.
const None = -1

// Tree groups messages. It is not safe for concurrent use.
type Tree struct {
	o      Options
	roots  map[int]*node
	groups [][]string
	// seen leads messages that repeat to their group without a search.
	seen  map[string]int
	words [][]byte
}

type node struct {
	children map[string]*node
	groups   []int
}

// New returns an empty tree.
func New(o Options) *Tree {
	if o.Similarity == 0 {
		o.Similarity = 0.5
	}
	return &Tree{o: o, roots: map[int]*node{}, seen: map[string]int{}}
}

// Add finds the group of a message whose words are separated by single spaces,
// and makes one if there is none yet. Groups are numbered from 0.
func (t *Tree) Add(message []byte) int {
	if g, ok := t.seen[string(message)]; ok {
		return g
	}
	t.words = split(t.words[:0], message)
	leaf := t.leaf()
	g := t.best(leaf)
	switch {
	case g != None:
		t.widen(g)
	case len(t.groups) < t.o.Groups && len(leaf.groups) < maxLeaf:
		g = len(t.groups)
		words := make([]string, len(t.words))
		for i, w := range t.words {
			words[i] = string(w)
		}
		t.groups, leaf.groups = append(t.groups, words), append(leaf.groups, g)
	default:
		return None // not remembered: these are many, and seldom repeat
	}
	if len(t.seen) >= cacheSize {
		clear(t.seen)
	}
	t.seen[string(message)] = g
	return g
}

// Len is the number of groups.
func (t *Tree) Len() int { return len(t.groups) }

// Template is the template of a group: its words, or a wildcard where its
// messages differ.
func (t *Tree) Template(group int) string { return strings.Join(t.groups[group], " ") }

func split(dst [][]byte, b []byte) [][]byte {
	for {
		i := bytes.IndexByte(b, ' ')
		if i < 0 {
			return append(dst, b)
		}
		dst, b = append(dst, b[:i]), b[i+1:]
	}
}

// leaf finds or makes the leaf of the words.
func (t *Tree) leaf() *node {
	n := t.roots[len(t.words)]
	if n == nil {
		n = &node{}
		t.roots[len(t.words)] = n
	}
	for _, w := range t.words[:min(firstWords, len(t.words))] {
		if variable(w) {
			w = []byte(Wildcard)
		}
		next := n.children[string(w)]
		if next == nil && len(n.children) >= maxChildren-1 {
			w = []byte(Wildcard)
			next = n.children[Wildcard]
		}
		if next == nil {
			if next = (&node{}); n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[string(w)] = next
		}
		n = next
	}
	return n
}

// variable reports whether a word should not lead through the tree: it has a
// digit or a placeholder.
func variable(w []byte) bool {
	for _, c := range w {
		if c >= '0' && c <= '9' || c == '<' {
			return true
		}
	}
	return false
}

// best finds the group at a leaf that has most words in common with the message;
// of equals, the one with more wildcards, then the older.
func (t *Tree) best(leaf *node) int {
	found, most, wildest := None, -1, -1
	for _, g := range leaf.groups {
		same, wild := 0, 0
		for i, w := range t.groups[g] {
			switch {
			case w == Wildcard:
				wild++
			case w == string(t.words[i]):
				same++
			}
		}
		if same > most || same == most && wild > wildest {
			found, most, wildest = g, same, wild
		}
	}
	if found == None || float64(most) < t.o.Similarity*float64(len(t.words)) && most+wildest < len(t.words) {
		return None
	}
	return found
}

// widen puts wildcards where the message differs from its group's template.
func (t *Tree) widen(g int) {
	for i, w := range t.groups[g] {
		if w != Wildcard && w != string(t.words[i]) {
			t.groups[g][i] = Wildcard
		}
	}
}
