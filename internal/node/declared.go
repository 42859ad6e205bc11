package node

import (
	"context"
	"fmt"

	"github.com/runsheet/runsheet/internal/workflow"
)

// CodeNotAvailable is the failure of a kind that this version of the program can check
// but not run.
const CodeNotAvailable = "not_available"

// Declared is a kind of node that the language has and this version of the program
// does not run: documents with it are checked, kept and tested with mocks.
type Declared struct{ kind workflow.Kind }

// Declare returns a node that fails with CodeNotAvailable.
func Declare(k workflow.Kind) Declared { return Declared{k} }

// Kind implements Node.
func (d Declared) Kind() workflow.Kind { return d.kind }

// Run implements Node. It does nothing.
func (d Declared) Run(context.Context, Call) (Result, error) {
	return Result{}, Fatal(CodeNotAvailable, fmt.Errorf("this version of the server cannot run nodes of type %s; workflow test can, with a mock", d.kind.Name()))
}
