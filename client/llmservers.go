package client

import "context"

// LLMServers returns the servers of language models, each with its health, its
// models and those in its memory.
func (c *Client) LLMServers(ctx context.Context) (LLMServers, error) {
	var out LLMServers
	err := c.get(ctx, "/api/llm/servers", nil, &out)
	return out, err
}
