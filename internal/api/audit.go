package api

import (
	"encoding/json"
	"net/http"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) auditRoutes() []operation {
	return []operation{
		{
			ID: "list_audit", Method: http.MethodGet, Path: "/api/audit", Scope: access.AuditRead, Tag: "audit", Summary: "List who did what",
			Doc: "Newest first, unless sort=seq.",
			Query: pageParams(listParam("action", "only these actions, such as token.create"), textParam("actor", "only what this name or id did"),
				textParam("object", "only what was done to this id or name"), timeParam("created_after", "done later than this"),
				timeParam("created_before", "done earlier than this"), enumParam("sort", "order of the list", "seq", "-seq"), tenantParam()),
			Faults:  []fault.Code{fault.CursorInvalid, fault.NotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.AuditList{}}}, Handle: s.listAudit,
		},
		{
			ID: "verify_audit", Method: http.MethodGet, Path: "/api/audit/verify", Scope: access.AuditRead, Tag: "audit", Summary: "Check the whole chain",
			Doc: "Reads every entry; it takes a while when there are many.",
			Query: []param{
				textParam("head", "a hash that was noted earlier, 64 hex digits: the chain is only valid if it still holds an entry with it"), tenantParam(),
			},
			Faults: []fault.Code{fault.NotFound}, Answers: []answer{{Status: http.StatusOK, Doc: "what the check found", Body: wire.AuditCheck{}}},
			Handle: s.verifyAudit,
		},
		{
			ID: "export_audit", Method: http.MethodGet, Path: "/api/audit/export", Scope: access.AuditRead, Tag: "audit", Summary: "Download the whole chain",
			Doc:   "JSON Lines, one AuditEntry each, from the first to the one that records this export. An answer that breaks off is not complete.",
			Query: []param{tenantParam()}, Faults: []fault.Code{fault.NotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "the entries", Media: []string{jsonLines}}}, Stream: s.exportAudit,
		},
	}
}

const jsonLines = "application/x-ndjson"

func (s *service) listAudit(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	tenant, err := s.tenantOf(r, r.query.text("tenant"), access.TenantsRead)
	if err != nil {
		return reply{}, err
	}
	p := store.ListAudit{
		Tenant: tenant, Actor: r.query.text("actor"), Object: r.query.text("object"), After: r.query.time("created_after"),
		Before: r.query.time("created_before"), Newest: r.query.text("sort") != "seq", Limit: r.query.limit(),
	}
	for _, a := range r.query["action"] {
		p.Actions = append(p.Actions, audit.Action(a))
	}
	if c != nil {
		p.Seq = c.Seq
	}
	page, err := s.Store.Audit.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.AuditList{Items: []wire.AuditEntry{}}
	for _, e := range page.Entries {
		out.Items = append(out.Items, wire.AuditEntryOf(e))
		out.NextCursor = r.next(page.More, cursor{Name: "seq", Seq: e.Seq})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// auditPage is how many entries are held in memory while the chain is walked.
const auditPage = 500

// walkAudit gives the entries of a chain up to a number, in order, to visit,
// which may say that it has seen enough.
func (s *service) walkAudit(r *request, tenant string, upTo int64, visit func(audit.Entry) (more bool, err error)) error {
	for after := int64(0); after < upTo; {
		page, err := s.Store.Audit.List(r.Context(), store.ListAudit{Tenant: tenant, Seq: after, Limit: auditPage})
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if e.Seq > upTo {
				return nil
			}
			if more, err := visit(e); err != nil || !more {
				return err
			}
			after = e.Seq
		}
		if !page.More {
			return nil
		}
	}
	return nil
}

func (s *service) verifyAudit(r *request) (reply, error) {
	tenant, err := s.tenantOf(r, r.query.text("tenant"), access.TenantsRead)
	if err != nil {
		return reply{}, err
	}
	noted, err := notedHash(r)
	if err != nil {
		return reply{}, err
	}
	head, err := s.Store.Audit.Head(r.Context(), tenant)
	if err != nil {
		return reply{}, err
	}
	out := wire.AuditCheck{Tenant: tenant, Valid: true}
	met := noted == ""
	var v audit.Verifier
	err = s.walkAudit(r, tenant, head.Seq, func(e audit.Entry) (bool, error) {
		if wrong := v.Check(e); wrong != nil {
			text, at := wrong.Error(), e.Seq
			out.Valid, out.Error, out.BrokenAt = false, &text, &at
		}
		met = met || e.Hash == noted
		return out.Valid, nil
	})
	if err != nil {
		return reply{}, err
	}
	out.Entries, out.HeadSeq, out.HeadHash = v.Seq, v.Seq, v.Hash
	if out.Valid && !met {
		text := audit.Lost
		out.Valid, out.Error = false, &text
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// notedHash reads the parameter head, "" when it is absent.
func notedHash(r *request) (string, error) {
	said, ok := r.query["head"]
	if !ok {
		return "", nil
	}
	noted, ok := audit.ParseHash(said[0])
	if !ok {
		return "", fault.New(fault.InvalidParameter, "a query parameter has a value that cannot be used").At("query/head", "invalid", audit.NotHash)
	}
	return noted, nil
}

// exportAudit records the export and then sends the chain, up to that record.
func (s *service) exportAudit(w http.ResponseWriter, r *request) error {
	tenant, err := s.tenantOf(r, r.query.text("tenant"), access.TenantsRead)
	if err != nil {
		return err
	}
	h := w.Header()
	if r.Method == http.MethodHead {
		h.Set("Content-Type", jsonLines)
		return nil
	}
	entry, err := s.record(r, change{Action: audit.AuditExported, Tenant: tenant})
	if err != nil {
		return err
	}
	mark, err := s.Store.Audit.Append(r.Context(), *entry)
	if err != nil {
		return err
	}
	h.Set("Content-Type", jsonLines)
	h.Set("Content-Disposition", `attachment; filename="audit-`+tenant+`.jsonl"`)
	w.WriteHeader(http.StatusOK)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	sent := int64(0)
	err = s.walkAudit(r, tenant, mark.Seq, func(e audit.Entry) (bool, error) {
		sent = e.Seq
		return true, enc.Encode(wire.AuditEntryOf(e))
	})
	if err != nil || sent != mark.Seq {
		// The head is out: what fails from here on can only end the answer.
		s.log.WarnContext(r.Context(), "audit export ended early", "tenant", tenant, "seq", sent, "error", err)
		panic(http.ErrAbortHandler) // what was sent must not look complete
	}
	return nil
}
