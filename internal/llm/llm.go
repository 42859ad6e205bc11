// Package llm talks to servers of language models: Ollama, and those that speak
// OpenAI's chat completions (llama.cpp, vLLM, LM Studio). It streams, counts
// tokens, and bounds time and size.
//
// What is asked and answered is private. Nothing here logs it, no error has a
// piece of it or of what a server says in an error, and the types that hold text
// show only counts when they are printed, logged or encoded (privacy.go). The
// text leaves by Answer.Text and Request.OnToken and in no other way.
//
// Servers are named by the operator. They must have loopback or private
// addresses, which is checked of every address that a name leads to when a
// connection is made, unless Options.AllowRemote says otherwise.
//
//	pool, err := llm.New(llm.Options{Servers: []llm.Server{{Name: "default", Kind: llm.Ollama, URL: "http://127.0.0.1:11434"}}})
//	answer, err := pool.Chat(ctx, llm.Request{Model: "qwen3:8b", Messages: []llm.Message{{Role: llm.User, Content: "..."}}})
//
// Errors are faults with the codes llm_*, invalid_input for a request that makes
// no sense, or the cause of a cancelled context.
package llm

import (
	"encoding/json"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
)

// Kind is how a server is spoken to.
type Kind string

// The kinds.
const (
	// Ollama is Ollama's own API, /api/chat and its neighbours.
	Ollama Kind = "ollama"
	// OpenAI is /v1/chat/completions.
	OpenAI Kind = "openai"
)

// Server is one server of models.
type Server struct {
	// Name is how requests, counts and metrics call it; unique.
	Name string
	// Kind is Ollama if empty.
	Kind Kind
	// URL is where its API begins: http://127.0.0.1:11434. A path in front of /api
	// or /v1 is kept; a final /v1 may be there or not.
	URL string
	// KeyFile holds the bearer key; "" = none is sent. It is read for each request,
	// so that a key can be replaced.
	KeyFile string
}

// Defaults of Timeouts.
const (
	DefaultConnect    = 5 * time.Second
	DefaultFirstToken = 10 * time.Minute
	DefaultIdle       = 2 * time.Minute
)

// Timeouts bound the phases of a request. Its whole length is for the caller's
// context to bound.
type Timeouts struct {
	// Connect is for finding and reaching the server; 0 = DefaultConnect.
	Connect time.Duration
	// FirstToken is from the request to the first token: the server's own queue,
	// loading the model, reading the prompt. 0 = DefaultFirstToken.
	FirstToken time.Duration
	// Idle is between two tokens; 0 = DefaultIdle.
	Idle time.Duration
}

// Options configure a Pool.
type Options struct {
	// Servers are those that requests may name. The first is the default.
	Servers []Server
	// AllowRemote permits public addresses. False: loopback and private ones only.
	AllowRemote bool
	Timeouts    Timeouts
	// Clock drives time-outs and repetitions; the system's if nil.
	Clock clock.Clock
	// Observe is told of each call of Chat and Generate when it ends; nil = nobody.
	// It must be quick and safe for concurrent use.
	Observe func(Call)

	// resolver is the machine's if nil; tests replace it.
	resolver outbound.Resolver
}

// Call is what Options.Observe hears: no text.
type Call struct {
	// Err is nil, a fault, or the cause of a cancelled context.
	Err error
	// Usage has the server and the model even if the call failed.
	Usage Usage
	// Took is the whole call with its repetitions.
	Took time.Duration
}

// Roles of messages.
const (
	System    = "system"
	User      = "user"
	Assistant = "assistant"
)

// Message is one turn of a conversation. It is printed as its role and size.
type Message struct {
	Role, Content string
}

// Request is one question to a model. It is printed as counts.
type Request struct {
	// Server is a server's name; "" = the first that has the model, or else the
	// first of all, whose error is then returned.
	Server string
	// Model is required.
	Model string
	// Messages are the conversation, at least one.
	Messages []Message
	// Format is a JSON Schema that the answer is to follow, or the string "json" for
	// any JSON; nil = text. Servers try: check what comes.
	Format json.RawMessage
	// MaxTokens bounds the answer; 0 = the server's own bound.
	MaxTokens int
	// Temperature and Seed are the model's own if nil.
	Temperature *float64
	Seed        *int64
	// ContextTokens is the room for prompt and answer; 0 = the server's own.
	// Ollama only. Another value than before makes Ollama load the model again.
	ContextTokens int
	// Stop are texts at which the answer ends; they are not part of it.
	Stop []string
	// Think lets a model that can do so think before it answers. The thoughts count
	// as tokens and are dropped.
	Think bool
	// OnToken gets the text as it comes, in pieces that are whole characters; nil =
	// nobody. It is called by the goroutine that asked. If the call fails later, what
	// it got is no answer. A panic in it ends the call and is not repeated to anybody,
	// because its value may hold text.
	OnToken func(string)
}

// Stop reasons of Usage.
const (
	// StopNatural: the model ended, or met a Stop text.
	StopNatural = "stop"
	// StopLength: the answer reached MaxTokens or the end of the context.
	StopLength = "length"
)

// Usage is what a call consumed.
type Usage struct {
	// Prompt and Completion are tokens as the server counted them; nil = it did not
	// say, which is not zero.
	Prompt, Completion *int64
	// Load, PromptTime and Generate are as the server says, 0 = it did not say; Total
	// is as measured here, with waiting.
	Load, PromptTime, Generate, Total time.Duration
	// Server and Model are who answered.
	Server, Model string
	// Stop is StopNatural or StopLength.
	Stop string
}

// Answer is what a model said. It is printed as counts.
type Answer struct {
	Text string
	Usage
}

// Model is a model that a server has.
type Model struct {
	Name string
	// Digest identifies the content: two names with one digest share their place in
	// memory. "" = the server does not say.
	Digest string
	// SizeBytes is the size of the file; 0 = unknown.
	SizeBytes int64
	// Family, Parameters ("8.2B") and Quantization are as the server says.
	Family, Parameters, Quantization string
	// ContextTokens is the longest context that the model was made for. Only Show
	// tells it; nil = unknown.
	ContextTokens *int64
	// Remote: the server passes what this model is asked on to another one in the
	// cloud. Such a model is refused without Options.AllowRemote.
	Remote bool
}

// Loaded is a model that is in a server's memory.
type Loaded struct {
	Name, Digest string
	// SizeBytes is what it occupies, VRAMBytes the part of it on a GPU.
	SizeBytes, VRAMBytes int64
	// ContextTokens is the room that it was loaded with; nil = unknown.
	ContextTokens *int64
	// ExpiresAt is when the server will let go of it; zero = unknown or never.
	ExpiresAt time.Time
}

// ServerHealth is what a probe of a server found.
type ServerHealth struct {
	Name string
	Kind Kind
	// URL is scheme, host and port.
	URL string
	// OK: it answered and told its models.
	OK bool
	// Latency is how long its first answer took.
	Latency time.Duration
	// Version is the server's; "" = unknown.
	Version string
	Models  []Model
	Loaded  []Loaded
	// Code and Detail say why it is not OK.
	Code   fault.Code
	Detail string
	// CheckedAt is when it was asked.
	CheckedAt time.Time

	// told: Models are the server's word, though it may not be OK for another reason.
	told bool
}
