package app

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
)

// notify tells the service manager that started this process how it is doing:
// READY=1 or STOPPING=1, by the protocol of sd_notify(3). Without one it does
// nothing.
func (a *App) notify(ctx context.Context, state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if err := notify(ctx, path, state); err != nil {
		a.log.Warn("cannot tell the service manager", "state", state, "error", err)
	}
}

func notify(ctx context.Context, path, state string) error {
	if name, abstract := strings.CutPrefix(path, "@"); abstract {
		path = "\x00" + name
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unixgram", path)
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return errors.Join(err, conn.Close())
}
