package config

import "time"

// Schedules says how this server fires schedules. Zero values are the planner's
// defaults.
type Schedules struct {
	// Poll is how often the planner looks when something outside of it decides what
	// comes next, for example the end of a run.
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
		renamed("schedules-poll", duration("schedules.poll", "how often schedules are looked at whose next time depends on the end of a run, 100ms to 1m",
			100*time.Millisecond, time.Minute, func(c *Config) *time.Duration { return &c.Schedules.Poll })),
		renamed("schedules-claim-ttl", duration("schedules.claim_ttl", "time after which the schedules that a silent instance has claimed are free, 5s to 1h",
			5*time.Second, time.Hour, func(c *Config) *time.Duration { return &c.Schedules.ClaimTTL })),
		renamed("schedules-max-claim", number("schedules.max_claim", "how many due schedules an instance takes at a time, 1 to 10000", 1, 10_000,
			func(c *Config) *int { return &c.Schedules.MaxClaim })),
	}
}
