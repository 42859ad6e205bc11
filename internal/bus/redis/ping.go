package redis

import (
	"context"
	"errors"
)

// Ping connects to the server of url, which CheckURL has accepted, logs in and
// asks it for a sign of life. The error holds no password.
func Ping(ctx context.Context, url string) error {
	p, err := parse(url)
	if err != nil {
		return err
	}
	c, err := dial(ctx, p)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // nothing is on its way
	if got, err := c.do("PING"); err != nil {
		return err
	} else if got.text != "PONG" {
		return errors.New("what answers there is not Redis")
	}
	return nil
}
