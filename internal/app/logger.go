package app

import (
	"io"
	"log/slog"

	"github.com/runsheet/runsheet/internal/config"
)

// Logger returns the server's log in the configured form.
func Logger(c config.Config, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
