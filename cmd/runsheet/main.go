// Command runsheet runs long, costly or risky jobs in exactly the order that a
// person wants. See the README.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/cli"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/extract"
	"github.com/runsheet/runsheet/internal/process"
)

// version is set by the linker.
var version = "dev"

func main() {
	if process.Main(os.Args[1:]) || extract.Main(os.Args[1:]) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, cli.Options{
		Version: version, Serve: serve, Restore: restore, Migrate: migrate, RotateKey: rotateKey, Bench: measure,
	})
	stop()
	os.Exit(code)
}

// serve runs a server until ctx ends, then stops it in good order. A second
// signal ends it at once.
func serve(ctx context.Context, cfg config.Config) error {
	log := app.Logger(cfg, os.Stderr)
	if err := process.Shield(); err != nil {
		log.Warn("commands may read the server's environment", "error", err)
	}
	a := app.New(app.Options{Config: cfg, Version: version, Announce: os.Stdout, Logger: log})
	if err := a.Start(ctx); err != nil {
		return err
	}
	err := a.Wait(ctx)
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-again
		fmt.Fprintln(os.Stderr, "second signal: ending at once; running jobs are recovered at the next start")
		os.Exit(1)
	}()
	if stopErr := a.Stop(); err == nil {
		err = stopErr
	}
	return err
}
