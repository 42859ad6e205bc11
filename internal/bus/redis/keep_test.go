package redis

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// timed notes the limits that are set on a connection.
type timed struct {
	net.Conn
	write, read []time.Time
	answers     chan struct{} // closed when the first answer is read
}

func (c *timed) Read(b []byte) (int, error) {
	close(c.answers)
	return c.Conn.Read(b)
}

func (c *timed) SetWriteDeadline(t time.Time) error {
	c.write = append(c.write, t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *timed) SetReadDeadline(t time.Time) error {
	c.read = append(c.read, t)
	return c.Conn.SetReadDeadline(t)
}

// TestCommandEndsWithItsContext: a command waits for the server until the end of its
// context, and no longer.
func TestCommandEndsWithItsContext(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer here.Close()
	c := &timed{Conn: here, answers: make(chan struct{})}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = there.Read(make([]byte, 1<<10))
		<-c.answers       // a pipe that is closed takes no limits
		_ = there.Close() // it takes the question and gives no answer
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, _, err := exchange(ctx, &conn{Conn: c, in: bufio.NewReader(c)}, []string{"GET", "a"}); !errors.Is(err, io.EOF) {
		t.Errorf("err = %v", err)
	}
	<-heard
	end, _ := ctx.Deadline()
	if want := []time.Time{end}; !slices.Equal(c.write, want) || !slices.Equal(c.read, want) {
		t.Errorf("limits %v and %v, want %v", c.write, c.read, want)
	}
}
