// Command ollama is the Ollama server, for the tests of package llm: what they
// talk to is what people run, on the CPU and without audio.
//
//	scripts/tool.sh ollama # builds it once, in about five minutes
//
// It is a module of its own, so that nothing of it is linked into Runsheet. It
// needs a C++ compiler and Debian's nlohmann-json3-dev and libstb-dev.
package main

import (
	"context"

	"github.com/ollama/ollama/cmd"
	"github.com/ollama/ollama/version"
	"github.com/spf13/cobra"
)

func main() {
	version.Version = "0.17.4" // as in go.mod; else the server says 0.0.0
	cobra.CheckErr(cmd.NewCLI().ExecuteContext(context.Background()))
}
