package sqlite

import "testing"

func TestUnnamed(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"SELECT 1":                 "SELECT 1",
		"SELECT $1, $2 WHERE a=$3": "SELECT ?, ? WHERE a=?",
		"VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)": "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
		"SELECT $1, $2 WHERE a = $1":                  "SELECT $1, $2 WHERE a = $1",
		"SELECT $2, $1":                               "SELECT $2, $1",
		"SELECT $1, '$2 it''s $1', x->>'$.a', $2":     "SELECT ?, '$2 it''s $1', x->>'$.a', ?",
		"SELECT $1 || $x":                             "SELECT $1 || $x",
		"$1":                                          "?",
		"":                                            "",
	} {
		if got := unnamed(from); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}
