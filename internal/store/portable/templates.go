package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

type templates struct{ *db }

// templateBody is what a version of a template holds. It is stored as JSON:
// fields may be added, never renamed.
type templateBody struct {
	Description  string            `json:"description,omitempty"`
	Type         string            `json:"type"`
	Params       string            `json:"params"`
	ParamsSchema string            `json:"params_schema,omitempty"`
	Retry        job.Retry         `json:"retry"`
	TimeoutMS    int64             `json:"timeout_ms,omitempty"`
	Priority     int               `json:"priority"`
	Locks        []string          `json:"locks,omitempty"`
	OnCrash      job.CrashPolicy   `json:"on_crash,omitempty"`
	Limits       *job.Limits       `json:"limits,omitempty"`
	Unique       *job.Unique       `json:"unique,omitempty"`
	DeadlineMS   int64             `json:"start_deadline_ms,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Webhook      *job.Webhook      `json:"webhook,omitempty"`
	DirectiveID  string            `json:"directive_id,omitempty"`
}

func bodyOf(t job.Template) templateBody {
	b := templateBody{
		Description: t.Description, Type: t.Type, Params: string(t.Params), ParamsSchema: string(t.ParamsSchema),
		Retry: t.Retry, TimeoutMS: t.Timeout.Milliseconds(), Priority: t.Priority, Locks: t.Locks, OnCrash: t.OnCrash, Labels: t.Labels,
		Unique: t.Unique, DeadlineMS: t.StartDeadline.Milliseconds(), DirectiveID: t.DirectiveID,
	}
	if encodeLimits(t.Limits) != "" {
		b.Limits = &t.Limits
	}
	if t.Webhook.URL != "" {
		b.Webhook = &t.Webhook
	}
	return b
}

func (b templateBody) fill(t *job.Template) {
	t.Description, t.Type, t.Params = b.Description, b.Type, []byte(b.Params)
	if b.ParamsSchema != "" {
		t.ParamsSchema = []byte(b.ParamsSchema)
	}
	t.Retry, t.Timeout, t.Priority = b.Retry, time.Duration(b.TimeoutMS)*time.Millisecond, b.Priority
	t.Locks, t.OnCrash, t.Labels = b.Locks, b.OnCrash, b.Labels
	t.Unique, t.StartDeadline = b.Unique, time.Duration(b.DeadlineMS)*time.Millisecond
	t.DirectiveID = b.DirectiveID
	if b.Limits != nil {
		t.Limits = *b.Limits
	}
	if b.Webhook != nil {
		t.Webhook = *b.Webhook
	}
}

const templateColumns = `template_id, tenant, name, version, archived, body, created_by, created_ms, updated_ms`

func scanTemplate(rows Rows) (job.Template, error) { return scanTemplateWith(rows.Scan) }

func scanTemplateWith(scan func(...any) error) (job.Template, error) {
	var t job.Template
	var body string
	var created, updated int64
	if err := scan(&t.ID, &t.Tenant, &t.Name, &t.Version, &t.Archived, &body, &t.CreatedBy, &created, &updated); err != nil {
		return t, err
	}
	var b templateBody
	if err := decode(body, &b); err != nil {
		return t, err
	}
	b.fill(&t)
	t.CreatedAt, t.UpdatedAt = clock.FromMillis(created), clock.FromMillis(updated)
	return t, nil
}

func (s templates) Create(ctx context.Context, p store.PutTemplate) (job.Template, error) {
	t := storedTemplate(p.Template)
	t.Version = 1
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO templates (template_id, tenant, name, version, job_type, labels, archived, body,
			created_by, created_ms, updated_ms, deleted_ms, name_folded) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12)
			ON CONFLICT (tenant, name) WHERE deleted_ms = 0 DO NOTHING`,
			t.ID, t.Tenant, t.Name, t.Version, t.Type, encodeLabels(t.Labels), flag(t.Archived), encode(bodyOf(t)),
			t.CreatedBy, clock.Millis(t.CreatedAt), clock.Millis(t.UpdatedAt), fold(t.Name))
		if err != nil {
			return fmt.Errorf("insert template: %w", err)
		}
		if n == 0 {
			return nameTaken(t.Name)
		}
		if err := keepVersion(ctx, tx, t, event.TemplateCreated); err != nil {
			return err
		}
		if err := storeKey(ctx, tx, p.Key, t); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return t, err
}

// storedTemplate returns t as it will be read back.
func storedTemplate(t job.Template) job.Template {
	t.Timeout, t.StartDeadline = t.Timeout.Truncate(time.Millisecond), t.StartDeadline.Truncate(time.Millisecond)
	t.CreatedAt, t.UpdatedAt = clock.FromMillis(clock.Millis(t.CreatedAt)), clock.FromMillis(clock.Millis(t.UpdatedAt))
	return t
}

func nameTaken(name string) error {
	return fault.Newf(fault.NameTaken, "a template named %q exists", name).At("/name", string(fault.NameTaken), "is taken")
}

func keepVersion(ctx context.Context, tx Tx, t job.Template, what event.Type) error {
	if _, err := tx.Exec(ctx, `INSERT INTO template_versions (template_id, version, name, body, created_ms) VALUES ($1, $2, $3, $4, $5)`,
		t.ID, t.Version, t.Name, encode(bodyOf(t)), clock.Millis(t.UpdatedAt)); err != nil {
		return fmt.Errorf("insert template version: %w", err)
	}
	return announce(ctx, tx, []event.Event{{Tenant: t.Tenant, Type: what, At: t.UpdatedAt, TemplateID: t.ID}})
}

// templateBy asks by id and then by name: with both in one query, SQLite goes through
// all templates of the tenant.
func templateBy(ctx context.Context, tx Tx, tenant, idOrName string) (job.Template, error) {
	for _, column := range []string{"template_id", "name"} {
		t, err := scanTemplateWith(tx.Row(ctx, `SELECT `+templateColumns+` FROM templates WHERE tenant = $1 AND `+column+` = $2 AND deleted_ms = 0`,
			tenant, idOrName).Scan)
		if !errors.Is(err, sql.ErrNoRows) {
			return t, err
		}
	}
	return job.Template{}, fault.Newf(fault.NotFound, "no template %s", idOrName)
}

func (s templates) Template(ctx context.Context, tenant, idOrName string) (job.Template, error) {
	var t job.Template
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		t, err = templateBy(ctx, tx, tenant, idOrName)
		return err
	})
	return t, err
}

func (s templates) Version(ctx context.Context, tenant, id string, version int) (job.Template, error) {
	var t job.Template
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		t, err = scanTemplateWith(tx.Row(ctx, `SELECT v.template_id, t.tenant, v.name, v.version, t.archived, v.body, t.created_by,
			t.created_ms, v.created_ms FROM template_versions v JOIN templates t ON t.template_id = v.template_id
			WHERE v.template_id = $1 AND v.version = $2 AND t.tenant = $3`, id, version, tenant).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no version %d of template %s", version, id)
		}
		return err
	})
	return t, err
}

func (s templates) List(ctx context.Context, p store.ListTemplates) (store.TemplatePage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	w.conds = append(w.conds, "deleted_ms = 0")
	in(&w, "job_type", p.Types)
	w.labels("labels", p.Labels)
	w.contains("name_folded", p.Text)
	if p.Archived != nil {
		w.add("archived = %s", flag(*p.Archived))
	}
	if p.AfterName != "" {
		w.add("name > %s", p.AfterName)
	}
	query := fmt.Sprintf(`SELECT %s FROM templates%s ORDER BY name LIMIT %d`, templateColumns, w.String(), p.Limit+1)
	var page store.TemplatePage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list templates: %w", err)
		}
		page.Templates, err = collect(rows, scanTemplate)
		return err
	})
	if len(page.Templates) > p.Limit {
		page.Templates, page.More = page.Templates[:p.Limit], true
	}
	return page, err
}

func (s templates) Update(ctx context.Context, p store.PutTemplate) (job.Template, error) {
	t := storedTemplate(p.Template)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		var taken int
		if err := tx.Row(ctx, `SELECT count(*) FROM templates WHERE tenant = $1 AND name = $2 AND deleted_ms = 0 AND template_id <> $3`,
			t.Tenant, t.Name, t.ID).Scan(&taken); err != nil {
			return fmt.Errorf("check template name: %w", err)
		}
		if taken > 0 {
			return nameTaken(t.Name)
		}
		n, err := tx.Exec(ctx, `UPDATE templates SET name = $1, version = $2, job_type = $3, labels = $4, archived = $5, body = $6,
			updated_ms = $7, name_folded = $8 WHERE template_id = $9 AND tenant = $10 AND version = $11 AND deleted_ms = 0`,
			t.Name, t.Version, t.Type, encodeLabels(t.Labels), flag(t.Archived), encode(bodyOf(t)),
			clock.Millis(t.UpdatedAt), fold(t.Name), t.ID, t.Tenant, t.Version-1)
		if err != nil {
			return fmt.Errorf("update template: %w", err)
		}
		if n == 0 {
			now, err := templateBy(ctx, tx, t.Tenant, t.ID)
			if err != nil {
				return err
			}
			return fault.Newf(fault.VersionMismatch, "template %s has version %d by now", t.ID, now.Version)
		}
		if err := keepVersion(ctx, tx, t, event.TemplateUpdated); err != nil {
			return err
		}
		if err := storeKey(ctx, tx, p.Key, t); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return t, err
}

func (s templates) Delete(ctx context.Context, p store.DeleteTemplate) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.Exec(ctx, `UPDATE templates SET deleted_ms = $1 WHERE template_id = $2 AND tenant = $3 AND deleted_ms = 0`,
			clock.Millis(p.At), p.ID, p.Tenant)
		if err != nil {
			return fmt.Errorf("delete template: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.NotFound, "no template %s", p.ID)
		}
		if err := announce(ctx, tx, []event.Event{{Tenant: p.Tenant, Type: event.TemplateDeleted, At: p.At, TemplateID: p.ID}}); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
}
