package config_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/config"
)

func TestRedisURL(t *testing.T) {
	t.Parallel()
	load := func(url string) (config.Config, error) {
		return config.Load(config.Sources{Env: func(name string) (string, bool) { return url, name == "RUNSHEET_REDIS_URL" }})
	}
	c, err := load("redis://:geheim@10.0.0.5:6379/2")
	if err != nil || c.RedisURL.Reveal() != "redis://:geheim@10.0.0.5:6379/2" {
		t.Errorf("%q, %v", c.RedisURL.Reveal(), err)
	}
	shown := ""
	for _, s := range c.Settings() {
		if s.Key == "redis_url" {
			shown = s.Value
		}
	}
	if !strings.Contains(shown, "10.0.0.5:6379/2") || strings.Contains(shown, "geheim") {
		t.Errorf("shown as %q", shown)
	}
	if _, err := load("http://:geheim@10.0.0.5"); err == nil || strings.Contains(err.Error(), "geheim") || !strings.Contains(err.Error(), "redis_url") {
		t.Errorf("err = %v", err)
	}
}
