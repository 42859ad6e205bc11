package forecast

// item is something that comes in the order of its key.
type item struct {
	key int64
	val int32
}

// heap is a binary heap of items, smallest key first. container/heap would cost
// a call through an interface for each comparison, most of the time of a
// forecast.
type heap []item

func (h *heap) push(key int64, val int32) {
	s := append(*h, item{key, val})
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent].key <= key {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = item{key, val}
	*h = s
}

// pop removes the smallest. The heap must not be empty.
func (h *heap) pop() item {
	s := *h
	top, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	i := 0
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if child+1 < len(s) && s[child+1].key < s[child].key {
			child++
		}
		if last.key <= s[child].key {
			break
		}
		s[i] = s[child]
		i = child
	}
	if len(s) > 0 {
		s[i] = last
	}
	*h = s
	return top
}
