package migrations

import (
	"io/fs"
	"path"
	"strings"
)

// whole shows goose each migration as one statement. The databases take a text of
// many statements as it is; goose would look for the end of each and takes a buffer
// of 4 MiB for every line, which costs more than the migration.
type whole struct{ fs.FS }

// Open opens a file or folder.
func (w whole) Open(name string) (fs.File, error) {
	f, err := w.FS.Open(name)
	if err != nil || path.Ext(name) != ".sql" {
		return f, err
	}
	info, err := f.Stat()
	_ = f.Close() // it was only read, and of what is embedded
	if err != nil {
		return nil, err
	}
	b, err := fs.ReadFile(w.FS, name)
	if err != nil {
		return nil, err
	}
	return text{strings.NewReader(oneStatement(string(b))), info}, nil
}

// oneStatement puts all of a migration that goose would run between the marks of
// one statement.
func oneStatement(sql string) string {
	const up, begin, end = "-- +goose Up\n", "-- +goose StatementBegin\n", "-- +goose StatementEnd\n"
	head, body, found := strings.Cut(sql, up)
	if !found {
		return sql // goose says what is wrong with it
	}
	body = strings.NewReplacer(begin, "", end, "").Replace(body)
	return head + up + begin + strings.TrimRight(body, "\n") + "\n" + end
}

// text is an open file whose content differs from that on disk.
type text struct {
	*strings.Reader
	info fs.FileInfo
}

// Stat tells of the file as it is on disk.
func (t text) Stat() (fs.FileInfo, error) { return t.info, nil }

// Close does nothing.
func (t text) Close() error { return nil }
