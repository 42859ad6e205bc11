package config

import (
	"errors"
	"strconv"
	"strings"
)

// fileKeys say how much a run may leave behind, and for how long it is kept.
func fileKeys() []key {
	return []key{
		renamed("artifact-max-bytes", size("artifacts.max_bytes", "largest artifact, such as 500MiB; 0 for no limit", func(c *Config) *int64 { return &c.ArtifactMaxBytes })),
		renamed("artifact-run-max-bytes", size("artifacts.run_max_bytes", "what the artifacts of a run may take; 0 for no limit", func(c *Config) *int64 { return &c.RunMaxBytes })),
		renamed("artifact-tenant-quota-bytes", size("artifacts.tenant_quota_bytes", "what the artifacts of a tenant may take; 0 for no limit",
			func(c *Config) *int64 { return &c.TenantQuotaBytes })),
		renamed("retention-days", number("retention.days", "days for which finished jobs and their runs are kept, 0 for ever", 0, 36500,
			func(c *Config) *int { return &c.RetentionDays })),
		renamed("retention-runs", number("retention.runs", "number of finished runs that are kept, 0 for all", 0, 1_000_000_000,
			func(c *Config) *int { return &c.RetentionRuns })),
		renamed("retention-events-days", number("retention.events_days", "days for which events are kept, 0 for ever", 0, 36500,
			func(c *Config) *int { return &c.RetentionEventsDays })),
	}
}

// size is a number of bytes, with or without a unit.
func size(name, help string, field func(*Config) *int64) key {
	return key{
		name: name, help: help,
		set: func(c *Config, v string) error {
			digits, factor := v, int64(1)
			for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
				if s, ok := strings.CutSuffix(v, unit); ok {
					digits, factor = strings.TrimSpace(s), 1<<(10*(i+1))
				}
			}
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || n < 0 || n > (1<<60)/factor {
				return errors.New("must be a number of bytes such as 1048576, 500MiB or 2GiB, or 0 for no limit")
			}
			*field(c) = n * factor
			return nil
		},
		show: func(c Config) string { return strconv.FormatInt(*field(&c), 10) },
	}
}
