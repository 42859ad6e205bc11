package api

import "github.com/runsheet/runsheet/internal/api/wire"

// DirectRoutes are the routes of direct requests that Runsheet has. They are
// outside of /api, where programs of an earlier time look for them.
func DirectRoutes() []DirectRoute {
	return []DirectRoute{
		{
			Kind: "story", ID: "generate_story", Path: "/story/generate", Summary: "Write a story now",
			Doc:  "With a stream, the tokens are the text of the story as it is written.",
			Body: wire.StoryRequest{}, Answer: wire.StoryAnswer{},
		},
		{
			Kind: "research", ID: "run_research", Path: "/research/run", Summary: "Do research now",
			Doc:  "Sources are read only if the directive allows them.",
			Body: wire.ResearchRequest{}, Answer: wire.ResearchAnswer{},
		},
	}
}
