package main

import (
	"context"

	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/cli"
	"github.com/runsheet/runsheet/internal/config"
)

func restore(ctx context.Context, c config.Config, r cli.Restore) (archive.Manifest, error) {
	return app.Restore(ctx, c, app.RestoreOptions(r))
}

func migrate(ctx context.Context, m cli.Migrate) (cli.Migrated, error) {
	done, err := app.Migrate(ctx, app.MigrateOptions(m))
	return cli.Migrated(done), err
}

func rotateKey(ctx context.Context, c config.Config, r cli.RotateKey) (cli.RotatedKey, error) {
	done, err := app.RotateKey(ctx, c, app.RotateKeyOptions(r))
	return cli.RotatedKey(done), err
}
