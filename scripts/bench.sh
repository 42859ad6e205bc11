#!/usr/bin/env bash
# Measures the built program on SQLite and on a throwaway PostgreSQL server that syncs
# as one in production does, and writes the table of goals in docs/bench.md. Arguments
# go to "runsheet bench"; without any, the sizes are those of the goals. BENCH_NOTE is put
# above the table, such as "busy machine". With BENCH_FLAMES, a folder, flame graphs of
# what was measured are drawn there.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
server=
cleanup() {
	# The server ends when its input does.
	exec 7>&- 2>/dev/null || true
	[ -z "$server" ] || wait "$server" || true
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

[ $# -gt 0 ] || set -- --goal-sizes
[ -z "${BENCH_FLAMES:-}" ] || { mkdir -p "$BENCH_FLAMES"; set -- --profile "$dir" "$@"; }

echo "measuring on SQLite"
bin/runsheet bench --json "$@" >"$dir/sqlite.json"

echo "measuring on PostgreSQL"
go build -o "$dir/pg" ./internal/testsvc/pg
mkfifo "$dir/in" "$dir/out"
"$dir/pg" <"$dir/in" >"$dir/out" &
server=$!
exec 7>"$dir/in"
read -r url <"$dir/out"
bin/runsheet bench --json --database-url "$url" "$@" >"$dir/postgres.json"

go run ./internal/gen/goals -note "${BENCH_NOTE:-}" docs/bench.md "$dir/sqlite.json" "$dir/postgres.json"
echo "docs/bench.md is written"

[ -n "${BENCH_FLAMES:-}" ] || exit 0
go build -o "$dir/flame" ./internal/gen/flame
for profile in "$dir"/*.pprof; do
	name=$(basename "$profile" .pprof)
	case $name in *_1 | *_8 | *_10) continue ;; esac # as the one with more at a time
	"$dir/flame" -title "${name#*-}, ${name%%-*}" "$profile" "$BENCH_FLAMES/$name.svg"
done
echo "flame graphs are in $BENCH_FLAMES"
