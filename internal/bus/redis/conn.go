package redis

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a server may answer. Hints are far smaller.
const (
	maxLine = 4 << 10
	// maxBulk is the largest text that is kept, in bytes; what is longer is
	// read and dropped, because anybody can publish anything.
	maxBulk  = 64 << 10
	maxItems = 16
)

// ioTimeout bounds each exchange with the server.
const ioTimeout = 2 * time.Second

var errProtocol = errors.New("the answer is not in the protocol of Redis")

// conn is a connection in RESP, version 2. One goroutine reads and one writes.
type conn struct {
	net.Conn
	in *bufio.Reader
}

// in is the true time in a while, by which the network goes whatever a clock of
// ours shows.
func in(d time.Duration) time.Time {
	limit, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	t, _ := limit.Deadline()
	return t
}

// dial connects and says who we are.
func dial(ctx context.Context, p place) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ioTimeout)
	defer cancel()
	var nc net.Conn
	var err error
	if p.tls != nil {
		nc, err = (&tls.Dialer{Config: p.tls}).DialContext(ctx, "tcp", p.addr)
	} else {
		nc, err = (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	}
	if err != nil {
		return nil, err
	}
	out := &conn{Conn: nc, in: bufio.NewReaderSize(nc, maxLine)}
	if p.password == "" {
		return out, nil
	}
	auth := []string{"AUTH", p.password}
	if p.user != "" {
		auth = []string{"AUTH", p.user, p.password}
	}
	if _, err := out.do(auth...); err != nil {
		_ = nc.Close() // the first error counts
		return nil, loginError(err)
	}
	return out, nil
}

// loginError leaves out what the server says, but for its first word: a server
// that does not know AUTH repeats the password.
func loginError(err error) error {
	if f, ok := errors.AsType[failure](err); ok {
		word, _, _ := strings.Cut(string(f), " ")
		if strings.ContainsFunc(word, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			word = "no reason"
		}
		return fmt.Errorf("redis refuses user or password (%s)", word)
	}
	return err
}

// do sends a command and returns its answer. A failure reported by the server is
// an error too.
func (c *conn) do(args ...string) (answer, error) {
	if err := c.send(args...); err != nil {
		return answer{}, err
	}
	if err := c.SetReadDeadline(in(ioTimeout)); err != nil {
		return answer{}, err
	}
	return read(c.in)
}

func (c *conn) send(args ...string) error { return c.write(in(ioTimeout), args...) }

func (c *conn) write(limit time.Time, args ...string) error {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	if err := c.SetWriteDeadline(limit); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}

// answer is one value: a text, or a list of texts. Numbers are texts too, and
// nothing is "".
type answer struct {
	text string
	list []string
}

// failure is what the server says is wrong.
type failure string

// Error implements error.
func (f failure) Error() string { return "redis says: " + string(f) }

// read reads one answer. Lists hold plain values only, as the messages of
// subscriptions do.
func read(in *bufio.Reader) (answer, error) {
	kind, line, err := head(in)
	if err != nil {
		return answer{}, err
	}
	if kind != '*' {
		text, err := value(in, kind, line)
		return answer{text: text}, err
	}
	n, err := strconv.Atoi(line)
	if err != nil || n > maxItems {
		return answer{}, errProtocol
	}
	var out answer
	for range n {
		kind, line, err := head(in)
		if err != nil {
			return answer{}, err
		}
		text, err := value(in, kind, line)
		if err != nil {
			return answer{}, err
		}
		out.list = append(out.list, text)
	}
	return out, nil
}

// head reads the first line of a value: its kind and the rest.
func head(in *bufio.Reader) (kind byte, line string, err error) {
	b, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || err == nil && (len(b) < 3 || b[len(b)-2] != '\r') {
		return 0, "", errProtocol
	}
	if err != nil {
		return 0, "", err
	}
	return b[0], string(b[1 : len(b)-2]), nil
}

func value(in *bufio.Reader, kind byte, line string) (string, error) {
	switch kind {
	case '+':
		return line, nil
	case '-':
		return "", failure(line)
	case ':':
		if _, err := strconv.ParseInt(line, 10, 64); err != nil {
			return "", errProtocol
		}
		return line, nil
	case '$':
		n, err := strconv.ParseInt(line, 10, 64)
		if err != nil || n < -1 {
			return "", errProtocol
		}
		if n == -1 {
			return "", nil
		}
		return bulk(in, n)
	}
	return "", errProtocol
}

// bulk reads a text of n bytes. One that is too long is "".
func bulk(in *bufio.Reader, n int64) (string, error) {
	var text []byte
	if n <= maxBulk {
		text = make([]byte, n)
		if _, err := io.ReadFull(in, text); err != nil {
			return "", err
		}
	} else if _, err := io.CopyN(io.Discard, in, n); err != nil {
		return "", err
	}
	var end [2]byte
	if _, err := io.ReadFull(in, end[:]); err != nil {
		return "", err
	}
	if string(end[:]) != "\r\n" {
		return "", errProtocol
	}
	return string(text), nil
}
