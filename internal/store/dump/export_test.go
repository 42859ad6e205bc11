package dump

// Exempt reports whether a table or a column is not part of dumps, or exists in
// one engine only.
func Exempt(table, column string) bool {
	_, a := omitted[table]
	_, b := omittedColumns[table+"."+column]
	_, c := postgresOnly[table]
	_, d := postgresOnly[table+"."+column]
	return a || b || c || d
}
