package wire

import "time"

// LLMServer is a server of language models and what a probe of it found.
type LLMServer struct {
	Name      string      `json:"name" example:"default"`
	Kind      string      `json:"kind" enum:"ollama,openai"`
	URL       string      `json:"url" doc:"scheme, host and port" example:"http://127.0.0.1:11434"`
	Status    string      `json:"status" enum:"ok,unavailable"`
	Code      *string     `json:"code" doc:"why it is unavailable: a problem code" example:"llm_unreachable"`
	Detail    *string     `json:"detail"`
	Version   *string     `json:"version" doc:"null: it does not tell"`
	LatencyMs *int64      `json:"latency_ms" doc:"how long its first answer took"`
	Models    []LLMModel  `json:"models"`
	Loaded    []LLMLoaded `json:"loaded" doc:"what is in its memory; empty also for servers that do not tell"`
	CheckedAt time.Time   `json:"checked_at" doc:"a finding is used for five seconds"`
}

// LLMModel is a model that a server has.
type LLMModel struct {
	Name         string  `json:"name" example:"qwen3:8b"`
	Digest       *string `json:"digest" doc:"names with one digest are one model"`
	SizeBytes    *int64  `json:"size_bytes"`
	Family       *string `json:"family"`
	Parameters   *string `json:"parameters" doc:"how many, as the server says" example:"8.2B"`
	Quantization *string `json:"quantization" example:"Q4_K_M"`
	Remote       bool    `json:"remote" doc:"the server would pass texts on to the cloud; refused unless llm.allow_remote is set"`
}

// LLMLoaded is a model in a server's memory.
type LLMLoaded struct {
	Name          string     `json:"name"`
	SizeBytes     int64      `json:"size_bytes"`
	VRAMBytes     int64      `json:"vram_bytes" doc:"the part on a GPU"`
	ContextTokens *int64     `json:"context_tokens"`
	ExpiresAt     *time.Time `json:"expires_at" doc:"when the server lets go of it unless it is used"`
}

// LLMServers are all servers, the default first.
type LLMServers struct {
	Items        []LLMServer `json:"items"`
	DefaultModel *string     `json:"default_model" doc:"model of jobs that name none"`
}
