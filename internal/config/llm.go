package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
)

// DefaultLLM is the name of the server at llm.url.
const DefaultLLM = "default"

// LLM is the servers of language models.
type LLM struct {
	// URL is where the server named "default" is, an Ollama; "" = there is none.
	URL string
	// Model is what jobs use that name none; "" = they must.
	Model string
	// Servers are further ones. Load has checked them.
	Servers []llm.Server
	// AllowRemote permits servers with public addresses.
	AllowRemote bool
	// ConnectTimeout, FirstTokenTimeout and IdleTimeout bound the phases of a
	// request.
	ConnectTimeout, FirstTokenTimeout, IdleTimeout time.Duration
}

// Options are what llm.New needs of the configuration.
func (l LLM) Options() llm.Options {
	o := llm.Options{
		AllowRemote: l.AllowRemote,
		Timeouts:    llm.Timeouts{Connect: l.ConnectTimeout, FirstToken: l.FirstTokenTimeout, Idle: l.IdleTimeout},
	}
	if l.URL != "" {
		o.Servers = append(o.Servers, llm.Server{Name: DefaultLLM, Kind: llm.Ollama, URL: l.URL})
	}
	o.Servers = append(o.Servers, l.Servers...)
	return o
}

func defaultLLM() LLM {
	return LLM{
		URL: "http://127.0.0.1:11434", ConnectTimeout: llm.DefaultConnect, FirstTokenTimeout: llm.DefaultFirstToken, IdleTimeout: llm.DefaultIdle,
	}
}

func llmKeys() []key {
	return []key{
		renamed("llm-url", text("llm.url", "Ollama server for language models, known by the name default; empty: there is none",
			func(c *Config) *string { return &c.LLM.URL }, func(v string) error {
				if v == "" {
					return nil
				}
				return checkLLM(llm.Server{Name: DefaultLLM, URL: v})
			})),
		renamed("llm-model", text("llm.model", "model of jobs that name none", func(c *Config) *string { return &c.LLM.Model }, func(v string) error {
			if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				return errors.New("must be the name of a model, such as qwen3:8b")
			}
			return nil
		})),
		{
			name: "llm.servers", flag: "llm-servers",
			help: "further LLM servers, comma-separated: name=NAME url=URL, with kind=openai for all but Ollama and key_file=FILE for a bearer key",
			set: func(c *Config, v string) error {
				c.LLM.Servers = nil
				for item := range strings.SplitSeq(v, ",") {
					if strings.TrimSpace(item) == "" {
						continue
					}
					s, err := parseLLM(item)
					if err != nil {
						return err
					}
					c.LLM.Servers = append(c.LLM.Servers, s)
				}
				return nil
			},
			show: func(c Config) string {
				out := make([]string, len(c.LLM.Servers))
				for i, s := range c.LLM.Servers {
					out[i] = fmt.Sprintf("name=%s kind=%s url=%s", s.Name, s.Kind, s.URL)
					if s.KeyFile != "" {
						out[i] += " key_file=" + s.KeyFile
					}
				}
				return strings.Join(out, ",")
			},
		},
		renamed("llm-allow-remote", flag("llm.allow_remote", "allow LLM servers with public addresses: texts leave the machine then", func(c *Config) *bool { return &c.LLM.AllowRemote })),
		renamed("llm-connect-timeout", duration("llm.connect_timeout", "time to reach an LLM server, 100ms to 1m", 100*time.Millisecond, time.Minute,
			func(c *Config) *time.Duration { return &c.LLM.ConnectTimeout })),
		renamed("llm-first-token-timeout", duration("llm.first_token_timeout", "time to the first token, with waiting in the LLM server and loading the model, 1s to 24h",
			time.Second, 24*time.Hour, func(c *Config) *time.Duration { return &c.LLM.FirstTokenTimeout })),
		renamed("llm-idle-timeout", duration("llm.idle_timeout", "time between two tokens, 1s to 1h", time.Second, time.Hour,
			func(c *Config) *time.Duration { return &c.LLM.IdleTimeout })),
	}
}

// parseLLM reads "name=gpu url=http://10.0.0.5:8080 kind=openai".
func parseLLM(item string) (llm.Server, error) {
	var s llm.Server
	known := map[string]func(string){
		"name": func(v string) { s.Name = v }, "url": func(v string) { s.URL = v },
		"kind": func(v string) { s.Kind = llm.Kind(v) }, "key_file": func(v string) { s.KeyFile = v },
	}
	var seen []string
	for word := range strings.FieldsSeq(item) {
		name, v, ok := strings.Cut(word, "=")
		set := known[name]
		if !ok || set == nil || v == "" || slices.Contains(seen, name) {
			return s, errors.New("each server is name=NAME url=URL, with kind=ollama or kind=openai and key_file=FILE if wanted")
		}
		seen = append(seen, name)
		set(v)
	}
	if s.Kind == "" {
		s.Kind = llm.Ollama
	}
	return s, checkLLM(s)
}

func checkLLM(s llm.Server) error {
	if err := llm.CheckServer(s); err != nil {
		return errors.New(fault.From(err).Detail)
	}
	return nil
}

// finishLLM checks the servers together, and that they are not remote.
func (c *Config) finishLLM() error {
	if _, err := llm.New(c.LLM.Options()); err != nil {
		f := fault.From(err)
		out := fault.Newf(fault.InvalidInput, "llm.url (%s), llm.servers (%s): %s", c.origin("llm.url"), c.origin("llm.servers"), f.Detail)
		if f.Code == fault.LLMRefusedRemote {
			out = out.WithHint("set llm.allow_remote (RUNSHEET_LLM_ALLOW_REMOTE) if texts may leave the machine")
		}
		return out
	}
	return nil
}
