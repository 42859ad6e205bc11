package redis

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/testsvc"
)

func TestPing(t *testing.T) {
	t.Parallel()
	url := testsvc.Redis(t)
	if err := Ping(t.Context(), url); err != nil {
		t.Errorf("%v", err)
	}
	head, tail, _ := strings.Cut(url, "@")
	err := Ping(t.Context(), head+"geheim@"+tail)
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := Ping(t.Context(), "redis://"+tail); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without a password: %v", err)
	}
}

// TestPingShowsNoPassword: servers that do not know AUTH repeat what they got.
func TestPingShowsNoPassword(t *testing.T) {
	t.Parallel()
	for _, says := range []string{
		"-ERR unknown command 'AUTH', with args beginning with: 'geheim'\r\n", "-geheim\r\n", "-GEHEIM geheim\r\n", "-\r\n", "+geheim\r\n", "geheim\r\n", "",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(c, says+says)
				_, _ = c.Read(make([]byte, 1000)) // the login
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}
		}()
		err = Ping(t.Context(), "redis://:geheim@"+l.Addr().String())
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v", says, err)
		}
	}
}
