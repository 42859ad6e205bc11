package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
)

func TestLLMCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := int64(7)
	who := llm.Usage{Server: "gpu", Model: "m"}
	b.m.LLMCall(llm.Call{Usage: who, Err: fault.New(fault.LLMModelMissing, "")}) // not a model of ours yet
	b.m.LLMCall(llm.Call{Usage: llm.Usage{Server: "gpu", Model: "m", Prompt: &n}, Took: time.Second})
	b.m.LLMCall(llm.Call{Usage: who, Err: fault.New(fault.LLMBusy, "")})
	b.m.LLMCall(llm.Call{Usage: who, Err: errors.New("gone")})
	b.m.LLMCall(llm.Call{Usage: who, Err: context.DeadlineExceeded})
	b.m.LLMCall(llm.Call{Usage: llm.Usage{Server: "made up", Model: "m"}, Err: fault.New(fault.LLMServerUnknown, "")})
	b.has(
		`runsheet_llm_calls_total{model="other",outcome="llm_model_missing",server="gpu"} 1`,
		`runsheet_llm_calls_total{model="m",outcome="ok",server="gpu"} 1`,
		`runsheet_llm_calls_total{model="m",outcome="llm_busy",server="gpu"} 1`,
		`runsheet_llm_calls_total{model="m",outcome="cancelled",server="gpu"} 1`,
		`runsheet_llm_calls_total{model="m",outcome="deadline",server="gpu"} 1`,
		`runsheet_llm_calls_total{model="other",outcome="llm_server_unknown",server="other"} 1`,
		`runsheet_llm_tokens_total{kind="prompt",model="m",server="gpu"} 7`,
		`runsheet_llm_calls_uncounted_total{model="m",server="gpu"} 1`,
		`runsheet_llm_call_duration_seconds_count{model="m",server="gpu"} 4`,
	)
	for i := range 200 {
		b.m.LLMCall(llm.Call{Usage: llm.Usage{Server: "gpu", Model: fmt.Sprint("model-", i)}})
	}
	if n := strings.Count(b.text(), `runsheet_llm_calls_total{`); n > 60 {
		t.Errorf("%d series", n)
	}
}
