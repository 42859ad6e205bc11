package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
)

// Backup is the state of the installation at one moment.
type Backup interface {
	// WriteTo writes it all as one archive.
	WriteTo(ctx context.Context, w io.Writer) error
	// Close frees what it took.
	Close() error
}

func (s *service) backupRoutes() []operation {
	return []operation{{
		ID: "create_backup", Method: http.MethodPost, Path: "/api/backup", Scope: access.BackupWrite, Tag: "system",
		Summary: "Download a backup of the whole installation",
		Doc: "All tenants' jobs, templates, runs, events, users, hashes of tokens and of passwords, logs and artifacts, as they are at one moment. " +
			"The answer is an archive that proves at its end that it is whole: one that breaks off is refused by restore. One backup at a time.",
		Query:   []param{flagParam("artifacts", "false leaves the content of artifacts out")},
		Answers: []answer{{Status: http.StatusOK, Doc: "the archive", Media: []string{"application/octet-stream"}}},
		Faults:  []fault.Code{fault.TooManyRequests, fault.StorageFull}, Stream: s.createBackup,
	}}
}

// sendLimit is how long a caller may take nothing of a backup.
const sendLimit = time.Minute

func (s *service) createBackup(w http.ResponseWriter, r *request) error {
	if s.Backup == nil {
		return fault.New(fault.NotFound, "this server makes no backups")
	}
	select {
	case s.backups <- struct{}{}:
		defer func() { <-s.backups }()
	default:
		return fault.New(fault.TooManyRequests, "another backup is under way")
	}
	b, err := s.Backup(r.Context(), r.query.text("artifacts") == "false")
	if err != nil {
		return err
	}
	defer func() {
		if err := b.Close(); err != nil {
			s.log.WarnContext(r.Context(), "cannot remove temporary files of a backup", "error", err)
		}
	}()
	// Whoever got a part of it has that part: the entry comes first.
	entry, err := s.record(r, change{Action: audit.BackupMade})
	if err != nil {
		return err
	}
	if _, err := s.Store.Audit.Append(r.Context(), *entry); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="runsheet-backup.tar"`)
	w.WriteHeader(http.StatusOK)
	// The connection may be used again for requests without such a limit.
	defer func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) }()
	out := &patient{w: w, until: func() time.Time { return s.Clock.Now().Add(sendLimit) }}
	if err := b.WriteTo(r.Context(), out); err != nil {
		if r.Context().Err() == nil {
			s.log.ErrorContext(r.Context(), "backup ended early", "error", err)
		}
		panic(http.ErrAbortHandler) // what was sent must not look complete
	}
	s.log.InfoContext(r.Context(), "backup sent", "by", r.principal.Name, "bytes", out.sent)
	return nil
}

// patient sets a new time limit with each write, so that a caller may be slow
// but not stand still.
type patient struct {
	w     http.ResponseWriter
	until func() time.Time
	sent  int64
}

func (p *patient) Write(b []byte) (int, error) {
	if err := http.NewResponseController(p.w).SetWriteDeadline(p.until()); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.sent += int64(n)
	return n, err
}
