package config

import "time"

// Schedules says how this server fires schedules. Zero values are the planner's
// defaults.
type Schedules struct {
	// Poll is how soon the planner tries again after a failure.
	Poll time.Duration
	// ClaimTTL is how long a planner that falls silent keeps what it has claimed.
	ClaimTTL time.Duration
	// MaxClaim is how many schedules are decided about in one go.
	MaxClaim int
}

func defaultSchedules() Schedules {
	return Schedules{Poll: time.Second, ClaimTTL: 120 * time.Second, MaxClaim: 100}
}

func scheduleKeys() []key {
	return []key{
		renamed("legacy-timezone", text("legacy.timezone", "IANA time zone of schedules that are made at /schedules without one", func(c *Config) *string { return &c.LegacyTimezone }, checkZone)),
		renamed("schedules-poll", duration("schedules.poll", "how soon the planner tries again after a failure of the database, 100ms to 1m",
			100*time.Millisecond, time.Minute, func(c *Config) *time.Duration { return &c.Schedules.Poll })),
		renamed("schedules-claim-ttl", duration("schedules.claim_ttl", "time after which the schedules that a silent instance has claimed are free, 5s to 1h",
			5*time.Second, time.Hour, func(c *Config) *time.Duration { return &c.Schedules.ClaimTTL })),
		renamed("schedules-max-claim", number("schedules.max_claim", "how many due schedules an instance takes at a time, 1 to 10000", 1, 10_000,
			func(c *Config) *int { return &c.Schedules.MaxClaim })),
	}
}
