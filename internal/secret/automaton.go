package secret

import "slices"

// automaton finds all of many texts in one pass (Aho and Corasick 1975, "Efficient
// string matching"), in time linear in what is searched, whatever the texts are.
// State 0 is the root. It is read-only after newAutomaton.
type automaton struct {
	root [256]int32
	// Per state: its byte, its first child, the next child of its parent, where to go
	// on when no child fits, how many bytes it stands for, and the length of the
	// longest text that ends here, 0 = none does.
	char        []byte
	first, next []int32
	fail        []int32
	depth, ends []int32
	// starts has a bit for each hash of the first four bytes of a text: where the
	// root stands, most places are passed by one look at it.
	starts [1 << 10]uint64
}

// window is how many bytes startHash looks at; no text is shorter.
const window = 4

func startHash(b []byte) uint32 {
	return (uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24) * 2654435761 >> 16
}

// newAutomaton finds texts, each of at least window bytes.
func newAutomaton(texts []string) *automaton {
	a := &automaton{}
	a.add(0, 0)
	for _, t := range texts {
		h := startHash([]byte(t[:window]))
		a.starts[h>>6] |= 1 << (h & 63)
		at := int32(0)
		for i := range len(t) {
			to := a.child(at, t[i])
			if to == 0 {
				to = a.add(t[i], a.depth[at]+1)
				a.next[to], a.first[at] = a.first[at], to
				if at == 0 {
					a.root[t[i]] = to
				}
			}
			at = to
		}
		a.ends[at] = a.depth[at]
	}
	// Level by level: what a state falls back to is shorter, so it is ready.
	level := []int32{}
	for at := a.first[0]; at != 0; at = a.next[at] {
		level = append(level, at)
	}
	for len(level) > 0 {
		var below []int32
		for _, at := range level {
			for to := a.first[at]; to != 0; to = a.next[to] {
				a.fail[to] = a.step(a.fail[at], a.char[to])
				a.ends[to] = max(a.ends[to], a.ends[a.fail[to]])
				below = append(below, to)
			}
		}
		level = below
	}
	for _, s := range []*[]int32{&a.first, &a.next, &a.fail, &a.depth, &a.ends} {
		*s = slices.Clip(*s)
	}
	return a
}

func (a *automaton) add(c byte, depth int32) int32 {
	a.char = append(a.char, c)
	a.first, a.next, a.fail = append(a.first, 0), append(a.next, 0), append(a.fail, 0)
	a.depth, a.ends = append(a.depth, depth), append(a.ends, 0)
	return int32(len(a.char) - 1)
}

// child returns the state after at when c follows; 0 = there is none.
func (a *automaton) child(at int32, c byte) int32 {
	if at == 0 {
		return a.root[c]
	}
	for to := a.first[at]; to != 0; to = a.next[to] {
		if a.char[to] == c {
			return to
		}
	}
	return 0
}

// step goes on with c.
func (a *automaton) step(at int32, c byte) int32 {
	for {
		if to := a.child(at, c); to != 0 || at == 0 {
			return to
		}
		at = a.fail[at]
	}
}

// span is a part of a text, from its first byte to before its last.
type span struct{ from, to int }

// find goes from state at over b[i:] and adds what it finds to spans, whose elements
// neither overlap nor touch and are in order. Spans may begin before i.
func (a *automaton) find(at int32, b []byte, i int, spans []span) (int32, []span) {
	for i < len(b) {
		if at == 0 {
			for i+window <= len(b) {
				h := startHash(b[i : i+window : i+window])
				if a.starts[h>>6]&(1<<(h&63)) != 0 {
					break
				}
				i++
			}
		}
		at = a.step(at, b[i])
		i++
		if n := int(a.ends[at]); n > 0 {
			spans = cover(spans, span{i - n, i})
		}
	}
	return at, spans
}

// cover adds a span that ends after all others.
func cover(spans []span, s span) []span {
	for len(spans) > 0 && spans[len(spans)-1].to >= s.from {
		s.from = min(s.from, spans[len(spans)-1].from)
		spans = spans[:len(spans)-1]
	}
	return append(spans, s)
}
