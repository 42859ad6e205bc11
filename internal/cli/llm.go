package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) llmCommand() *cobra.Command {
	return a.noun("llm", "See the servers of language models", a.llmList())
}

func (a *app) llmList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the servers, their models and what is loaded", Args: noArgs,
		Long: `The servers are those of the configuration (llm.url, llm.servers). Each is asked now;
one that does not answer is listed with the reason.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			load := func(ctx context.Context) ([]client.LLMServer, error) {
				all, err := cl.LLMServers(ctx)
				return all.Items, err
			}
			return show(c.Context(), a, llmView(), false, 0, load)
		},
	}
}

func llmView() view[client.LLMServer] {
	return view[client.LLMServer]{
		id:      func(s client.LLMServer) string { return s.Name },
		columns: []string{"NAME", "KIND", "STATUS", "URL", "LATENCY", "LOADED", "MODELS"}, status: 2, spare: []string{"URL", "LATENCY"},
		row: func(s client.LLMServer) []string {
			var models, loaded []string
			for _, m := range s.Models {
				models = append(models, m.Name)
			}
			for _, m := range s.Loaded {
				loaded = append(loaded, m.Name)
			}
			status, latency := s.Status, "-"
			if s.Code != nil {
				status += " (" + *s.Code + ")"
			}
			if s.LatencyMs != nil {
				latency = short(time.Duration(*s.LatencyMs) * time.Millisecond)
			}
			return []string{s.Name, s.Kind, status, s.URL, latency, some(loaded), some(models)}
		},
	}
}

// some lists a few names and counts the others.
func some(names []string) string {
	const few = 5
	if len(names) == 0 {
		return "-"
	}
	out := strings.Join(names[:min(len(names), few)], ", ")
	if len(names) > few {
		out += " and " + strconv.Itoa(len(names)-few) + " more"
	}
	return out
}
