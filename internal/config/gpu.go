package config

import "github.com/runsheet/runsheet/internal/llm"

// gpuKeys say which models share a device.
func gpuKeys() []key {
	return []key{
		renamed("", list("llm.gpus", "models that share a device, comma-separated MODEL=LOCK, * for any text, the first that matches counts: qwen3:*=gpu:0",
			func(c *Config) *[]string { return &c.LLMGPUs }, func(v string) error {
				_, err := llm.ParseGPUs([]string{v}, nil)
				return err
			})),
		renamed("", list("llm.gpu_capacity", "how many models may use a device at a time, comma-separated LOCK=NUMBER; 1 without it: gpu:0=2",
			func(c *Config) *[]string { return &c.LLMGPUCapacity }, func(v string) error {
				_, err := llm.ParseGPUs(nil, []string{v})
				return err
			})),
	}
}
