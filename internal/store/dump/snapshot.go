package dump

import (
	"context"
	"fmt"
	"io"

	"github.com/runsheet/runsheet/internal/store/migrations"
)

// Snapshot is a Source together with its schema.
type Snapshot struct {
	schema *Schema
	src    Source
}

// NewSnapshot returns the snapshot of a database with the given version of the
// schema, without what is Local.
func NewSnapshot(ctx context.Context, src Source, version int64) (*Snapshot, error) {
	s, err := SchemaOf(ctx, version)
	if err != nil {
		return nil, err
	}
	return &Snapshot{schema: s, src: src}, nil
}

// Schema is the version of the schema.
func (s *Snapshot) Schema() int64 { return s.schema.Version }

// Engine names the database.
func (s *Snapshot) Engine() string {
	if s.src.Engine == migrations.Postgres {
		return "postgres"
	}
	return "sqlite"
}

// Tables lists the tables in an order in which they can be loaded.
func (s *Snapshot) Tables() []string {
	var out []string
	for _, t := range s.schema.Tables {
		if _, local := Local[t.Name]; !local {
			out = append(out, t.Name)
		}
	}
	return out
}

// Write writes the rows of a table.
func (s *Snapshot) Write(ctx context.Context, table string, w io.Writer) (int64, error) {
	t, ok := s.schema.Table(table)
	if !ok {
		return 0, fmt.Errorf("there is no table %s", table)
	}
	sum, err := s.schema.Write(ctx, s.src, t, w)
	return sum.Rows, err
}
