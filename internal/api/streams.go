package api

import "sync"

// streams counts live connections, by who holds them. The zero value is ready.
type streams struct {
	mu    sync.Mutex
	count map[string]int
}

// enter counts one more connection of owner, unless there are limit already.
func (c *streams) enter(owner string, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[owner] >= limit {
		return false
	}
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.count[owner]++
	return true
}

// leave is the inverse of enter.
func (c *streams) leave(owner string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[owner]--; c.count[owner] <= 0 {
		delete(c.count, owner)
	}
}
