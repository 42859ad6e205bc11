package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// viewer reads the frames of a WebSocket with as little work as possible: a thousand of
// them share the processors with the server.
type viewer struct {
	conn net.Conn
	in   *bufio.Reader
	text []byte // the latest frame
}

// subscribe follows a run of a workflow, and reads the snapshot.
func (s *server) subscribe(ctx context.Context, runID, token string) (*viewer, error) {
	addr := strings.TrimPrefix(s.local.URL, "http://")
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	v := &viewer{conn: conn, in: bufio.NewReaderSize(conn, 4096)}
	if err := v.open("/api/v1/workflows/"+runID+"/subscribe", addr, token); err != nil {
		return nil, errors.Join(fmt.Errorf("follow a run: %w", err), conn.Close())
	}
	return v, nil
}

func (v *viewer) open(path, addr, token string) error {
	// RFC 6455; the key is not checked by anybody here.
	if _, err := fmt.Fprintf(v.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path, addr, token); err != nil {
		return err
	}
	status, err := v.in.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.Contains(status, " 101 ") {
		return fmt.Errorf("the server answers %s", strings.TrimSpace(status))
	}
	for line := status; line != "\r\n"; {
		if line, err = v.in.ReadString('\n'); err != nil {
			return err
		}
	}
	return v.frame()
}

// frame reads the next frame of text.
func (v *viewer) frame() error {
	for {
		var head [2]byte
		if _, err := io.ReadFull(v.in, head[:]); err != nil {
			return err
		}
		n := uint64(head[1] & 0x7f)
		long := [8]byte{}
		switch n {
		case 126:
			if _, err := io.ReadFull(v.in, long[6:]); err != nil {
				return err
			}
			n = binary.BigEndian.Uint64(long[:])
		case 127:
			if _, err := io.ReadFull(v.in, long[:]); err != nil {
				return err
			}
			n = binary.BigEndian.Uint64(long[:])
		}
		if n > 1<<20 {
			return fmt.Errorf("a frame has %d bytes", n)
		}
		if uint64(cap(v.text)) < n {
			v.text = make([]byte, n)
		}
		v.text = v.text[:n]
		if _, err := io.ReadFull(v.in, v.text); err != nil {
			return err
		}
		if head[0]&0x0f == 1 {
			return nil
		}
	}
}

// await reads until a frame is about a node.
func (v *viewer) await(node string) error {
	want := []byte(`"node_id":"` + node + `"`)
	for {
		if err := v.frame(); err != nil {
			return err
		}
		if bytes.Contains(v.text, want) {
			return nil
		}
	}
}
