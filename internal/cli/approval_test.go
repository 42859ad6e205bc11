package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/client"
)

const (
	approvalID   = "appr_01jh0000000000000000000000"
	approvalHash = "sha256:ab"
)

func approvalAnswer(w http.ResponseWriter, what string) bool {
	x := client.Approval{
		ApprovalID: approvalID, Status: "PENDING", Title: "Run \x1b[31mnightly?", Subject: client.ApprovalSubject{Type: "job", ID: jobID},
		Fields:  []client.ApprovalField{{Name: "job_type", Label: "Job type", Type: "text", Value: "command"}},
		Table:   client.ApprovalTable{Columns: []client.ApprovalColumn{{Name: "symbol", Label: "Symbol"}, {Name: "qty", Label: "Quantity"}}, Rows: [][]string{{"A", "3"}}},
		Content: json.RawMessage(`{ "params": {} }`), ContentHash: approvalHash, RequestedBy: "ann", RequestedAt: now, ExpiresAt: now.Add(time.Hour), MinApprovals: 2,
	}
	word := func(yes bool, comment string) {
		x.Decisions = []client.ApprovalDecision{{Approved: yes, DecidedBy: "bob", DecidedAt: now, Comment: &comment}}
	}
	switch what {
	case "GET /approvals":
		_ = json.NewEncoder(w).Encode(client.ApprovalList{Items: []client.Approval{x}})
		return true
	case "GET /approvals/" + approvalID:
	case "POST /approvals/" + approvalID + "/approve":
		word(true, "fine")
	case "POST /approvals/" + approvalID + "/reject":
		word(false, "no")
		x.Status = "REJECTED"
	case "POST /approvals/" + approvalID + "/re-request":
		x.ApprovalID, x.Round = "appr_01jh0000000000000000000001", 2
	default:
		return false
	}
	_ = json.NewEncoder(w).Encode(x)
	return true
}

func TestApprovalGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"approval_help":         "approval --help",
		"approval_ls":           "approval ls",
		"approval_ls_help":      "approval ls --help",
		"approval_show":         "approval show " + approvalID,
		"approval_approve_help": "approval approve --help",
		"approval_approve":      "approval approve " + approvalID + " --yes --comment fine",
		"approval_asks":         "approval approve " + approvalID,
		"approval_reject":       "approval reject " + approvalID + " --content-hash " + approvalHash,
		"approval_again":        "approval re-request " + approvalID,
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// TestApprovalSends: a decision names what was shown, or what the person says.
func TestApprovalSends(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"approval approve " + approvalID + " --yes":                          `"content_hash":"` + approvalHash + `"`,
		"approval approve " + approvalID + " --content-hash sha256:00":       `"content_hash":"sha256:00"`,
		"approval reject " + approvalID + " --yes --comment x":               `"comment":"x"`,
		"approval re-request " + approvalID + " --comment x":                 `"content_hash":"` + approvalHash + `"`,
		"approval re-request " + approvalID + " --content-hash sha256:00 -q": `"content_hash":"sha256:00"`,
	} {
		f := serve(t, "FAILED")
		if _, talk, code := f.invoke(t.Context(), t, "", strings.Fields(args)...); code != exitOK {
			t.Errorf("%s: exit %d: %s", args, code, talk)
		}
		if len(f.bodies) == 0 || !strings.Contains(f.bodies[len(f.bodies)-1], want) {
			t.Errorf("%s sends %v", args, f.bodies)
		}
	}
	f := serve(t, "FAILED")
	if _, _, code := f.invoke(t.Context(), t, "", "approval", "approve", approvalID); code != exitUsage || strings.Join(f.bodies, "") != "" {
		t.Errorf("decided without being asked: exit %d, %v", code, f.bodies)
	}
}
