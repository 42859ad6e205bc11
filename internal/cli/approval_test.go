package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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
	case "POST /approvals/" + approvalID + "/delegate":
		x.Delegations = []client.ApprovalDelegation{{From: "bob", To: "tom", Reason: "on \x1b[31mleave", DelegatedAt: now}}
	case "POST /approvals/" + approvalID + "/recall":
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
		"approval_help":           "approval --help",
		"approval_ls":             "approval ls",
		"approval_ls_help":        "approval ls --help",
		"approval_show":           "approval show " + approvalID,
		"approval_approve_help":   "approval approve --help",
		"approval_approve":        "approval approve " + approvalID + " --yes --comment fine",
		"approval_delegate":       "approval delegate " + approvalID + " --to tom --reason leave",
		"approval_delegate_help":  "approval delegate --help",
		"approval_delegate_usage": "approval delegate " + approvalID + " --to tom",
		"approval_recall":         "approval delegate " + approvalID + " --recall",
		"approval_asks":           "approval approve " + approvalID,
		"approval_reject":         "approval reject " + approvalID + " --content-hash " + approvalHash,
		"approval_again":          "approval re-request " + approvalID,
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

// TestWaitForApproval: a script does not wait for people, but is told; who watches
// goes on watching.
func TestWaitForApproval(t *testing.T) {
	t.Parallel()
	until := now.Add(time.Hour)
	asking := client.Job{
		JobID: jobID, Status: "QUEUED", ApprovalID: text(approvalID),
		Waiting: &client.Waiting{Code: "approval", Detail: "somebody must approve it first", Holder: text(approvalID), Until: &until},
	}
	var mu sync.Mutex
	var sent string
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(r.URL.Path, "/events") {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		j := asking
		if r.Method == http.MethodPost {
			b, _ := io.ReadAll(r.Body)
			sent = string(b)
		} else if asked++; asked > 2 {
			j.Status, j.Waiting = "COMPLETED", nil
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(j)
	}))
	t.Cleanup(srv.Close)
	f := &fake{Server: srv}
	_, talk, code := f.invoke(t.Context(), t, "", "job", "add", "--approval=4h", "--approvals", "2", "--wait", "--", "/bin/true")
	if code != exitApproval || !strings.Contains(talk, "runsheet approval show "+approvalID) || !strings.Contains(talk, until.Format(time.RFC3339)) {
		t.Errorf("exit %d: %s", code, talk)
	}
	if !strings.Contains(sent, `"approval":{"expires_in":"4h0m0s","min_approvals":2}`) {
		t.Errorf("sent %s", sent)
	}
	if _, talk, code = f.invoke(t.Context(), t, "", "job", "watch", jobID); code != exitOK || !strings.Contains(talk, "somebody must approve it first") {
		t.Errorf("watch: exit %d: %s", code, talk)
	}
	if _, talk, code = f.invoke(t.Context(), t, "", "job", "add", "--self-approval", "--", "/bin/true"); code != exitOK || !strings.Contains(sent, `"approval":{"allow_requester":true}`) {
		t.Errorf("exit %d: %s, sent %s", code, talk, sent)
	}
}
