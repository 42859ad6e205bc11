package cli

import (
	"testing"

	"github.com/runsheet/runsheet/client"
)

func TestBegunText(t *testing.T) {
	t.Parallel()
	for want, b := range map[string]*client.WorkflowBeginning{
		"":                             nil,
		", from the nodes that failed": {Version: 2},
		", from node load":             {Version: 2, FromNode: new("load")},
		", the failed items of maps":   {Version: 2, FailedItems: true},
		", from node load and the failed items of maps, which had version 1": {Version: 1, FromNode: new("load"), FailedItems: true},
		", from step 7": {Version: 2, CheckpointSeq: new(int64(7))},
	} {
		r := client.WorkflowRunDocument{Began: b}
		r.Version = 2
		if got := begunText(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
