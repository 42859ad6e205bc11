package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
)

func directiveAnswer(w http.ResponseWriter, what, accept string) bool {
	d := client.Directive{
		DirectiveID: "dir_1", Version: 2, Name: "careful", SystemPrompt: "Be \x1b[31mbrief.", Model: new("m"), Temperature: new(0.0), CreatedBy: "ann", CreatedAt: now, UpdatedAt: now,
		Allow: client.DirectiveAllow{Files: []string{"/srv/**"}}, Limits: client.DirectiveLimits{Tokens: new(int64(5000)), Time: new("PT15M")},
	}
	var out any
	switch what {
	case "POST /directives", "GET /directives/careful", "GET /directives/careful/versions/1", "PATCH /directives/careful":
		out = d
	case "GET /directives", "GET /directives/careful/versions":
		out = client.DirectiveList{Items: []client.Directive{d}}
	case "DELETE /directives/careful":
		w.WriteHeader(http.StatusNoContent)
		return true
	case "GET /job-runs/" + runID + "/calls":
		out = client.LLMCallList{Items: []client.LLMCall{
			{Server: "default", Model: "m", Stage: "outline", Outcome: "ok", PromptTokens: new(int64(12)), TotalMs: 1500, StartedAt: now},
		}}
	case "POST /story/generate":
		if accept != "text/event-stream" {
			out = client.StoryAnswer{Success: true, RunID: runID, Story: "the whole\n"}
			break
		}
		fmt.Fprintf(w, "event: queued\ndata: {\"position\":1,\"eta\":null}\n\nevent: started\ndata: {\"run_id\":%q}\n\n", runID)
		fmt.Fprint(w, "event: token\ndata: {\"text\":\"Once \\u001b[31mupon\"}\n\n: ping\n\nevent: token\ndata: {\"text\":\" a time\"}\n\n")
		fmt.Fprintf(w, "event: result\ndata: {\"success\":true,\"run_id\":%q,\"story\":\"the whole\"}\n\n", runID)
		return true
	case "POST /research/run":
		fmt.Fprint(w, "event: token\ndata: {\"text\":\"half\"}\n\nevent: error\ndata: {\"status\":502,\"code\":\"direct_failed\",\"detail\":\"run failed\"}\n\n")
		return true
	default:
		return false
	}
	_ = json.NewEncoder(w).Encode(out)
	return true
}

func TestDirectiveGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"directive_help":     "directive --help",
		"directive_add":      "directive add careful --model m --temperature 0 --allow-file /srv/** --max-time 15m",
		"directive_add_help": "directive add --help",
		"directive_ls":       "directive ls",
		"directive_get":      "directive get careful",
		"directive_version":  "directive get careful --version 1",
		"directive_edit":     "directive edit careful --unset model,limits.time",
		"directive_nothing":  "directive edit careful",
		"directive_unset":    "directive edit careful --unset other.x",
		"directive_versions": "directive versions careful",
		"directive_rm_asks":  "directive rm careful",
		"directive_rm":       "directive rm careful --yes",
		"run_calls":          "run calls " + runID,
		"story_help":         "story generate --help",
		"research_help":      "research run --help",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// TestDirectiveSends: what the flags become.
func TestDirectiveSends(t *testing.T) {
	t.Parallel()
	for args, body := range map[string]string{
		"directive add careful --temperature 0 --allow-host a --max-tokens 5 --system hi": `{"allow":{"hosts":["a"]},"limits":{"tokens":5},"name":"careful","system_prompt":"hi","temperature":0}`,
		"directive edit careful --unset model,limits.time --archived=false":               `{"archived":false,"limits":{"time":null},"model":null}`,
		"job add --template t --directive d":                                              `{"template_id":"t","directive_id":"d","trigger":"manual"}`,
		"template add t --type story --directive d":                                       `{"name":"t","job_type":"story","directive_id":"d"}`,
		"story generate --length 100 --seed 0 --stream=false":                             `{"length":100,"seed":0}`,
	} {
		f := serve(t, "FAILED")
		if _, talk, code := f.invoke(t.Context(), t, "", strings.Fields(args)...); code != exitOK {
			t.Errorf("%s: exit %d: %s", args, code, talk)
		}
		var want, got any
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(f.bodies[0]), &got); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s sends %s", args, f.bodies[0])
		}
	}
}

// TestStoryIsPrintedAsItComes: without what a terminal would obey.
func TestStoryIsPrintedAsItComes(t *testing.T) {
	t.Parallel()
	f := serve(t, "FAILED")
	for args, want := range map[string]string{
		"story generate x":                "Once upon a time\n",
		"story generate x --stream=false": "the whole\n",
		"story generate x -q":             runID + "\n",
		"story generate x --json=run_id":  "{\n  \"run_id\": \"" + runID + "\"\n}\n",
		"story generate x --genre horror": "Once upon a time\n",
	} {
		out, talk, code := f.invoke(t.Context(), t, "", strings.Fields(args)...)
		if out != want || code != exitOK {
			t.Errorf("%s: exit %d, %q, %s", args, code, out, talk)
		}
	}
	out, talk, code := f.invoke(t.Context(), t, "", "research", "run", "x")
	if out != "half\n" || code != exitFailed || !strings.Contains(talk, "run failed") {
		t.Errorf("a stream that fails: exit %d, %q, %s", code, out, talk)
	}
}
