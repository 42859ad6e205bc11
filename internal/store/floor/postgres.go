package floor

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

const postgresTable = `CREATE TABLE floor (
	id TEXT COLLATE "C" NOT NULL PRIMARY KEY, rank TEXT COLLATE "C" NOT NULL, state SMALLINT NOT NULL, epoch BIGINT NOT NULL,
	class TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL, params TEXT COLLATE "C" NOT NULL
);
CREATE INDEX floor_order ON floor (rank) WHERE state = 0`

// post is PostgreSQL, on one connection. A change of one statement is a transaction of
// its own, so it is one round trip.
type post struct{ conn *pgx.Conn }

func openPostgres(ctx context.Context, url string) (engine, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, postgresTable); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return post{conn}, nil
}

const (
	postgresAdd = `INSERT INTO floor (id, rank, state, epoch, class, name, kind, params)
		SELECT id, rank, 0, 0, class, name, kind, params
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS r (id, rank, class, name, kind, params)`
	postgresBegin = `UPDATE floor SET state = 1, epoch = epoch + 1 WHERE id = ANY(ARRAY(
		SELECT id FROM floor WHERE state = 0 ORDER BY rank LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING id`
	postgresEnd  = `UPDATE floor SET state = 2 WHERE id = ANY($1)`
	postgresList = `SELECT id, rank, state, epoch, class, name, kind, params FROM floor WHERE state = 0 AND rank >= $1 ORDER BY rank LIMIT $2`
	postgresAll  = `SELECT rank FROM floor`
)

// columns are the parameters of postgresAdd.
func columns(rows []row) []any {
	var c [6][]string
	for _, r := range rows {
		for i, v := range []string{r.id, r.rank, r.class, r.name, r.kind, r.params} {
			c[i] = append(c[i], v)
		}
	}
	return []any{c[0], c[1], c[2], c[3], c[4], c[5]}
}

func (p post) add(ctx context.Context, rows []row) error {
	_, err := p.conn.Exec(ctx, postgresAdd, columns(rows)...)
	return err
}

func (p post) begin(ctx context.Context, n int) ([]string, error) {
	rows, err := p.conn.Query(ctx, postgresBegin, n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (p post) end(ctx context.Context, ids []string) error {
	_, err := p.conn.Exec(ctx, postgresEnd, ids)
	return err
}

// fire sends both statements as one batch, which is one round trip and one transaction.
func (p post) fire(ctx context.Context, rows []row) error {
	b := &pgx.Batch{}
	b.Queue(postgresBegin, len(rows))
	b.Queue(postgresAdd, columns(rows)...)
	return p.conn.SendBatch(ctx, b).Close()
}

func (p post) page(ctx context.Context, rank string, n int) (int, error) {
	return p.read(ctx, postgresList, rank, n)
}

func (p post) all(ctx context.Context) (int, error) { return p.read(ctx, postgresAll) }

// read reads all columns of all rows.
func (p post) read(ctx context.Context, query string, args ...any) (n int, err error) {
	rows, err := p.conn.Query(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		_ = rows.RawValues()
	}
	return n, rows.Err()
}

func (p post) close(ctx context.Context) error { return p.conn.Close(ctx) }
