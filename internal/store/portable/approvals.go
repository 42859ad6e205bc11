package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

type approvals struct{ *db }

// approvalBody is what of a request never changes. It is stored as JSON: fields
// may be added, never renamed.
type approvalBody struct {
	Title          string            `json:"title"`
	Summary        []approval.Field  `json:"summary,omitempty"`
	Table          approval.Listing  `json:"table,omitzero"`
	RequestedBy    approval.Person   `json:"requested_by"`
	Remind         []time.Duration   `json:"remind,omitempty"`
	OnExpire       approval.OnExpire `json:"on_expire"`
	MinApprovals   int               `json:"min_approvals"`
	AllowRequester bool              `json:"allow_requester,omitempty"`
	RequireComment bool              `json:"require_comment,omitempty"`
	MaxReRequests  int               `json:"max_re_requests"`
	Approvers      []string          `json:"approvers,omitempty"`
}

const approvalColumns = `approval_id, tenant, status, version, kind, subject_type, subject_id, body, content, content_hash,
	round, replaces, replaced_by, decisions, delegations, reason, requested_ms, expires_ms, decided_ms`

func scanApproval(rows Rows) (approval.Request, error) { return scanApprovalWith(rows.Scan) }

func scanApprovalWith(scan func(...any) error) (approval.Request, error) {
	var r approval.Request
	var body, content, decisions, delegations string
	var requested, expires, decided int64
	if err := scan(&r.ID, &r.Tenant, &r.Status, &r.Version, &r.Kind, &r.Subject.Type, &r.Subject.ID, &body, &content, &r.ContentHash,
		&r.Round, &r.Replaces, &r.ReplacedBy, &decisions, &delegations, &r.Reason, &requested, &expires, &decided); err != nil {
		return r, err
	}
	var b approvalBody
	if err := errors.Join(decode(body, &b), decode(decisions, &r.Decisions), decode(delegations, &r.Delegations)); err != nil {
		return r, err
	}
	r.Title, r.Summary, r.Table, r.RequestedBy, r.Remind = b.Title, b.Summary, b.Table, b.RequestedBy, b.Remind
	r.OnExpire, r.MinApprovals, r.AllowRequester, r.RequireComment, r.MaxReRequests = b.OnExpire, b.MinApprovals, b.AllowRequester, b.RequireComment, b.MaxReRequests
	r.Approvers = b.Approvers
	if content != "" {
		r.Content = []byte(content)
	}
	r.RequestedAt, r.ExpiresAt, r.DecidedAt = clock.FromMillis(requested), clock.FromMillis(expires), clock.FromMillis(decided)
	return r, nil
}

// storedApproval returns r as it will be read back.
func storedApproval(r approval.Request) approval.Request {
	for _, t := range []*time.Time{&r.RequestedAt, &r.ExpiresAt, &r.DecidedAt} {
		*t = clock.FromMillis(clock.Millis(*t))
	}
	for i := range r.Decisions {
		r.Decisions[i].At = clock.FromMillis(clock.Millis(r.Decisions[i].At))
	}
	for i := range r.Delegations {
		r.Delegations[i].At = clock.FromMillis(clock.Millis(r.Delegations[i].At))
	}
	return r
}

func approvalByID(ctx context.Context, tx Tx, tenant, id string) (approval.Request, error) {
	r, err := scanApprovalWith(tx.Row(ctx, `SELECT `+approvalColumns+` FROM approvals WHERE approval_id = $1 AND tenant = $2`, id, tenant).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, fault.Newf(fault.NotFound, "no approval %s", id)
	}
	return r, err
}

// requestAbout is the request about a job, nil = there is none.
func requestAbout(all []approval.Request, jobID string) *approval.Request {
	for i, r := range all {
		if r.Subject == (approval.Subject{Type: approval.SubjectJob, ID: jobID}) {
			return &all[i]
		}
	}
	return nil
}

// addAsking is addJob for a job that must not start before a request about it is
// approved, nil = it needs no approval.
func addAsking(ctx context.Context, tx Tx, j job.Job, r *approval.Request, now time.Time) (job.Job, error) {
	if r == nil {
		return addJob(ctx, tx, j, now)
	}
	j.ApprovalID, j.ApprovalUntil = r.ID, r.ExpiresAt
	j, err := addJob(ctx, tx, j, now)
	if err != nil {
		return j, err
	}
	return j, ask(ctx, tx, storedApproval(*r))
}

// ask stores a new request and announces it.
func ask(ctx context.Context, tx Tx, r approval.Request) error {
	n, err := tx.Exec(ctx, `INSERT INTO approvals (`+approvalColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (tenant, subject_type, subject_id) WHERE status = 'PENDING' DO NOTHING`,
		r.ID, r.Tenant, string(r.Status), r.Version, string(r.Kind), string(r.Subject.Type), r.Subject.ID, encode(approvalBody{
			r.Title, r.Summary, r.Table, r.RequestedBy, r.Remind, r.OnExpire, r.MinApprovals, r.AllowRequester, r.RequireComment, r.MaxReRequests, r.Approvers,
		}), string(r.Content), r.ContentHash, r.Round, r.Replaces, r.ReplacedBy, encode(r.Decisions), encode(r.Delegations), r.Reason,
		clock.Millis(r.RequestedAt), clock.Millis(r.ExpiresAt), clock.Millis(r.DecidedAt))
	if err != nil {
		return fmt.Errorf("insert approval: %w", err)
	}
	if n == 0 {
		return fault.Newf(fault.Conflict, "an approval of %s is pending", r.Subject.ID)
	}
	tx.Hint(store.Hint{Topic: store.HintApprovals})
	return announceApproval(ctx, tx, []event.Event{r.Requested()}, r)
}

// answer writes what a change made of a request. conflict when the row is not as
// the change saw it, which cannot be while the caller has its lock.
func answer(ctx context.Context, tx Tx, c approval.Change) error {
	a, b := c.After, c.Before
	n, err := tx.Exec(ctx, `UPDATE approvals SET status = $1, version = $2, replaced_by = $3, decisions = $4, delegations = $5, reason = $6, decided_ms = $7
		WHERE approval_id = $8 AND tenant = $9 AND version = $10 AND status = $11 AND content_hash = $12`,
		string(a.Status), a.Version, a.ReplacedBy, encode(a.Decisions), encode(a.Delegations), a.Reason, clock.Millis(a.DecidedAt),
		b.ID, b.Tenant, b.Version, string(b.Status), b.ContentHash)
	if err != nil {
		return fmt.Errorf("change approval: %w", err)
	}
	if n == 0 {
		return fault.Newf(fault.Conflict, "approval %s changed meanwhile", b.ID)
	}
	if err := announceApproval(ctx, tx, c.Emit, a); err != nil {
		return err
	}
	return approvalEnded(ctx, tx, a)
}

// lockApproval keeps others from changing a request, and its job, until the
// transaction ends: the job first, because whoever ends a job goes that way too.
// It returns both as they are then; j is nil when no job waits for the request.
func (s approvals) lockApproval(ctx context.Context, tx Tx, tenant, id string) (r approval.Request, j *job.Job, err error) {
	if r, err = approvalByID(ctx, tx, tenant, id); err != nil {
		return r, nil, err
	}
	if r.Subject.Type == approval.SubjectJob {
		if err := s.LockJob(ctx, tx, r.Subject.ID); err != nil {
			return r, nil, err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE approvals SET version = version WHERE approval_id = $1`, id); err != nil {
		return r, nil, fmt.Errorf("lock approval: %w", err)
	}
	if r, err = approvalByID(ctx, tx, tenant, id); err != nil || r.Subject.Type != approval.SubjectJob {
		return r, nil, err
	}
	found, err := jobByID(ctx, tx, tenant, r.Subject.ID)
	if fault.Is(err, fault.NotFound) || err == nil && (!found.AwaitsApproval() || found.ApprovalID != id) {
		return r, nil, nil
	}
	return r, &found, err
}

// withdrawApproval supersedes the request for which a job waited that has ended.
// The caller has changed the job's row, and thereby locked it.
func withdrawApproval(ctx context.Context, tx Tx, j job.Job) error {
	r, err := approvalByID(ctx, tx, j.Tenant, j.ApprovalID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.Status != approval.Pending { // what ended the job is its outcome
		return nil
	}
	c, err := approval.Apply(r, approval.Withdrawn{At: j.FinishedAt, Reason: "the job is " + string(j.State)})
	if err != nil {
		return err
	}
	return answer(ctx, tx, c)
}

func (s approvals) Create(ctx context.Context, p store.CreateApproval) (approval.Request, error) {
	r := storedApproval(p.Request)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		if err := ask(ctx, tx, r); err != nil {
			return err
		}
		if err := storeKey(ctx, tx, p.Key, r); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return r, err
}

func (s approvals) Approval(ctx context.Context, tenant, id string) (approval.Request, error) {
	var r approval.Request
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		r, err = approvalByID(ctx, tx, tenant, id)
		return err
	})
	return r, err
}

func (s approvals) List(ctx context.Context, p store.ListApprovals) (store.ApprovalPage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	if slices.Equal(p.Statuses, []approval.Status{approval.Pending}) {
		w.conds = append(w.conds, "status = 'PENDING'") // the literal that indexes have
	} else {
		in(&w, "status", p.Statuses)
	}
	in(&w, "kind", p.Kinds)
	if p.Subject.Type != "" {
		w.add("subject_type = %s", string(p.Subject.Type))
	}
	if p.Subject.ID != "" {
		w.add("subject_id = %s", p.Subject.ID)
	}
	if p.RunID != "" {
		// A range, which the index of subjects has: "0" comes behind "/".
		w.add("subject_type = %s AND subject_id > %s AND subject_id < %s", string(approval.SubjectWorkflowNode), p.RunID+"/", p.RunID+"0")
	}
	by, beyond := "requested_ms DESC, approval_id DESC", "(requested_ms, approval_id) < (%s, %s)"
	if p.ByExpiry {
		by, beyond = "expires_ms, approval_id", "(expires_ms, approval_id) > (%s, %s)"
	}
	if p.After != nil {
		w.add(beyond, clock.Millis(p.After.At), p.After.ID)
	}
	query := fmt.Sprintf(`SELECT %s FROM approvals%s ORDER BY %s LIMIT %d`, approvalColumns, w.String(), by, p.Limit+1)
	var page store.ApprovalPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list approvals: %w", err)
		}
		page.Requests, err = collect(rows, scanApproval)
		return err
	})
	if len(page.Requests) > p.Limit {
		page.Requests, page.More = page.Requests[:p.Limit], true
	}
	return page, err
}
