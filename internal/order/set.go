package order

import (
	"slices"

	"github.com/runsheet/runsheet/internal/rank"
)

// keyed is an element of a set. Its key must not change while it is inside.
type keyed interface{ key() rank.Rank }

// blockLen is the most elements of a block. A change moves half a block on
// average, and a set of a million has a few thousand blocks: both are well
// under a microsecond.
const blockLen = 512

// set is a sorted set that knows the position of each element. Small sets are
// one slice, because there may be a million of them; larger ones are blocks
// with a Fenwick tree of their lengths. The zero value is empty.
type set[T keyed] struct {
	small []T // when big is nil
	big   *blocks[T]
}

type blocks[T keyed] struct {
	list [][]T // none is empty
	sums []int // Fenwick tree over the lengths of list
	n    int
}

// fill replaces the content by sorted elements without duplicates.
func (s *set[T]) fill(sorted []T) {
	s.small, s.big = nil, nil
	if len(sorted) <= blockLen {
		s.small = append(sized[T](len(sorted)), sorted...)
		return
	}
	b := &blocks[T]{n: len(sorted)}
	// A little room in each block, so that the next inserts split none.
	for part := range slices.Chunk(sorted, blockLen*7/8) {
		b.list = append(b.list, append(sized[T](blockLen), part...))
	}
	b.recount()
	s.big = b
}

func (s *set[T]) len() int {
	if s.big != nil {
		return s.big.n
	}
	return len(s.small)
}

// find looks for a key inside a block.
func find[T keyed](block []T, k rank.Rank) (int, bool) {
	lo, hi := 0, len(block)
	for lo < hi {
		if mid := (lo + hi) / 2; block[mid].key() < k {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(block) && block[lo].key() == k
}

// insert adds an element, and returns false if there is one with its key.
func (s *set[T]) insert(e T) bool {
	if s.big != nil {
		return s.big.insert(e)
	}
	i, found := find(s.small, e.key())
	if found {
		return false
	}
	if len(s.small) == blockLen {
		s.big = &blocks[T]{list: [][]T{s.small}, n: blockLen}
		s.big.recount()
		s.small = nil
		return s.big.insert(e)
	}
	s.small = put(s.small, i, e)
	return true
}

// remove takes an element out, and returns false if there is none.
func (s *set[T]) remove(k rank.Rank) bool {
	if s.big != nil {
		if !s.big.remove(k) {
			return false
		}
		if len(s.big.list) == 1 {
			s.small, s.big = s.big.list[0], nil
		}
		return true
	}
	i, found := find(s.small, k)
	if found {
		s.small = take(s.small, i)
	}
	return found
}

// before returns the number of elements with smaller keys, and whether k is
// there.
func (s *set[T]) before(k rank.Rank) (int, bool) {
	if s.big == nil {
		return find(s.small, k)
	}
	j := s.big.block(k)
	i, found := find(s.big.list[j], k)
	return s.big.sum(j) + i, found
}

// at returns the element at position i, which must be below len.
func (s *set[T]) at(i int) T {
	if s.big == nil {
		return s.small[i]
	}
	j, rest := s.big.locate(i)
	return s.big.list[j][rest]
}

// first returns the element with the smallest key.
func (s *set[T]) first() (e T, ok bool) {
	if s.big != nil {
		return s.big.list[0][0], true
	}
	if len(s.small) == 0 {
		return e, false
	}
	return s.small[0], true
}

// cursor goes over a set, which must not change meanwhile.
type cursor[T keyed] struct {
	set      *set[T]
	block, i int
}

// peek returns the next element.
func (c *cursor[T]) peek() (e T, ok bool) {
	if c.set == nil {
		return e, false
	}
	block := c.set.small
	if b := c.set.big; b != nil {
		if c.block == len(b.list) {
			return e, false
		}
		block = b.list[c.block]
	}
	if c.i == len(block) {
		return e, false
	}
	return block[c.i], true
}

// skip goes behind the element that peek returned.
func (c *cursor[T]) skip() {
	c.i++
	if b := c.set.big; b != nil && c.i == len(b.list[c.block]) {
		c.block, c.i = c.block+1, 0
	}
}

// block returns the index of the block that has the place of k.
func (b *blocks[T]) block(k rank.Rank) int {
	lo, hi := 1, len(b.list)
	for lo < hi {
		if mid := (lo + hi) / 2; b.list[mid][0].key() <= k {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

func (b *blocks[T]) insert(e T) bool {
	j := b.block(e.key())
	block := b.list[j]
	i, found := find(block, e.key())
	if found {
		return false
	}
	b.n++
	if len(block) < blockLen {
		b.list[j] = put(block, i, e)
		b.add(j, 1)
		return true
	}
	switch i {
	case len(block):
		// New jobs mostly go behind the others of their zone: full blocks
		// stay full there.
		b.list = slices.Insert(b.list, j+1, []T{e})
	default:
		half := len(block) / 2
		left, right := clone(block[:half]), clone(block[half:])
		if i <= half {
			left = put(left, i, e)
		} else {
			right = put(right, i-half, e)
		}
		b.list[j] = left
		b.list = slices.Insert(b.list, j+1, right)
	}
	b.recount()
	return true
}

func (b *blocks[T]) remove(k rank.Rank) bool {
	j := b.block(k)
	i, found := find(b.list[j], k)
	if !found {
		return false
	}
	b.n--
	b.list[j] = take(b.list[j], i)
	b.add(j, -1)
	if len(b.list[j]) > blockLen/4 {
		return true
	}
	// Merge with the smaller neighbour if the result is not soon full again.
	left := j
	if j == len(b.list)-1 || j > 0 && len(b.list[j-1]) < len(b.list[j+1]) {
		left = j - 1
	}
	if left < 0 || left+1 >= len(b.list) {
		return true
	}
	if together := len(b.list[left]) + len(b.list[left+1]); together <= blockLen*5/8 || len(b.list[j]) == 0 {
		b.list[left] = append(clone(b.list[left]), b.list[left+1]...)
		b.list = slices.Delete(b.list, left+1, left+2)
		b.recount()
	}
	return true
}

// recount builds the Fenwick tree anew; that is needed once in some hundred
// changes.
func (b *blocks[T]) recount() {
	b.sums = slices.Grow(b.sums[:0], len(b.list)+1)[:len(b.list)+1]
	clear(b.sums)
	for i, block := range b.list {
		b.sums[i+1] += len(block)
		if up := (i + 1) + (i+1)&-(i+1); up < len(b.sums) {
			b.sums[up] += b.sums[i+1]
		}
	}
}

func (b *blocks[T]) add(j, d int) {
	for i := j + 1; i < len(b.sums); i += i & -i {
		b.sums[i] += d
	}
}

// sum returns the number of elements in front of block j.
func (b *blocks[T]) sum(j int) int {
	total := 0
	for i := j; i > 0; i &= i - 1 {
		total += b.sums[i]
	}
	return total
}

// locate returns the block of position p, and the place inside it.
func (b *blocks[T]) locate(p int) (block, rest int) {
	step := 1
	for step*2 < len(b.sums) {
		step *= 2
	}
	for ; step > 0; step /= 2 {
		if next := block + step; next < len(b.sums) && b.sums[next] <= p {
			block, p = next, p-b.sums[next]
		}
	}
	return block, p
}

// put inserts into a block. It grows by a quarter, not by the double, because
// blocks are most of the memory.
func put[T any](block []T, i int, e T) []T {
	if n := len(block); n == cap(block) {
		block = append(sized[T](min(n+n/4+1, max(blockLen, n+1))), block...)
	}
	return slices.Insert(block, i, e)
}

// take removes from a block, and gives memory back when most is unused.
func take[T any](block []T, i int) []T {
	block = slices.Delete(block, i, i+1)
	if cap(block) > 8 && len(block) < cap(block)/4 {
		return clone(block)
	}
	return block
}

func clone[T any](block []T) []T {
	return append(sized[T](len(block)+len(block)/4+1), block...)
}

// sized returns an empty block for n elements, and some more if the
// allocator's size class has room for them.
func sized[T any](n int) []T { return slices.Grow([]T(nil), n) }
