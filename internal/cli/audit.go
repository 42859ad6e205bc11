package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
)

func (a *app) auditCommand() *cobra.Command {
	return a.noun("audit", "See who did what, and check that nobody changed the record", a.auditList(), a.auditVerify(), a.auditExport())
}

func (a *app) auditView() view[client.AuditEntry] {
	return view[client.AuditEntry]{
		id:      func(e client.AuditEntry) string { return strconv.FormatInt(e.Seq, 10) },
		columns: []string{"SEQ", "TIME", "ACTOR", "ACTION", "OBJECT", "FROM", "DETAIL"}, status: -1, spare: []string{"FROM"}, note: true,
		row: func(e client.AuditEntry) []string {
			object := e.ObjectName
			if object == "" {
				object = e.Object
			}
			return []string{strconv.FormatInt(e.Seq, 10), stamp(&e.CreatedAt), e.Actor.Name, e.Action, object, e.Actor.Remote, labelText(e.Detail)}
		},
	}
}

// since reads a time, or how long ago it was.
func (a *app) since(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	d, err := clock.ParseDuration(s)
	if err != nil || d < 0 {
		return time.Time{}, usagef("--%s %q must be a time such as 2026-01-31T12:00:00Z, or how long ago, such as 7d", flag, s)
	}
	return a.Clock.Now().Add(-d), nil
}

func (a *app) auditList() *cobra.Command {
	var (
		f             client.AuditFilter
		after, before string
		limit         int
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List who did what, newest first", Args: noArgs,
		Example: `  runsheet audit ls --since 7d --action token.create,token.revoke
  runsheet audit ls --actor ann --json=created_at,action,object`,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if f.After, err = a.since("since", after); err != nil {
				return err
			}
			if f.Before, err = a.since("until", before); err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			return show(c.Context(), a, a.auditView(), false, limit, func(ctx context.Context) ([]client.AuditEntry, error) {
				return client.Collect(cl.Audit(ctx, f), limit)
			})
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.Action, "action", nil, "only these `actions`, such as token.create")
	fs.StringVar(&f.Actor, "actor", "", "only what this `name` or id did")
	fs.StringVar(&f.Object, "object", "", "only what was done to this `name` or id")
	fs.StringVar(&after, "since", "", "only after this `time`, or since so long ago, such as 7d")
	fs.StringVar(&before, "until", "", "only before this `time`, or until so long ago")
	fs.BoolVar(&f.Oldest, "oldest", false, "oldest first")
	fs.IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	tenantFlag(c, &f.Tenant)
	return c
}

// broken is the error of a record that somebody changed.
type broken struct{ text string }

func (e *broken) Error() string { return "the audit record is not what it was: " + e.text }

func (a *app) auditVerify() *cobra.Command {
	var tenant, file, head string
	c := &cobra.Command{
		Use: "verify", Short: "Check that nobody changed the record", Args: noArgs,
		Long: `Verify checks the hashes of all entries, on the server, or of a file that audit
export made, without the server. With --head it also checks that the record still
holds the entry with a hash that was noted earlier: whoever can write the database
can make a new record that fits in itself, but not one with that hash.`,
		Example: "  runsheet audit verify --head 578c32...\n  runsheet audit verify --file audit.jsonl --head 578c32...",
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("head") {
				noted, ok := audit.ParseHash(head)
				if !ok {
					return usagef("--head %q %s", head, audit.NotHash)
				}
				head = noted
			}
			check, note, err := a.verified(c, tenant, file, head)
			if err != nil {
				return err
			}
			if err := printOne(a, view[client.AuditCheck]{
				id: func(v client.AuditCheck) string { return v.HeadHash },
				detail: func(v client.AuditCheck) []pair {
					state := "valid"
					if !v.Valid {
						state = "BROKEN"
					}
					return []pair{
						{"record", state},
						{"tenant", v.Tenant},
						{"entries", strconv.FormatInt(v.Entries, 10)},
						{"head", v.HeadHash},
					}
				},
			}, check); err != nil {
				return err
			}
			if !check.Valid {
				return &broken{deref(check.Error)}
			}
			if note != "" {
				a.talk("note: %s", note)
			}
			return nil
		},
	}
	c.Flags().StringVar(&file, "file", "", "check this exported `file` instead of asking the server")
	c.Flags().StringVar(&head, "head", "", "a `hash` that must be in the record")
	tenantFlag(c, &tenant)
	return c
}

// verified returns what the check found, and what a person should know beside.
func (a *app) verified(c *cobra.Command, tenant, file, head string) (check client.AuditCheck, note string, err error) {
	if file == "" {
		cl, err := a.connect(c)
		if err != nil {
			return check, "", err
		}
		check, err = cl.VerifyAudit(c.Context(), tenant, head)
		return check, "", err
	}
	f, err := os.Open(file)
	if err != nil {
		return check, "", usagef("read the export: %v", err)
	}
	defer f.Close() // only read
	return checkExport(f, head)
}

// maxEntry bounds the length of one exported entry, in bytes.
const maxEntry = 1 << 20

// checkExport checks a chain in JSON Lines. What is wrong with the chain is in
// the answer; an error means that it cannot be read. The note tells that the
// chain may go on after its last entry here.
func checkExport(r io.Reader, head string) (out client.AuditCheck, note string, err error) {
	out = client.AuditCheck{Valid: true}
	met := head == ""
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEntry)
	whole := true // the last line that was read has its end
	lines.Split(func(data []byte, end bool) (int, []byte, error) {
		n, line, err := bufio.ScanLines(data, end)
		whole = n == 0 || data[n-1] == '\n'
		return n, line, err
	})
	last := ""
	var v audit.Verifier
	wrong := func(at *int64, text string) { out.Valid, out.BrokenAt, out.Error = false, at, &text }
	for n := 1; lines.Scan(); n++ {
		if !out.Valid {
			continue // who copies the export wants what follows too
		}
		var e wire.AuditEntry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			switch {
			case lines.Err() != nil: // what stopped the reading cut the line too
				return out, "", fmt.Errorf("read the export: %w", lines.Err())
			case whole || !strings.HasPrefix(lines.Text(), "{"):
				return out, "", usagef("line %d is not an exported entry: %v", n, err)
			}
			wrong(nil, fmt.Sprintf("the last line is cut: line %d ends inside an entry", n))
			continue
		}
		switch {
		case n == 1:
			out.Tenant = e.Tenant
		case e.Tenant != out.Tenant:
			wrong(&e.Seq, fmt.Sprintf("entry %d belongs to the tenant %s", e.Seq, e.Tenant))
			continue
		}
		if err := v.Check(e.Domain()); err != nil {
			wrong(&e.Seq, err.Error())
		}
		met, last = met || out.Valid && e.Hash == head, e.Action
	}
	if err := lines.Err(); err != nil {
		return out, "", fmt.Errorf("read the export: %w", err)
	}
	out.Entries, out.HeadSeq, out.HeadHash = v.Seq, v.Seq, v.Hash
	switch {
	case out.Valid && v.Seq == 0:
		wrong(nil, "the file has no entries")
	case out.Valid && !met:
		wrong(nil, audit.Lost)
	case out.Valid && last != string(audit.AuditExported):
		note = "the last entry is " + last + "; an export ends with its own entry, audit.export, so the end of this one may be missing"
	}
	return out, note, nil
}

func (a *app) auditExport() *cobra.Command {
	var tenant, file string
	c := &cobra.Command{
		Use: "export", Short: "Download the whole record as JSON Lines", Args: noArgs,
		Long: `Export writes all entries, oldest first, to stdout or to a file, checks them on the
way, and says the hash of the last one. Note that hash elsewhere: audit verify
--head uses it.`,
		Example: "  runsheet audit export --out audit.jsonl",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			from, err := cl.ExportAudit(c.Context(), tenant)
			if err != nil {
				return err
			}
			defer from.Close() // only read
			var check client.AuditCheck
			if file == "" {
				check, _, err = checkExport(io.TeeReader(from, a.out), "")
			} else {
				check, err = exportTo(file, from)
			}
			switch {
			case err != nil:
				return err
			case !check.Valid:
				return &broken{deref(check.Error)}
			}
			a.talk("%d entries; note the hash of the last one elsewhere: %s", check.Entries, check.HeadHash)
			return nil
		},
	}
	c.Flags().StringVarP(&file, "out", "o", "", "write to this `file`, which only you can read")
	tenantFlag(c, &tenant)
	return c
}

// exportTo writes a chain to a file that is there only when it is complete.
func exportTo(file string, from io.Reader) (check client.AuditCheck, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+strings.TrimPrefix(filepath.Base(file), ".")+".*")
	if err != nil {
		return check, usagef("write the export: %v", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what is half is of no use, and the first error counts
		}
	}()
	check, _, err = checkExport(io.TeeReader(from, f), "")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return check, err
	}
	return check, os.Rename(f.Name(), file)
}
