package config

import (
	"net/url"

	"github.com/runsheet/runsheet/internal/bus/redis"
)

// redisURL is the key of a Redis server. Its password is hidden, its place is not.
func redisURL() key {
	return key{
		name: "redis_url", flag: "redis-url", help: "Redis URL, to tell other instances of new events at once; events never depend on it",
		set: func(c *Config, v string) error {
			c.RedisURL = Secret(v)
			if v == "" {
				return nil
			}
			return redis.CheckURL(v)
		},
		show: func(c Config) string {
			u, err := url.Parse(c.RedisURL.Reveal())
			if err != nil {
				return c.RedisURL.String()
			}
			return u.Redacted()
		},
	}
}
